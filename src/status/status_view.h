/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state of a running server at one moment: a plain copy, taken from the shared memory or read
 * back from the compact form that the live view asks for. To show it needs nothing else.
 */
#ifndef STATUS_STATUS_VIEW_H
#define STATUS_STATUS_VIEW_H

#include <stdio.h>
#include <sys/types.h>

#include "base/error.h"
#include "pool/hold.h"
#include "pool/pool.h"
#include "pool/scoreboard.h"
#include "session/outcome.h"

enum {
    STATUS_NAME_SIZE = 64,     /* of an instance */
    STATUS_ADDRESS_SIZE = 128, /* where it listens */
    STATUS_WORD_SIZE = 24,
    STATUS_GROUP_SIZE = 33,
    STATUS_SERVER_SIZE = 264,
    STATUS_TABLE_SIZE = 256, /* of the name of a routing table */
};

enum status_total {
#define TOTAL(field, ...) STATUS_TOTAL_##field,
#include "pool/totals.def"
#undef TOTAL
    STATUS_TOTAL_COUNT
};

enum status_gauge {
#define GAUGE(field, ...) STATUS_GAUGE_##field,
#include "status/gauges.def"
#undef GAUGE
    STATUS_GAUGE_COUNT
};

enum status_histogram {
#define HISTOGRAM(field, ...) STATUS_HISTOGRAM_##field,
#include "pool/histograms.def"
#undef HISTOGRAM
    STATUS_HISTOGRAM_COUNT
};

struct status_times {
    uint64_t counts[HISTOGRAM_BUCKETS + 1];
    uint64_t sum_us;
};

/* A routing table, and how many questions it answered in each way. */
struct status_table {
    char name[STATUS_TABLE_SIZE];
    uint64_t results[ROUTE_RESULT_COUNT];
};

/* The sums of an instance over all its pools. The compact form has neither times nor tables. */
struct status_instance {
    char name[STATUS_NAME_SIZE];
    uint64_t totals[STATUS_TOTAL_COUNT];
    uint64_t outcomes[OUTCOME_COUNT];
    uint64_t handshakes[SCOREBOARD_SIDES][SCOREBOARD_TLS_VERSIONS];
    struct status_times times[STATUS_HISTOGRAM_COUNT];
    size_t table_count;
    struct status_table tables[INSTANCE_TABLES_MAX];
};

/* The workers of an instance under one configuration. */
struct status_pool {
    size_t instance; /* index */
    char listen[STATUS_ADDRESS_SIZE];
    char state[STATUS_WORD_SIZE];
    unsigned generation;
    uint64_t gauges[STATUS_GAUGE_COUNT];
};

struct status_session {
    size_t pool; /* index */
    pid_t pid;
    char stage[STATUS_WORD_SIZE];
    struct scoreboard_texts texts;
    int64_t age_ms;
    uint64_t octets;
};

/* A server of a group. `report.is_drained` is also true where its weight is 0. */
struct status_server {
    char group[STATUS_GROUP_SIZE];
    char name[STATUS_SERVER_SIZE]; /* as the list has it */
    unsigned weight;
    struct server_report report;
};

/* A user whose logins wait. */
struct status_hold {
    char user[HOLD_USER_SIZE];
    int64_t left_ms;
};

/* What came of reloads. Times are seconds since 1970. */
struct status_reload {
    int64_t loaded_at;         /* when the settings in force were read */
    int64_t failed_at;         /* when the last reload failed; 0: it did not */
    char why[ERROR_TEXT_SIZE]; /* "ORIGIN: what is wrong", one line; empty where no reload failed */
};

struct status_view {
    struct status_reload reload;
    pid_t master_pid;
    int64_t up_ms;    /* since the server was started */
    int64_t taken_ms; /* monotonic */
    size_t instance_count;
    struct status_instance *instances;
    size_t pool_count;
    struct status_pool *pools;
    size_t session_count;
    struct status_session *sessions;
    size_t server_count;
    struct status_server *servers;
    size_t hold_count;
    struct status_hold holds[HOLDS_MAX];
};

/*
 * Copies what the pools' shared memory says now, and `reload`. `started_ms` is when the server was
 * started, on the monotonic clock. A worker that was broken into may have written anything to the
 * shared memory, so no number from there is used as an index or a size. Returns 0, or -1 when there
 * is no memory; call status_view_free() in either case.
 */
int status_view_take(struct status_view *view, const struct pool *pools, int64_t started_ms,
                     const struct status_reload *reload);

/* Writes and reads the compact form: a line for each instance, pool and session. Reading returns 0,
 * or -1 when the text is incomplete or comes from another version of this program; call
 * status_view_free() in either case. */
void status_view_write(const struct status_view *view, FILE *out);
int status_view_read(struct status_view *view, FILE *in);

enum status_order { STATUS_BY_AGE, STATUS_BY_OCTETS };

/* Puts the longest or the biggest session first. */
void status_view_sort(struct status_view *view, enum status_order order);

void status_view_free(struct status_view *view);

/* How many sessions ended for a reason that counts as a failure (outcome.def). */
uint64_t status_failures(const struct status_instance *instance);

#endif
