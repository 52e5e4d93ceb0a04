/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The router of an instance: asks its tables in turn which server has a user's mailbox. Tables are
 * the outer loop, keys the inner one, and the first table that knows a key answers. A table that
 * fails ends the search: neither the next table nor the default server may stand in for it, since a
 * login at the wrong server costs a customer his mail.
 */
#ifndef ROUTE_ROUTER_H
#define ROUTE_ROUTER_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "route/route_answer.h"
#include "route/route_counts.h"
#include "route/route_key.h"
#include "route/route_table.h"

enum { ROUTER_TABLES_MAX = 16, ROUTER_KEYS_MAX = 8 };

/* Is called with each answer of a table, and how long it took. `why` says what failed, or is "". */
typedef void router_trace(void *context, const char *table, const char *key,
                          const struct route_answer *answer, const char *why, int64_t duration_us);

/* What the router is set up with. The texts are the owner's and stay as they are meanwhile. */
struct router_settings {
    const char *tables; /* "SCHEME:LOCATION", separated by commas */
    const char *keys;   /* templates, separated by commas */
    int64_t stale_ms;   /* for so long the last answer found stands in for a table that fails */
    bool is_password_told;
    struct route_environment environment;
    struct route_counts *const *counts; /* of each table; NULL: they are not counted */
    router_trace *trace;                /* NULL: nobody wants to know */
    void *trace_context;
};

struct router;

/* One login. */
struct router_request {
    struct route_key_parts parts;
    const char *session; /* its id */
    const char *password;
    unsigned attempt;
    bool is_tls;
};

/* How a search has ended. Valid during the call of router_reply only. */
struct router_result {
    struct route_answer *answer;
    const char *table; /* that decided, as configured; "" when no table knows the user */
    const char *key;   /* that it was asked for */
    bool is_stale;     /* the table failed, and its last answer stands in */
};

typedef void router_reply(void *context, const struct router_result *result);

/* Checks how tables and keys are written. Returns 0, or -1 with `error` set. */
int router_check_tables(const char *tables, struct error *error);
int router_check_keys(const char *keys, struct error *error);

/* Reads every table, as the check of the configuration does, and calls `mistake` with each that is
 * missing or broken. */
void router_try_tables(const char *tables, const struct route_environment *environment,
                       route_warning *mistake, void *context);

/* Calls `warn` with what may be wrong with the tables. If `is_thorough`, it also reads all of a table
 * file for that. */
void router_warn_of_tables(const char *tables, bool is_thorough, route_warning *warn, void *context);

/* Opens the tables. NULL when there is no memory. */
struct router *router_new(struct ev_loop *loop, const struct router_settings *settings);

/* Ends all searches as failed, and closes the tables. NULL is harmless. */
void router_free(struct router *router);

/*
 * Searches. The reply comes once, possibly before this returns. It is ROUTE_FAILED when there is no
 * memory. What failed is logged, once for each table and cause in a second.
 */
void router_ask(struct router *router, const struct router_request *request, router_reply *reply,
                void *context);

/* Searches that are under way. */
size_t router_running(const struct router *router);

#endif
