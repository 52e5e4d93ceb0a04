/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The next binary gets a copy of the keys through a pipe, and nothing of them is left in the pipe
 * once it has read them. A copy of another size comes from another version, and one with an odd
 * sequence number was taken in the middle of a change; neither is used, so clients make one full
 * handshake more.
 */
#include "master/tickets.h"

#include <errno.h>
#include <ev.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/inherit.h"
#include "base/log.h"
#include "tls/tls.h"

#define TICKETS "POP3_PROXY_TICKETS_FD" /* the name they are passed under: a pipe with the keys */

static struct tls_ticket_keys *keys;       /* NULL: not needed yet */
static const struct tls_ticket_keys *view; /* the same, as the workers see them */
static struct pool *const *pools;
static ev_timer upkeep;

/* ---- keys ---- */

static void rotate(void)
{
    if (tls_ticket_keys_rotate(keys) == -1)
        log_message(EVENT_TLS, "the system gives no random octets for new ticket keys; the old ones stay");
}

static bool make_keys(void)
{
    if (keys != NULL)
        return true;
    keys = tls_ticket_keys_new(&view);
    if (keys == NULL)
        log_message(EVENT_TLS,
                    "no memory that workers can only read: %s; clients resume no sessions",
                    strerror(errno));
    return keys != NULL;
}

static const struct tls_ticket_keys *get_keys(void)
{
    if (make_keys() && !seqlock_is_used(&keys->lock))
        rotate();
    return view;
}

void tickets_inherit(void)
{
    int fd = inherit_take(TICKETS, NULL);
    struct tls_ticket_keys copy;

    if (fd == -1)
        return;
    if (read(fd, &copy, sizeof(copy)) == sizeof(copy) && copy.lock.count % 2 == 0 &&
        make_keys())
        memcpy(keys, &copy, sizeof(*keys));
    explicit_bzero(&copy, sizeof(copy));
    close(fd);
}

/* A forked process has the view alone. */
void tickets_pass(void)
{
    int fds[2];

    if (view == NULL || pipe(fds) == -1)
        return;
    if (write(fds[1], view, sizeof(*view)) == sizeof(*view))
        inherit_pass(TICKETS, fds[0], NULL);
    else
        close(fds[0]);
    close(fds[1]);
}

/* ---- certificates ---- */

static void log_expiry(void *unused, const char *path, int64_t days)
{
    struct log_line line;

    (void)unused;
    log_begin(&line, EVENT_CERTIFICATE_EXPIRES);
    log_add(&line, "file", path);
    log_add_number(&line, "days", days);
    log_end(&line);
}

static void warn_of_expiry(const struct conf_instance *instance)
{
    tls_context_report_expiry(instance->client_tls, clock_wall_s(), log_expiry, NULL);
    tls_context_report_expiry(instance->server_tls, clock_wall_s(), log_expiry, NULL);
}

/* ---- upkeep ---- */

static void on_upkeep(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)timer;
    (void)events;
    if (keys != NULL)
        rotate();
    for (const struct pool *pool = *pools; pool != NULL; pool = pool->next)
        if (pool->state == POOL_RUNNING)
            warn_of_expiry(pool->instance);
}

static void start_upkeep(struct pool *const *all)
{
    pools = all;
    if (ev_is_active(&upkeep))
        return;
    ev_timer_init(&upkeep, on_upkeep, TLS_TICKET_ROTATION_S, TLS_TICKET_ROTATION_S);
    ev_timer_start(EV_DEFAULT, &upkeep);
}

void tickets_prepare(const struct pool *added, struct pool *const *all)
{
    for (; added != NULL; added = added->next) {
        const struct conf_instance *instance = added->instance;

        if (instance->client_tls == NULL && instance->server_tls == NULL)
            continue;
        start_upkeep(all);
        if (instance->client_tls != NULL) {
            tls_context_use_tickets(instance->client_tls, get_keys());
            tls_context_warm_up(instance->client_tls);
        }
        warn_of_expiry(instance);
    }
}
