/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A routing table: something that is asked for a key and answers with a value. All kinds of tables
 * stand behind one ops table; a new kind is one row of route_table.def and one file.
 *
 * A table lives in the helper, on its event loop, and never blocks it. It is opened with the
 * configuration and closed with the helper.
 */
#ifndef ROUTE_ROUTE_TABLE_H
#define ROUTE_ROUTE_TABLE_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "route/route_answer.h"

/* What a table is asked. The texts are valid until the answer. None has a control octet in it. */
struct route_question {
    const char *key;      /* in lower case */
    const char *session;  /* its id, for the log */
    const char *login;    /* as the client wrote it, without what selected the server */
    const char *password; /* NULL: the table is not told, or there is none */
    const char *client;   /* address and port of the client, "" if unknown */
    const char *client_port;
    unsigned attempt; /* 1 for the first login of the session */
    bool is_tls;      /* the client speaks TLS */
};

/* Called once for each question, possibly before ask() returns. The answer is the caller's, and valid
 * during the call only. `why` says in one line what failed, for the log; "" if nothing did. */
typedef void route_reply(void *context, struct route_answer *answer, const char *why);

struct address;

typedef void route_resolved(void *who, const struct address *address);

/* What a table may need to know of the configuration and the helper. */
struct route_environment {
    /* A group of this name is configured. NULL: not known, any name is taken. */
    bool (*has_group)(const void *context, const char *name);
    const void *context; /* of the two functions */
    /* Resolves a host name without blocking: calls `resolved` once with an address whose port is
     * unset, or with NULL. Possibly before it returns. */
    void (*resolve)(const void *context, const char *host, route_resolved *resolved, void *who);
    int64_t timeout_ms; /* a question that is not answered by then has failed */
};

/* Called with one line about what may be wrong with a table, and the mend. */
typedef void route_warning(void *context, const char *text);

struct route_table;

struct route_table_ops {
    const char *scheme;  /* "file": what stands before the colon */
    const char *package; /* NULL: built in; else the package a binary with this kind is built with */
    bool is_told_password; /* it decides about logins, and is given the password if it may be */

    /* Checks how the rest of the text after the scheme is written. Returns 0, or -1 with `error`. */
    int (*check)(const char *location, struct error *error);
    /* Tries the table when the configuration is checked. Returns 0, or -1 with `error` set: a file is
     * missing or broken. NULL: nothing can be found out. */
    int (*try)(const char *location, const struct route_environment *environment,
               struct error *error);
    /* Tells what may be wrong: a socket that nobody listens on. NULL: nothing. */
    void (*warn)(const char *location, route_warning *warn, void *context);
    /* The same for what only reading all of it tells, which may take seconds. NULL: nothing. */
    void (*inspect)(const char *location, route_warning *warn, void *context);
    /* Opens it on the loop. NULL when there is no memory; whatever else is wrong with the table
     * comes out as failed answers. `location` and `environment` stay valid until close(). */
    struct route_table *(*open)(struct ev_loop *loop, const char *location,
                                const struct route_environment *environment);
    /* Asks. The reply comes before the environment's time limit. */
    void (*ask)(struct route_table *table, const struct route_question *question,
                route_reply *reply, void *context);
    /* Closes it; questions under way are answered as failed. */
    void (*close)(struct route_table *table);
};

/* The first member of every table's own struct. */
struct route_table {
    const struct route_table_ops *ops;
};

/* Finds the kind of a table by the text "SCHEME:LOCATION", and in *location_r where the location
 * begins. NULL when no kind has this scheme. */
const struct route_table_ops *route_table_find(const char *text, const char **location_r);

/* The schemes known, separated by commas, for messages. */
const char *route_table_schemes(void);

/* ---- for the kinds of tables ---- */

/* Reply with ROUTE_FAILED, which `why` explains in the log; with ROUTE_NOT_FOUND; and with a value as
 * the table has it: it is parsed, and a malformed one fails the question. */
void route_reply_failed(route_reply *reply, void *context, const char *why);
void route_reply_not_found(route_reply *reply, void *context);
void route_reply_value(route_reply *reply, void *context, const char *value, size_t length);

/* check() of a table that is one file: an absolute path. */
int route_check_path(const char *location, struct error *error);

#endif
