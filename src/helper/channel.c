/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Watches each channel for input: a question where none is under way, otherwise the end of the
 * question. The watch is the same one, so a question costs the loop nothing more.
 */
#include "helper/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/hash.h"

enum {
    BUCKET_BITS = 10,
    BUCKETS = 1 << BUCKET_BITS,
    KEPT_OF_A_WORKER = 2 * MESSAGE_PAIRS_KEPT,
};

/* Those that are kept, of the workers whose numbers have the same hash. */
struct bucket {
    struct channel *first; /* the last that was kept */
    size_t count;
};

static struct {
    struct ev_loop *loop;
    channel_event *on_question;
    size_t most;
    size_t count; /* of all channels */
    size_t kept_count;
    struct bucket kept[BUCKETS];
    size_t next_victim; /* the bucket from which the next one is taken to make room */
    bool is_ending;     /* keep none any more */
} state;

void channel_init(struct ev_loop *loop, size_t most, channel_event *on_question)
{
    memset(&state, 0, sizeof(state));
    state.loop = loop;
    state.most = most;
    state.on_question = on_question;
}

/* ---- those that are kept ---- */

static struct bucket *bucket_of(pid_t worker)
{
    return &state.kept[hash_number((uint64_t)worker) >> (64 - BUCKET_BITS)];
}

static size_t count_of(const struct bucket *bucket, pid_t worker)
{
    size_t count = 0;

    for (const struct channel *kept = bucket->first; kept != NULL; kept = kept->next)
        count += kept->worker == worker;
    return count;
}

/* Most buckets have one worker at most: nothing needs to be counted. */
static bool has_share_left(pid_t worker)
{
    const struct bucket *bucket = bucket_of(worker);

    return bucket->count < KEPT_OF_A_WORKER || count_of(bucket, worker) < KEPT_OF_A_WORKER;
}

static void keep(struct channel *channel)
{
    struct bucket *bucket = bucket_of(channel->worker);

    channel->is_asked = channel->is_answered = false;
    channel->next = bucket->first;
    bucket->first = channel;
    bucket->count++;
    state.kept_count++;
}

static void take_out(struct channel *channel)
{
    struct bucket *bucket = bucket_of(channel->worker);
    struct channel **link = &bucket->first;

    while (*link != NULL && *link != channel)
        link = &(*link)->next;
    if (*link == NULL)
        return; /* a new one */
    *link = channel->next;
    bucket->count--;
    state.kept_count--;
}

static void close_channel(struct channel *channel)
{
    ev_io_stop(state.loop, &channel->readable);
    close(channel->fd);
    free(channel);
    state.count--;
}

/* Another one than last time, so that workers which use theirs are not always those that lose it. */
static void close_one(void)
{
    struct channel *victim;

    while (state.kept[state.next_victim % BUCKETS].count == 0)
        state.next_victim++;
    victim = state.kept[state.next_victim++ % BUCKETS].first;
    take_out(victim);
    close_channel(victim);
}

void channel_keep_none(void)
{
    state.is_ending = true;
    while (state.kept_count > 0)
        close_one();
}

/* ---- one channel ---- */

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct channel *channel = watcher->data;

    if (!channel->is_asked && (events & EV_ERROR) == 0) {
        state.on_question(channel);
        return;
    }
    ev_io_stop(loop, watcher);
    channel->is_gone = true;
    if (channel->is_asked)
        channel->on_gone(channel->owner);
    else
        channel_end(channel);
}

/* Otherwise another process may hold the other end, and would keep it when the worker has ended. */
static bool is_pair_of(int fd, pid_t worker)
{
    struct ucred maker;
    socklen_t size = sizeof(maker);

    return worker != 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &maker, &size) == 0 &&
           maker.pid == worker;
}

struct channel *channel_open(int fd, pid_t worker)
{
    struct channel *channel = calloc(1, sizeof(*channel));

    if (channel == NULL) {
        close(fd);
        return NULL;
    }
    if (state.count >= state.most && state.kept_count > 0)
        close_one();
    channel->fd = fd;
    channel->worker = worker;
    channel->may_be_kept = is_pair_of(fd, worker);
    ev_io_init(&channel->readable, on_readable, fd, EV_READ);
    channel->readable.data = channel;
    ev_io_start(state.loop, &channel->readable);
    state.count++;
    return channel;
}

void channel_begin(struct channel *channel, uint32_t number)
{
    take_out(channel);
    channel->number = number;
    channel->is_asked = true;
}

void channel_own(struct channel *channel, void *owner, void (*on_gone)(void *owner))
{
    channel->owner = owner;
    channel->on_gone = on_gone;
}

static enum io_status send_message(int fd, const struct msghdr *header)
{
    ssize_t sent;

    do {
        sent = sendmsg(fd, header, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent == -1 && errno == EINTR);
    if (sent != -1)
        return IO_OK;
    return errno == EAGAIN || errno == ENOBUFS ? IO_AGAIN : IO_FAILED;
}

enum io_status channel_send(struct channel *channel, uint32_t number, enum message_kind kind,
                            const void *data, size_t length)
{
    char head[MESSAGE_HEAD_BYTES];
    struct iovec pieces[2] = {{.iov_base = head, .iov_len = sizeof(head)},
                              {.iov_base = (void *)(uintptr_t)data, .iov_len = length}};
    struct msghdr header = {.msg_iov = pieces, .msg_iovlen = 2};
    enum io_status status;

    message_write_head(head, kind, number);
    status = send_message(channel->fd, &header);
    if (status == IO_OK && message_is_last(kind))
        channel->is_answered = true;
    return status;
}

void channel_end(struct channel *channel)
{
    bool is_good = channel->is_answered && channel->may_be_kept && !channel->is_gone;

    if (is_good && !state.is_ending && has_share_left(channel->worker)) {
        keep(channel);
        return;
    }
    take_out(channel);
    close_channel(channel);
}
