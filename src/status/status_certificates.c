/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The list is made once: a reload starts another status process.
 */
#include "status/status_certificates.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "tls/tls.h"

static struct {
    char *file;
    int64_t expires_s;
} list[CERTIFICATES_MAX];
static size_t count;

static void take(void *unused, const char *path, int64_t expires_s)
{
    (void)unused;
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].file, path) == 0)
            return;
    if (count == CERTIFICATES_MAX || (list[count].file = strdup(path)) == NULL)
        return;
    list[count++].expires_s = expires_s;
}

void status_certificates_take(const struct pool *pools)
{
    for (const struct pool *pool = pools; pool != NULL; pool = pool->next) {
        if (pool->state != POOL_RUNNING)
            continue;
        tls_context_each_certificate(pool->instance->client_tls, take, NULL);
        tls_context_each_certificate(pool->instance->server_tls, take, NULL);
    }
}

static int64_t days_left(int64_t expires_s, int64_t now_s)
{
    return expires_s > now_s ? (expires_s - now_s) / 86400 : -1;
}

void status_certificates_each(int64_t now_s, status_certificates_take_one *each, void *context)
{
    for (size_t i = 0; i < count; i++)
        each(context, list[i].file, days_left(list[i].expires_s, now_s));
}

void status_certificates_json(int64_t now_s, FILE *out)
{
    fputs("\"certificates\":[", out);
    for (size_t i = 0; i < count; i++) {
        fputs(i == 0 ? "{" : ",{", out);
        json_text(out, "file", list[i].file);
        fprintf(out, ",\"expires_at\":%" PRId64 ",\"days\":%" PRId64 "}", list[i].expires_s,
                days_left(list[i].expires_s, now_s));
    }
    fputc(']', out);
}

void status_certificates_metrics(FILE *out)
{
    if (count > 0)
        fputs("# HELP pop3_proxy_certificate_expires_timestamp_seconds When a certificate expires.\n"
              "# TYPE pop3_proxy_certificate_expires_timestamp_seconds gauge\n",
              out);
    for (size_t i = 0; i < count; i++) {
        fputs("pop3_proxy_certificate_expires_timestamp_seconds{file=\"", out);
        for (const char *c = list[i].file; *c != '\0'; c++) {
            if (*c == '"' || *c == '\\')
                fputc('\\', out);
            fputc(*c == '\n' ? '?' : *c, out);
        }
        fprintf(out, "\"} %" PRId64 "\n", list[i].expires_s);
    }
}
