/* SPDX-License-Identifier: BSD-2-Clause */
/* When the clients of the load generator arrive; see arrival.h. */
#include "arrival.h"

#include "bench.h"
#include "client.h"
#include "settings.h"
#include "tally.h"

#define AT_ONCE 256                     /* how many begin before events are read again */
#define LOGINS_AT_ONCE 64               /* idle: how many log in at the same time */

static uint64_t begin_ns, started;
static bool is_stopping;

void arrival_start(void)
{
    begin_ns = bench_now_ns();
}

uint64_t arrival_start_ns(void)
{
    return begin_ns;
}

void arrival_stop(void)
{
    is_stopping = true;
}

uint64_t arrival_started(void)
{
    return started;
}

static uint64_t open_total(void)
{
    return set.rate * set.seconds_ns / BENCH_S;
}

uint64_t arrival_next_due_ns(uint64_t now)
{
    if (is_stopping)
        return UINT64_MAX;
    if (set.mode == MODE_OPEN) {
        if (started == open_total() || clients_under_way() >= set.clients)
            return UINT64_MAX;
        return begin_ns + started * BENCH_S / set.rate;
    }
    if (clients_under_way() >= set.clients || (set.sessions && started >= set.sessions))
        return UINT64_MAX;
    if (set.mode == MODE_IDLE && clients_under_way() - clients_held() >= LOGINS_AT_ONCE)
        return UINT64_MAX;
    if (set.seconds_ns && now >= begin_ns + set.seconds_ns)
        return UINT64_MAX;
    return started < set.clients ? begin_ns + started * set.ramp_ns / set.clients : 0;
}

void arrival_begin_due(void)
{
    uint64_t now = bench_now_ns(), due;
    unsigned i;

    for (i = 0; i < AT_ONCE && (due = arrival_next_due_ns(now)) <= now; i++)
        client_begin((unsigned)started++, set.mode == MODE_OPEN ? due : bench_now_ns());
}

bool arrival_is_over(void)
{
    if (clients_under_way())
        return false;
    return is_stopping || arrival_next_due_ns(bench_now_ns()) == UINT64_MAX;
}

void arrival_count_unstarted(void)
{
    if (set.mode == MODE_OPEN && started < open_total())
        tally_errors(ERROR_UNSTARTED, open_total() - started);
}
