/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One question at a time to the hosts file or to the name servers of /etc/resolv.conf, with c-ares
 * on the helper's event loop. Keeps no answers.
 *
 * Once /etc/resolv.conf has changed, new questions go to the new name servers at once. Questions
 * under way may still be answered by the old ones.
 */
#ifndef HELPER_LOOKUP_H
#define HELPER_LOOKUP_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

enum { LOOKUP_NAME_SIZE = 1024 }; /* of a name with a search domain, with its NUL */

enum lookup_status {
    LOOKUP_FOUND,
    LOOKUP_NONE,   /* there is no such name, or it has no address of this family */
    LOOKUP_FAILED, /* no name server answers, or one reports an error */
};

struct lookup_answer {
    enum lookup_status status;
    const char *error; /* of LOOKUP_FAILED; NULL: the helper ends */
    bool is_old;       /* the question went to name servers that have been replaced meanwhile */
    int64_t ttl_s;     /* of LOOKUP_FOUND */
    size_t count;
    const struct address *list; /* without a port, the best address first */
};

/* Is called once for each question, possibly before the question returns. The answer is valid
 * during the call. */
typedef void lookup_answered(void *context, const struct lookup_answer *answer);

/* Where names are looked up, and in which order. */
struct lookup_order {
    bool is_hosts_first; /* the hosts file before the name servers */
    bool is_hosts_last;
    bool is_dns;
};

/* Sets up the resolver library. Returns 0, or -1 after logging that it failed. */
int lookup_init(struct ev_loop *loop);

/* Ends what is under way: each question is answered with LOOKUP_FAILED. */
void lookup_end(void);

/* Checks whether /etc/resolv.conf has changed. Returns a number that is another one after each
 * change. */
unsigned lookup_follow_conf(void);

struct lookup_order lookup_order(void);

/* The `index`-th full name to ask for, for a host that may lack its domain (resolv.conf(5): search,
 * ndots). Returns false where there are no more. */
bool lookup_candidate(const char *host, size_t index, char name[LOOKUP_NAME_SIZE]);

/* Asks the hosts file for addresses of both families. Answers before it returns. */
void lookup_ask_hosts(const char *host, lookup_answered *answered, void *context);

/* Asks the name servers for the addresses of one family, AF_INET or AF_INET6. `name` is of
 * lookup_candidate(). */
void lookup_ask(const char *name, int family, lookup_answered *answered, void *context);

#endif
