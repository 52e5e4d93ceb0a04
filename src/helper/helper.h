/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The helper: a process that does for sessions what a process that reads from the network must not
 * do, or cannot limit in time: it resolves names, runs the access control program, and writes the
 * client log.
 *
 * This is the side of the sessions. Each question has a SOCK_SEQPACKET pair of its own while it is
 * under way: a session sees EOF where the helper dies, and closing its end cancels the question
 * (the helper then kills a running acp). The first question on a pair goes to the helper's socket,
 * together with one end. After a complete answer the pair is kept for the next question, of any
 * session. A question that was given up closes its pair, so its answer never comes to another
 * session. Making a pair for each question took about half of what a login through a table in
 * memory cost.
 */
#ifndef HELPER_HELPER_H
#define HELPER_HELPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/address.h"
#include "config/conf.h"
#include "helper/message.h"
#include "io/dial.h"
#include "io/wait.h"
#include "route/route_answer.h"

enum { HELPER_PATIENCE_MS = 3000 };

/* Is called where the helper has sent nothing for HELPER_PATIENCE_MS. That may be right: a program
 * or a lookup takes as long as it takes. */
typedef void helper_silence(void *context);

/* How to reach a helper. */
struct helper {
    const struct conf_instance *conf;
    int request_fd;             /* -1: not started */
    helper_silence *on_silence; /* NULL: there is nobody to tell */
    void *context;
    bool is_on_demand; /* forked by this process when it is needed; otherwise the master runs it */
    bool is_last;      /* this process can fork no other one */
    uid_t uid;         /* what a helper of this process becomes, where it is root */
    gid_t gid;
    uint32_t number; /* of the last question */
    size_t pair_count;
    int pairs[MESSAGE_PAIRS_KEPT]; /* on which nothing is under way */
};

/* How many of the addresses of a name a session asks for. */
enum helper_extent {
    HELPER_SOON, /* those that are known soon after the first family is known */
    HELPER_ALL,  /* those of both families, however late one of them is */
};

/* Addresses of a name. */
struct helper_addresses {
    size_t count;
    bool is_partial; /* one family is not known, or not known yet */
    struct address list[DIAL_ADDRESSES_MAX];
};

/* What the acp is told, all as text. NULL: empty. */
struct helper_access {
#define ACP_VARIABLE(name, field) const char *field;
#include "helper/acp.def"
#undef ACP_VARIABLE
};

enum {
    /* Octets of a routing answer as a message: every field, with its marks. */
    HELPER_ROUTED_BYTES = ROUTE_ANSWER_BYTES + 2 * ROUTE_FIELD_COUNT + 1024,
};

/* What routing tables are told of a login. No text is NULL. */
struct helper_question {
    const char *login;
    const char *password; /* "" where there is none */
    const char *client;
    const char *client_port;
    const char *local;
    const char *local_port;
    bool is_tls;
};

/* What they have answered. */
struct helper_routed {
    enum route_result result;
    bool is_stale;     /* the table failed, and its last answer stands in */
    const char *table; /* that decided; "" when none knows the user */
    const char *fields[ROUTE_FIELD_COUNT];
};

/* Takes the answer, whose texts are valid during the call: they may be passwords. */
typedef enum io_status helper_take_route(void *context, const struct helper_routed *routed);

/* Is called with each piece of what the acp prints. Returns IO_OK to go on; any other status ends
 * the request with this status. */
typedef enum io_status helper_output(void *context, const char *data, size_t length);

/* For the process of a single session: forks a helper when it is first needed. */
void helper_init_on_demand(struct helper *helper, const struct conf_instance *conf, uid_t uid,
                           gid_t gid);

/* Forks it now, because this process is about to lose the right to do it later. */
void helper_start(struct helper *helper);

/* For the helper of a pool, which the master runs: `request_fd` is the end to ask at. `on_silence`
 * lets the master check whether the helper still answers. */
void helper_init_shared(struct helper *helper, const struct conf_instance *conf, int request_fd,
                        helper_silence *on_silence, void *context);

/* Gives up the helper. One that was forked on demand ends by itself once its work is done. */
void helper_close(struct helper *helper);

/*
 * Resolves a name (not a literal) to addresses with `port`, IPv4 and IPv6 in turn, beginning with
 * the family that the system prefers. IO_OK with count 0: the name has no address, or the resolver
 * failed. IO_DEADLINE, IO_STOPPED, IO_FAILED (no helper); `addresses` stays as it is then.
 * `session` is an id, for what the helper logs; `account` the key of the client's address, which
 * may have only so many requests at a time.
 */
enum io_status helper_resolve(struct helper *helper, const char *session, uint64_t account,
                              const char *host, uint16_t port, enum helper_extent extent,
                              int64_t deadline_ms, struct helper_addresses *addresses);

/*
 * Asks the routing tables of the instance for the login, and calls `take` with the answer, whose
 * status other than IO_OK ends the request. `addresses` are those of the server that the answer
 * names, or of the instance's, without a port; none where that is a literal, or has no address.
 * `account` as above. IO_DEADLINE, IO_STOPPED, IO_FAILED as for helper_resolve().
 */
enum io_status helper_route(struct helper *helper, const char *session, uint64_t account,
                            const struct helper_question *question, helper_take_route *take,
                            void *context, int64_t deadline_ms, struct helper_addresses *addresses);

/*
 * Runs the acp of the instance; `account` as above. IO_OK: it has ended by itself, and *granted_r
 * says how. IO_DEADLINE: it did not end in time, and its process group was killed. IO_FAILED: it
 * could not be run.
 */
enum io_status helper_ask_access(struct helper *helper, uint64_t account,
                                 const struct helper_access *access, helper_output *output,
                                 void *context, int64_t deadline_ms, bool *granted_r);

/* Writes `line`, with its line end, to the file `client` of the client log. IO_OK: the file has it
 * now. IO_FAILED: it was not written, and the log says why, under the id `session`. */
enum io_status helper_record_client(struct helper *helper, const char *session, const char *client,
                                    const char *line, int64_t deadline_ms);

#endif
