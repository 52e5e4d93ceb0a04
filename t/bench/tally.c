/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The counts of the load generator; see tally.h. It keeps every latency, so a percentile is one of
 * them and not the limit of a class.
 */
#include "tally.h"

#include "bench.h"
#include "transport.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

static const char *const kind_names[ERROR_KINDS] = {
    [ERROR_CONNECT] = "connect", [ERROR_TLS] = "tls",     [ERROR_REFUSED] = "refused",
    [ERROR_WRONG] = "wrong",     [ERROR_EXTRA] = "extra", [ERROR_EOF] = "eof",
    [ERROR_STALL] = "stall",     [ERROR_UNFINISHED] = "unfinished",
    [ERROR_UNSTARTED] = "unstarted",
};

static uint64_t errors[ERROR_KINDS];
static char first_error[200];
static uint64_t *latencies;
static size_t latencies_used, latencies_room;
static uint64_t octets, rude_ends;

void tally_error(enum tally_error kind, const char *format, ...)
{
    va_list arguments;
    char *c;

    errors[kind]++;
    if (first_error[0])
        return;
    va_start(arguments, format);
    vsnprintf(first_error, sizeof(first_error), format, arguments);
    va_end(arguments);
    for (c = first_error; *c; c++)              /* make printable what came from a connection */
        if (*c < ' ' || *c > '~' || *c == '"' || *c == '\\')
            *c = '.';
}

void tally_errors(enum tally_error kind, uint64_t count)
{
    errors[kind] += count;
}

uint64_t tally_error_count(void)
{
    uint64_t sum = 0;
    int kind;

    for (kind = 0; kind < ERROR_KINDS; kind++)
        sum += errors[kind];
    return sum;
}

void tally_session(uint64_t latency_ns)
{
    if (latencies_used == latencies_room) {
        latencies_room = latencies_room ? latencies_room * 2 : 4096;
        latencies = realloc(latencies, latencies_room * sizeof(*latencies));
        if (!latencies)
            bench_die_errno("realloc");
    }
    latencies[latencies_used++] = latency_ns;
}

uint64_t tally_sessions(void)
{
    return latencies_used;
}

void tally_octets(uint64_t count)
{
    octets += count;
}

void tally_rude_end(void)
{
    rude_ends++;
}

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* The smallest latency, in milliseconds, that this share of the sessions did not exceed. */
static double percentile_ms(double share)
{
    size_t rank;

    if (!latencies_used)
        return 0;
    rank = (size_t)(share * (double)latencies_used + 0.999999);
    if (rank < 1)
        rank = 1;
    if (rank > latencies_used)
        rank = latencies_used;
    return (double)latencies[rank - 1] / 1e6;
}

static double mean_ms(void)
{
    double sum = 0;
    size_t i;

    for (i = 0; i < latencies_used; i++)
        sum += (double)latencies[i];
    return latencies_used ? sum / (double)latencies_used / 1e6 : 0;
}

static void print_errors(void)
{
    const char *comma = "";
    int kind;

    printf("\"errors\":%" PRIu64 ",\"error_kinds\":{", tally_error_count());
    for (kind = 0; kind < ERROR_KINDS; kind++)
        if (errors[kind]) {
            printf("%s\"%s\":%" PRIu64, comma, kind_names[kind], errors[kind]);
            comma = ",";
        }
    printf("},\"first_error\":\"%s\",", first_error);
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

void tally_print(const char *head, uint64_t elapsed_ns)
{
    double elapsed = elapsed_ns ? (double)elapsed_ns / 1e9 : 1e-9;
    struct transport_counts tls = transport_counts();
    struct rusage usage;

    if (latencies_used)
        qsort(latencies, latencies_used, sizeof(*latencies), compare);
    getrusage(RUSAGE_SELF, &usage);
    printf("{%s\"sessions\":%zu,", head, latencies_used);
    print_errors();
    printf("\"seconds\":%.6f,\"sessions_per_s\":%.3f,\"octets\":%" PRIu64 ",\"octets_per_s\":%.1f,",
           elapsed, (double)latencies_used / elapsed, octets, (double)octets / elapsed);
    printf("\"latency_ms\":{\"mean\":%.4f,\"p50\":%.4f,\"p90\":%.4f,\"p99\":%.4f,\"max\":%.4f},",
           mean_ms(), percentile_ms(0.5), percentile_ms(0.9), percentile_ms(0.99),
           percentile_ms(1));
    printf("\"tls\":{\"handshakes\":%" PRIu64 ",\"resumed\":%" PRIu64
           ",\"no_close_notify\":%" PRIu64 "},", tls.handshakes, tls.resumed, rude_ends);
    printf("\"cpu_s\":{\"user\":%.6f,\"system\":%.6f}}\n", seconds(usage.ru_utime),
           seconds(usage.ru_stime));
    fflush(stdout);
}
