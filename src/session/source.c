/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which of our own addresses a connection to a server comes from.
 */
#include "session/source.h"

#include <errno.h>
#include <stdatomic.h>

#include "base/process.h"

static size_t count_sources(const struct conf_instance *conf, int family)
{
    size_t count = 0;

    for (size_t i = 0; i < conf->source_count; i++)
        count += conf->sources[i].sa.sa_family == family;
    return count;
}

/* The address of this family whose turn it is; NULL: the list has none. */
static const struct address *next_source(const struct conf_instance *conf, size_t turn, int family)
{
    size_t count = count_sources(conf, family);
    size_t left = count == 0 ? 0 : turn % count;

    for (size_t i = 0; i < conf->source_count; i++)
        if (conf->sources[i].sa.sa_family == family && left-- == 0)
            return &conf->sources[i];
    return NULL;
}

/* An address that the routing table names is taken for every family: one that does not fit it must
 * fail. Others are taken in turn. */
static void choose_sources(const struct session *session, size_t turn,
                           struct dial_settings *settings)
{
    const struct conf_instance *conf = session->start->conf;

    settings->source_ipv4 = settings->source_ipv6 = session->route.source;
    if (session->route.source != NULL || conf->source_count == 0)
        return;
    settings->source_ipv4 = next_source(conf, turn, AF_INET);
    settings->source_ipv6 = next_source(conf, turn, AF_INET6);
}

/* Processes begin at different addresses. */
static size_t next_turn(void)
{
    static _Atomic size_t turns PROCESS_OWN;

    return (size_t)process_id() + atomic_fetch_add_explicit(&turns, 1, memory_order_relaxed);
}

/* True if our own address could not be used towards one of the addresses: all its ports are taken
 * there, or this machine does not have it. */
static bool is_source_unusable(const int *errors, size_t count)
{
    for (size_t i = 0; i < count && i < DIAL_ADDRESSES_MAX; i++)
        if (errors[i] == EADDRNOTAVAIL)
            return true;
    return false;
}

enum io_status source_dial(const struct session *session, const struct helper_addresses *found,
                           int64_t deadline_ms, int *fd_r, size_t *chosen_r, int *errors_r)
{
    struct dial_settings settings = {.socket_buffer_bytes = (int)session->values->socket_buffer};
    size_t sources = session->route.source == NULL ? session->start->conf->source_count : 0;
    size_t turn = sources == 0 ? 0 : next_turn();
    size_t tries = 0;
    enum io_status status;

    do {
        choose_sources(session, turn++, &settings);
        status =
            dial(found->list, found->count, &settings, deadline_ms, fd_r, chosen_r, errors_r);
    } while (status == IO_FAILED && is_source_unusable(errors_r, found->count) &&
             ++tries < sources);
    return status;
}
