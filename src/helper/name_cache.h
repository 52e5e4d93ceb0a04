/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cache of names: what is known of each, and who waits for more. It asks no name server;
 * resolver.c does.
 */
#ifndef HELPER_NAME_CACHE_H
#define HELPER_NAME_CACHE_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "helper/helper.h"
#include "helper/job.h"
#include "helper/message.h"

enum { IPV4, IPV6, FAMILIES };

struct asker; /* a part of the helper that waits for a lookup */

/* The addresses of one family. All zero: nothing is known. */
struct family {
    bool is_under_way;
    bool has_failed;    /* the last question had no answer; `list` is of an earlier one */
    bool is_complained; /* the log knows */
    unsigned questions; /* of the present round, under way */
    unsigned changes;   /* of resolv.conf, when it was asked for last */
    int64_t expires_ms;
    int64_t failed_ms;
    const char *error;
    size_t count;
    struct address *list;
};

struct name {
    struct name *next;
    struct family families[FAMILIES];
    ev_timer patience;                  /* when it fires, sessions get what is known */
    bool has_begun;                     /* a lookup is under way, and sessions wait for it */
    unsigned round;                     /* answers to questions of an earlier one do not count */
    unsigned questions;                 /* of all rounds */
    size_t candidate;                   /* the full name that is asked for */
    int64_t order_expires_ms;           /* of is_ipv6_first; 0: an answer has come since */
    bool is_ipv6_first;
    struct job_list jobs;               /* that wait for what is known soon */
    struct job_list thorough;           /* that wait for both families */
    struct job_list counted;            /* that are answered, and count until the lookup ends */
    struct asker *askers;               /* parts of the helper that wait for what is known soon */
    char session[MESSAGE_SESSION_SIZE]; /* that the last lookup was begun for */
    char host[];
};

/* ---- one name ---- */

/* The last answer came, and its TTL has not passed. It may have no address. */
bool family_is_fresh(const struct family *family);

/* Has addresses, and they are fresh. */
bool family_has_fresh(const struct family *family);

/* Has addresses: fresh ones, or such as may serve until a new answer comes. */
bool family_has_usable(const struct family *family);

bool family_is_under_way(const struct family *family);
bool family_has_failed(const struct family *family);

/* Whether `has` is true of either family. */
bool name_has_any(const struct name *name, bool (*has)(const struct family *family));

/* Sets the addresses that are known, in the order in which to try them. */
void name_collect(struct name *name, struct helper_addresses *addresses);

/* ---- all names ---- */

/* Is called when the timer `patience` of a name fires; timer->data is the name. */
typedef void name_patience(struct ev_loop *loop, ev_timer *timer, int events);

/* Begins with no names. Call it once. */
void name_cache_init(struct ev_loop *loop, name_patience *on_patience);

/* Returns NULL if the name is not known. */
struct name *name_cache_find(const char *host);

/* May forget names that have no question under way. Returns NULL when there is no memory. */
struct name *name_cache_find_or_add(const char *host);

/* Calls `act` for each name that is wanted. `act` must make it unwanted, and may forget names. */
void name_cache_each(bool (*is_wanted)(const struct name *name), void (*act)(struct name *name));

/* Forgets all names that have no question under way. */
void name_cache_forget_unused(void);

#endif
