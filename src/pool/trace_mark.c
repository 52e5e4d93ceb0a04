/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SOCK_SEQPACKET: a line stays whole, and what it may hold back is a number of octets, not the ten
 * datagrams of SOCK_DGRAM.
 */
#include "pool/trace_mark.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

static const struct trace_marks *marks;
static struct trace_marks *writable;
static int ends[2] = {-1, -1}; /* to read, to write */

void trace_marks_set_memory(const struct trace_marks *to_read)
{
    marks = to_read;
}

void trace_marks_set_writable(struct trace_marks *to_write)
{
    marks = writable = to_write;
    for (int i = 0; i < TRACE_MARKS_MAX; i++)
        atomic_store(&writable->list[i].name, 0);
    atomic_store(&writable->count, 0);
}

/* Counts all marks again. A process that ends may take its marks back after its successor has set
 * its own, so adding and subtracting would go wrong. */
static void count_marks(void)
{
    uint32_t count = 0;

    for (int i = 0; i < TRACE_MARKS_MAX; i++)
        count += atomic_load(&writable->list[i].name) != 0;
    atomic_store(&writable->count, count);
}

bool trace_marks_are_any(void)
{
    return marks != NULL && atomic_load_explicit(&marks->count, memory_order_relaxed) != 0;
}

uint32_t trace_marks_find(const uint64_t *names, size_t count)
{
    uint32_t found = 0;

    for (int i = 0; marks != NULL && i < TRACE_MARKS_MAX; i++) {
        uint64_t name = atomic_load(&marks->list[i].name);

        for (size_t j = 0; name != 0 && j < count; j++)
            if (names[j] == name)
                found |= UINT32_C(1) << i;
    }
    return found;
}

bool trace_send(uint32_t to, const char *text, size_t length)
{
    struct trace_message message = {.marks = to};

    if (length > sizeof(message.text))
        length = sizeof(message.text);
    memcpy(message.text, text, length);
    return send(ends[1], &message, offsetof(struct trace_message, text) + length,
                MSG_DONTWAIT | MSG_NOSIGNAL) != -1;
}

int trace_mark_set(uint64_t name)
{
    for (int i = 0; writable != NULL && ends[0] != -1 && i < TRACE_MARKS_MAX; i++) {
        if (atomic_load(&writable->list[i].name) != 0)
            continue;
        atomic_store(&writable->list[i].name, name != 0 ? name : 1);
        count_marks();
        return i;
    }
    return -1;
}

void trace_mark_end(int mark)
{
    atomic_store(&writable->list[mark].name, 0);
    count_marks();
}

/* A worker that was broken into may send anything. */
int trace_receive(struct trace_message *message)
{
    ssize_t count = recv(ends[0], message, sizeof(*message), MSG_DONTWAIT);
    ssize_t head = offsetof(struct trace_message, text);

    if (count == -1)
        return -1;
    if (count < head)
        message->marks = 0;
    return count < head ? 0 : (int)(count - head);
}

void trace_prepare(void)
{
    if (ends[0] == -1 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == -1)
        ends[0] = ends[1] = -1;
}

int trace_write_descriptor(void)
{
    return ends[1];
}

int trace_read_descriptor(void)
{
    return ends[0];
}
