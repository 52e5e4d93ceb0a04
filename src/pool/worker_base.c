/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What both kinds of worker do in the same way: taking a connection, and being counted among those
 * that can take one.
 */
#include "pool/worker_base.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

int worker_accept(int listener_fd, struct address *client, int flags)
{
    client->length = sizeof(client->storage);
    return accept4(listener_fd, &client->sa, &client->length, flags | SOCK_CLOEXEC);
}

bool worker_is_connection_error(int error)
{
    return error == ECONNABORTED || error == EINTR || error == EPROTO || error == EPERM ||
           error == ENETDOWN || error == EHOSTUNREACH || error == ENETUNREACH;
}

struct session_start worker_session_start(struct worker *worker, struct place *place,
                                          const struct address *client)
{
    return (struct session_start){.conf = worker->pool->instance,
                                  .helper = &worker->helper,
                                  .watch = &place->watch,
                                  .client_address = client,
                                  .known_servers = worker->pool->memory->servers,
                                  .own_addresses = worker->pool->own_addresses,
                                  .own_address_count = worker->pool->own_address_count};
}

static void tell_master(const struct worker *worker)
{
    uint64_t one = 1;

    (void)!write(worker->pool->notify_fd, &one, sizeof(one));
}

void worker_accept_failed(const struct worker *worker)
{
    enum { LOG_EVERY_MS = 10000 };
    static int64_t quiet_until_ms;
    int64_t now_ms = clock_now_ms();
    bool is_shut_down = errno == EINVAL;

    if (now_ms >= quiet_until_ms) {
        quiet_until_ms = now_ms + LOG_EVERY_MS;
        log_message(EVENT_ACCEPT_FAILED, "%s", strerror(errno));
    }
    if (is_shut_down)
        tell_master(worker);
}

/* The state says busy before the count goes down, and idle after it has gone up. So when the master
 * counts the states, it may find too few idle, never too many. */
void worker_count_in(struct worker *worker)
{
    struct scoreboard *scoreboard = worker->pool->scoreboard;
    uint64_t one = 1;

    scoreboard_add_idle(scoreboard, 1);
    scoreboard_set_state(worker->slot, SCOREBOARD_IDLE);
    /* The master has waited for it with the others. */
    if (atomic_load(&scoreboard->has_started) == 0 &&
        atomic_exchange(&scoreboard->has_started, 1) == 0)
        (void)!write(worker->pool->notify_fd, &one, sizeof(one));
}

void worker_count_out(struct worker *worker)
{
    struct scoreboard *scoreboard = worker->pool->scoreboard;

    scoreboard_set_state(worker->slot, SCOREBOARD_BUSY);
    /* No worker is left for the next connection: the master may want to fork one. */
    if (scoreboard_add_idle(scoreboard, -1) <= 1 &&
        atomic_exchange(&scoreboard->is_master_awake, 1) == 0)
        tell_master(worker);
}
