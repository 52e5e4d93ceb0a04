/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The helper: a process that does for sessions what a process that reads from the network must not
 * do, or cannot limit in time: it resolves names, runs the access control program, and writes the
 * client log.
 *
 * This is the side of the sessions. A request goes over a SOCK_SEQPACKET pair, together with one
 * end of a new pair, on which the answer comes back. So answers need no numbers, a session sees EOF
 * where the helper dies, and closing its end cancels the request (the helper then kills a running
 * acp).
 */
#ifndef HELPER_HELPER_H
#define HELPER_HELPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "config/conf.h"
#include "io/dial.h"
#include "io/wait.h"

/* How to reach a helper. */
struct helper {
    const struct conf_instance *conf;
    int request_fd;    /* -1: not started */
    bool is_on_demand; /* forked by this process when it is needed; otherwise the master runs it */
};

/* Addresses of a name. */
struct helper_addresses {
    size_t count;
    int64_t ttl_s;
    struct address list[DIAL_ADDRESSES_MAX];
};

/* What the acp is told, all as text. NULL: empty. */
struct helper_access {
#define ACP_VARIABLE(name, field) const char *field;
#include "helper/acp.def"
#undef ACP_VARIABLE
};

/* Is called with each piece of what the acp prints. Returns IO_OK to go on; any other status ends
 * the request with this status. */
typedef enum io_status helper_output(void *context, const char *data, size_t length);

/* For the process of a single session: forks a helper when it is first needed. */
void helper_init_on_demand(struct helper *helper, const struct conf_instance *conf);

/* For the helper of a pool, which the master runs: `request_fd` is the end to ask at. */
void helper_init_shared(struct helper *helper, const struct conf_instance *conf, int request_fd);

/* Gives up the helper. One that was forked on demand ends by itself once its work is done. */
void helper_close(struct helper *helper);

/*
 * Resolves a name (not a literal) to addresses with `port`, IPv4 and IPv6 in the order that the
 * system prefers. IO_OK with count 0: the name has no address, or the resolver failed. IO_DEADLINE,
 * IO_STOPPED, IO_FAILED (no helper). `session` is an id, for what the helper logs.
 */
enum io_status helper_resolve(struct helper *helper, const char *session, const char *host,
                              uint16_t port, int64_t deadline_ms,
                              struct helper_addresses *addresses);

/*
 * Runs the acp of the instance. IO_OK: it has ended by itself, and *granted_r says how.
 * IO_DEADLINE: it did not end in time, and its process group was killed. IO_FAILED: it could not be
 * run.
 */
enum io_status helper_ask_access(struct helper *helper, const struct helper_access *access,
                                 helper_output *output, void *context, int64_t deadline_ms,
                                 bool *granted_r);

/* Writes `line`, with its line end, to the file `client` of the client log. IO_OK: the file has it
 * now. IO_FAILED: it was not written, and the log says why, under the id `session`. */
enum io_status helper_record_client(struct helper *helper, const char *session, const char *client,
                                    const char *line, int64_t deadline_ms);

#endif
