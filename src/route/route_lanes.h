/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kept connections to a table that is a server: a few lanes, each with one question at a time, and a
 * queue for those that find no free lane. Knows no protocol: a table says how a question is written
 * and how an answer is read.
 *
 * A connection that breaks, sends nonsense or is late is closed, its question has failed, and the
 * next question makes a new one. Only a question that a kept connection never answered, because the
 * server had just closed it, is asked once more.
 */
#ifndef ROUTE_ROUTE_LANES_H
#define ROUTE_ROUTE_LANES_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/address.h"
#include "route/route_table.h"

enum {
    ROUTE_LANES = 8,
    ROUTE_LANE_BYTES = 16 * 1024, /* of an answer, or a question */
    ROUTE_QUEUE_MAX = 4096,       /* more questions fail at once */
};

/* Results of read_answer(): the octets taken, or one of these. */
enum { ROUTE_LANE_MORE = 0, ROUTE_LANE_BROKEN = -1 };

struct route_protocol {
    /* Sent when a connection has been made; NULL: nothing. */
    const char *hello;
    /* Writes the question with this number. Returns its length, or 0 when it cannot be asked. */
    size_t (*write_question)(void *owner, const struct route_question *question, uint32_t id,
                             char *to, size_t size);
    /*
     * Reads from `data`. Returns how many octets were taken, ROUTE_LANE_MORE when an answer is not
     * complete, or ROUTE_LANE_BROKEN. After a whole answer to question `id` it calls `reply` and
     * sets *is_done_r; lines that are none are taken without that.
     */
    ssize_t (*read_answer)(void *owner, const char *data, size_t length, uint32_t id,
                           route_reply *reply, void *context, bool *is_done_r);
};

struct route_lanes;

/* Where a server listens: "unix:PATH" or "inet:HOST:PORT", as written in the configuration. */
struct route_place {
    struct address address; /* family AF_UNSPEC: `host` has to be resolved first */
    char host[ADDRESS_HOST_SIZE];
    uint16_t port;
};

/* Parses "unix:PATH" or "inet:HOST:PORT" of `length` octets. Returns 0, or -1 with `error`. */
int route_place_parse(struct route_place *place, const char *text, size_t length,
                      struct error *error);

/* Is anybody listening there? For a UNIX socket only; true for a host. `error` says why not. */
bool route_place_is_served(const struct route_place *place, struct error *error);

/* NULL when there is no memory. Connects when it is asked first. */
struct route_lanes *route_lanes_new(struct ev_loop *loop, const struct route_protocol *protocol,
                                    const struct route_place *place,
                                    const struct route_environment *environment, void *owner);
/* Answers what is under way as failed and closes everything. No answer of resolve() may come after
 * that: end the resolver first. */
void route_lanes_free(struct route_lanes *lanes);

void route_lanes_ask(struct route_lanes *lanes, const struct route_question *question,
                     route_reply *reply, void *context);

#endif
