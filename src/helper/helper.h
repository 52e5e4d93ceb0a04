/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The helper: a small process that does for sessions what a process that reads from the network
 * must not do or cannot bound: it resolves names, runs the access control program, and writes the
 * client log.
 *
 * This is the side of the sessions. A request travels over a SOCK_SEQPACKET pair together with one
 * end of a fresh pair; the answer comes back on the other end, so answers need no numbers, a dead
 * helper is seen as EOF, and closing the end cancels the request (a running acp is killed).
 */
#ifndef HELPER_HELPER_H
#define HELPER_HELPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/address.h"
#include "config/conf.h"
#include "io/dial.h"
#include "io/wait.h"

/* The way to a helper. */
struct helper {
    const struct conf_instance *conf;
    int request_fd; /* -1: not started */
    pid_t pid;      /* of one started on demand; 0 when it belongs to the master */
};

/* Addresses of a name. */
struct helper_addresses {
    size_t count;
    int64_t ttl_s;
    struct address list[DIAL_ADDRESSES_MAX];
};

/* What the acp is told, all as text; NULL counts as empty. */
struct helper_access {
#define ACP_VARIABLE(name, field) const char *field;
#include "helper/acp.def"
#undef ACP_VARIABLE
};

/* Called with what the acp printed, piece by piece. Returns IO_OK to go on; anything else ends the
 * request with that status. */
typedef enum io_status helper_output(void *context, const char *data, size_t length);

/* A helper that is forked when first needed, by the process of the one session. */
void helper_init_on_demand(struct helper *helper, const struct conf_instance *conf);

/* The way to the helper of a pool, which the master keeps running: `request_fd` is its asking
 * end. */
void helper_init_shared(struct helper *helper, const struct conf_instance *conf, int request_fd);

/* Lets the helper go: it ends by itself once its work is done. */
void helper_close(struct helper *helper);

/*
 * Resolves a name (not a literal) to addresses with `port`, IPv4 and IPv6 as the system prefers
 * them. IO_OK with count 0: the name has none, or the resolver said so. IO_DEADLINE, IO_STOPPED,
 * IO_FAILED (no helper). `session`, an id: what the helper has to log about it is that session's.
 */
enum io_status helper_resolve(struct helper *helper, const char *session, const char *host,
                              uint16_t port, int64_t deadline_ms,
                              struct helper_addresses *addresses);

/*
 * Runs the acp of the instance. IO_OK: it has ended by itself, *granted_r says how. IO_DEADLINE:
 * the time limit; the acp's process group is killed. IO_FAILED: it could not be run.
 */
enum io_status helper_ask_access(struct helper *helper, const struct helper_access *access,
                                 helper_output *output, void *context, int64_t deadline_ms,
                                 bool *granted_r);

/* Writes `line` (with its line end) to the file `client` of the client log. IO_OK: a reader finds
 * it there. IO_FAILED: the helper has logged why not, under the id `session`. */
enum io_status helper_record_client(struct helper *helper, const char *session, const char *client,
                                    const char *line, int64_t deadline_ms);

#endif
