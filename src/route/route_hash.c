/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scores of servers for a user. No state, no locks, no memory of its own.
 */
#include "route/route_hash.h"

#include <math.h>

#include "config.h"

#ifdef HAVE_XXHASH
#define XXH_INLINE_ALL
#include <xxhash.h>

bool route_hash_is_supported(void)
{
    return true;
}

uint64_t route_hash(const char *login, size_t login_length, const char *server,
                    size_t server_length)
{
    XXH64_state_t state;

    XXH64_reset(&state, 0);
    XXH64_update(&state, login, login_length);
    XXH64_update(&state, "", 1);
    XXH64_update(&state, server, server_length);
    return XXH64_digest(&state);
}
#else
bool route_hash_is_supported(void)
{
    return false;
}

/* Never reached: a group is refused when the configuration is checked. */
uint64_t route_hash(const char *login, size_t login_length, const char *server,
                    size_t server_length)
{
    (void)login;
    (void)login_length;
    (void)server;
    (void)server_length;
    return 0;
}
#endif

double route_hash_score(uint64_t hash, double weight)
{
    /* The upper 53 bits, the most a double holds; the half keeps it off 0. The largest hash alone
     * would be rounded up to 1, whose logarithm is 0, and gets the largest fraction below. */
    double u = fmin(((double)(hash >> 11) + 0.5) * 0x1p-53, 1 - 0x1p-53);

    return weight <= 0 ? 0 : -weight / log(u);
}
