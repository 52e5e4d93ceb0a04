/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The functions of tls.h in a build without TLS. No context can be made, so the functions that take
 * one do nothing.
 */
#include <errno.h>

#include "tls/tls.h"

bool tls_is_built_in(void)
{
    return false;
}

void tls_init(void)
{
}

static struct tls_context *refuse(struct error *error)
{
    error_set(error, "TLS is not built in (./configure --without-tls)");
    return NULL;
}

struct tls_context *tls_context_for_clients(const struct tls_clients_settings *settings,
                                            struct error *error)
{
    (void)settings;
    return refuse(error);
}

int tls_check_ciphers(const char *ciphers, struct error *error)
{
    (void)ciphers;
    refuse(error);
    return -1;
}

int tls_check_client_ca(const char *ca, struct error *error)
{
    (void)ca;
    refuse(error);
    return -1;
}

struct tls_context *tls_context_for_servers(const struct tls_servers_settings *settings,
                                            struct error *error)
{
    (void)settings;
    return refuse(error);
}

int tls_context_present(struct tls_context *context, const char *certificate, const char *key,
                        struct error *error)
{
    (void)context;
    (void)certificate;
    (void)key;
    refuse(error);
    return -1;
}

void tls_context_free(struct tls_context *context)
{
    (void)context;
}

const char *tls_context_names(const struct tls_context *context, const char *host)
{
    (void)context;
    (void)host;
    return NULL;
}

void tls_context_each_certificate(const struct tls_context *context,
                                  tls_certificate_report *report, void *report_context)
{
    (void)context;
    (void)report;
    (void)report_context;
}

void tls_context_report_expiry(const struct tls_context *context, int64_t now_s,
                               tls_expiry_report *report, void *report_context)
{
    (void)context;
    (void)now_s;
    (void)report;
    (void)report_context;
}

void tls_context_warm_up(const struct tls_context *context)
{
    (void)context;
}

void tls_keep_only(struct tls_context *const *kept, size_t count)
{
    (void)kept;
    (void)count;
}

struct tls_ticket_keys *tls_ticket_keys_new(const struct tls_ticket_keys **view_r)
{
    *view_r = NULL;
    errno = ENOSYS;
    return NULL;
}

int tls_ticket_keys_rotate(struct tls_ticket_keys *keys)
{
    (void)keys;
    return 0;
}

void tls_context_use_tickets(struct tls_context *context, const struct tls_ticket_keys *keys)
{
    (void)context;
    (void)keys;
}

enum io_status stream_tls_accept(struct stream *stream, const struct tls_context *context,
                                 bool is_followed, int64_t deadline_ms)
{
    (void)is_followed;
    (void)stream;
    (void)context;
    (void)deadline_ms;
    errno = ENOSYS;
    return IO_FAILED;
}

enum io_status stream_tls_connect(struct stream *stream, struct tls_context *context,
                                  const char *host, uint16_t port, int64_t deadline_ms)
{
    (void)host;
    (void)port;
    return stream_tls_accept(stream, context, false, deadline_ms);
}

bool stream_is_tls(const struct stream *stream)
{
    (void)stream;
    return false;
}

const char *stream_tls_failure(const struct stream *stream)
{
    (void)stream;
    return NULL;
}

const char *stream_tls_first(const struct stream *stream, size_t *length_r)
{
    (void)stream;
    *length_r = 0;
    return "";
}

void stream_tls_facts(const struct stream *stream, struct tls_facts *facts)
{
    (void)stream;
    *facts = (struct tls_facts){0};
}

void stream_tls_names(const struct stream *stream, struct tls_names *names)
{
    (void)stream;
    *names = (struct tls_names){0};
}
