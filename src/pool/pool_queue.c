/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The master accepts the connections that it turns away, and reads nothing from them: what the
 * client has sent is thrown away inside the kernel.
 */
#include "pool/pool_queue.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "pool/pool.h"

enum { TURNED_AWAY_MAX = 64 /* at one poll; the next one follows soon */ };

static int64_t timeout_ms(const struct pool *pool)
{
    return pool->instance->values->queue_timeout * 1000;
}

void pool_queue_begin(struct pool *pool)
{
    pool->queue.sample_count = 0;
    pool->queue.next_at_ms = 0;
}

/* ---- turning away ---- */

static void say_refusal(const struct pool *pool, int fd)
{
    const char *reply = outcome_reply(OUTCOME_QUEUE_TIMEOUT);
    char line[128];
    int length = snprintf(line, sizeof(line), "%s\r\n", reply);

    if (pool->instance->values->tls != CONF_TLS_IMPLICIT)
        (void)send(fd, line, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Unread input would make the kernel reset the connection, and the client would lose the answer. */
static void discard_input(int fd)
{
    enum { DISCARDED_BYTES = 65536 };

    (void)recv(fd, NULL, DISCARDED_BYTES, MSG_DONTWAIT | MSG_TRUNC);
}

static void log_turned_away(const struct pool *pool, const struct address *client,
                            int64_t waited_ms)
{
    char text[ADDRESS_TEXT_SIZE];
    struct log_line line;

    log_begin(&line, EVENT_QUEUE_TIMEOUT);
    log_add(&line, "instance", pool->instance->section.name);
    log_add(&line, "client", address_host_text(client, text));
    if (waited_ms >= 0)
        log_add_duration(&line, "waited", waited_ms);
    log_end(&line);
}

/* Returns whether a connection was there. */
static bool turn_away_one(struct pool *pool)
{
    struct scoreboard_totals *totals = pool->memory->totals;
    struct address client;
    int fd = listener_accept_now(pool->listener, pool->places == 1, &client);

    if (fd == -1)
        return false;
    log_turned_away(pool, &client, listener_waited_ms(fd));
    say_refusal(pool, fd);
    discard_input(fd);
    close(fd);
    pool->queue.turned_away++;
    scoreboard_add(&totals->sessions, 1);
    scoreboard_add(&totals->outcomes[OUTCOME_QUEUE_TIMEOUT], 1);
    return true;
}

/* ---- who has waited too long ---- */

static uint64_t taken(const struct pool *pool)
{
    return atomic_load(&pool->scoreboard->accepted) + pool->queue.turned_away;
}

static void take_sample(struct pool *pool, int64_t now_ms, size_t waiting)
{
    struct pool_queue *queue = &pool->queue;
    size_t index = queue->sample_count % POOL_QUEUE_SAMPLES;

    if (now_ms < queue->next_at_ms)
        return;
    queue->samples[index].at_ms = now_ms;
    queue->samples[index].arrived = taken(pool) + waiting;
    queue->sample_count++;
    queue->next_at_ms = now_ms + timeout_ms(pool) / POOL_QUEUE_STEPS;
}

/* How many had come when the limit began that passes now; 0: not known. */
static uint64_t arrived_in_time(const struct pool *pool, int64_t now_ms)
{
    const struct pool_queue *queue = &pool->queue;

    for (size_t i = 0; i < POOL_QUEUE_SAMPLES && i < queue->sample_count; i++) {
        size_t index = (queue->sample_count - 1 - i) % POOL_QUEUE_SAMPLES;

        if (queue->samples[index].at_ms <= now_ms - timeout_ms(pool))
            return queue->samples[index].arrived;
    }
    return 0;
}

void pool_queue_check(struct pool *pool, size_t queue)
{
    int64_t now_ms = clock_now_ms();
    uint64_t overdue;

    if (timeout_ms(pool) == 0)
        return;
    take_sample(pool, now_ms, queue);
    overdue = arrived_in_time(pool, now_ms);
    overdue = overdue > taken(pool) ? overdue - taken(pool) : 0;
    if (overdue > queue)
        overdue = queue;
    for (size_t i = 0; i < overdue && i < TURNED_AWAY_MAX; i++)
        if (!turn_away_one(pool))
            break;
}
