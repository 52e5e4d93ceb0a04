/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names in a hash table of fixed size. If it is full, names that nobody waits for are forgotten.
 */
#include "helper/name_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "helper/name_order.h"

enum {
    BUCKETS = 1024,
    NAMES_MAX = 4096,
    STALE_MS = 3600 * 1000, /* addresses serve so long after their TTL */
    ORDER_MS = 1000, /* so long the order of families stands: it depends on our own addresses too */
};

static struct {
    struct ev_loop *loop;
    name_patience *on_patience;
    struct name *buckets[BUCKETS];
    unsigned names;
} state;

/* ---- what is known of a name ---- */

bool family_is_fresh(const struct family *family)
{
    return !family->has_failed && clock_now_ms() < family->expires_ms;
}

bool family_has_fresh(const struct family *family)
{
    return family->count > 0 && family_is_fresh(family);
}

bool family_has_usable(const struct family *family)
{
    return family->count > 0 && clock_now_ms() < family->expires_ms + STALE_MS;
}

bool name_has_any(const struct name *name, bool (*has)(const struct family *family))
{
    return has(&name->families[IPV4]) || has(&name->families[IPV6]);
}

bool family_is_under_way(const struct family *family)
{
    return family->is_under_way;
}

bool family_has_failed(const struct family *family)
{
    return family->has_failed;
}

/* Asks the kernel once for many sessions. */
static bool is_ipv6_first(struct name *name)
{
    int64_t now_ms = clock_now_ms();

    if (now_ms >= name->order_expires_ms) {
        name->is_ipv6_first =
            name_order_is_ipv6_first(name->families[IPV4].list, name->families[IPV6].list);
        name->order_expires_ms = now_ms + ORDER_MS;
    }
    return name->is_ipv6_first;
}

void name_collect(struct name *name, struct helper_addresses *addresses)
{
    bool is_fresh = name_has_any(name, family_has_fresh);
    bool (*has)(const struct family *family) = is_fresh ? family_has_fresh : family_has_usable;
    const struct family *first = &name->families[IPV4];
    const struct family *second = &name->families[IPV6];
    size_t first_count = has(first) ? first->count : 0;
    size_t second_count = has(second) ? second->count : 0;
    bool is_second_first = first_count > 0 && second_count > 0 && is_ipv6_first(name);

    memset(addresses, 0, sizeof(*addresses));
    addresses->is_partial =
        name_has_any(name, family_is_under_way) || name_has_any(name, family_has_failed);
    addresses->count = is_second_first
                           ? name_order_merge(second->list, second_count, first->list, first_count,
                                              addresses->list, DIAL_ADDRESSES_MAX)
                           : name_order_merge(first->list, first_count, second->list, second_count,
                                              addresses->list, DIAL_ADDRESSES_MAX);
}

/* ---- the table ---- */

static size_t bucket_of(const char *host)
{
    return hash_text(host) % BUCKETS;
}

void name_cache_init(struct ev_loop *loop, name_patience *on_patience)
{
    memset(&state, 0, sizeof(state));
    state.loop = loop;
    state.on_patience = on_patience;
}

struct name *name_cache_find(const char *host)
{
    struct name *name = state.buckets[bucket_of(host)];

    while (name != NULL && strcmp(name->host, host) != 0)
        name = name->next;
    return name;
}

static bool is_in_use(const struct name *name)
{
    return name->questions > 0;
}

/* A name that a session may ask for again soon. */
static bool is_of_use(const struct name *name)
{
    return is_in_use(name) || name_has_any(name, family_has_fresh);
}

static void free_name(struct name *name)
{
    ev_timer_stop(state.loop, &name->patience);
    for (int i = 0; i < FAMILIES; i++)
        free(name->families[i].list);
    free(name);
}

static void forget_names_but(bool (*is_kept)(const struct name *name))
{
    for (size_t i = 0; i < BUCKETS; i++) {
        struct name **link = &state.buckets[i];
        while (*link != NULL) {
            struct name *name = *link;
            if (is_kept(name)) {
                link = &name->next;
                continue;
            }
            *link = name->next;
            free_name(name);
            state.names--;
        }
    }
}

/* Names that do not exist go first: a client may send any number of them. */
static void make_room(void)
{
    if (state.names >= NAMES_MAX)
        forget_names_but(is_of_use);
    if (state.names >= NAMES_MAX)
        forget_names_but(is_in_use);
}

static struct name *add_name(const char *host)
{
    size_t length = strlen(host) + 1;
    struct name *name = calloc(1, sizeof(*name) + length);
    struct name **bucket = &state.buckets[bucket_of(host)];

    if (name == NULL)
        return NULL;
    memcpy(name->host, host, length);
    ev_timer_init(&name->patience, state.on_patience, 0.0, 0.0);
    name->patience.data = name;
    name->next = *bucket;
    *bucket = name;
    state.names++;
    return name;
}

struct name *name_cache_find_or_add(const char *host)
{
    struct name *name;

    make_room();
    name = name_cache_find(host);
    return name != NULL ? name : add_name(host);
}

void name_cache_each(bool (*is_wanted)(const struct name *name), void (*act)(struct name *name))
{
    for (size_t i = 0; i < BUCKETS; i++) {
        struct name *name = state.buckets[i];

        while (name != NULL) {
            if (!is_wanted(name)) {
                name = name->next;
                continue;
            }
            act(name);
            name = state.buckets[i]; /* a part that was answered may have changed the list */
        }
    }
}

void name_cache_forget_unused(void)
{
    forget_names_but(is_in_use);
}
