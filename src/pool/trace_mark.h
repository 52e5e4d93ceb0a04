/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which users and addresses operators trace, and the way of the dialogue from the workers to the
 * status process.
 *
 * The marks lie beside the holds, in memory that workers can only read. While nobody is traced, a
 * session reads one number there for each command. Lines travel over a pair of sockets that exist
 * before the workers do; where the status process is too slow, they are lost and counted.
 */
#ifndef POOL_TRACE_MARK_H
#define POOL_TRACE_MARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TRACE_MARKS_MAX = 8,     /* traces at once */
    TRACE_LINE_BYTES = 1024, /* a line, without its end */
};

struct trace_mark {
    _Atomic uint64_t name; /* hash_text_nocase() of a user, or of an address; 0: unused */
};

struct trace_marks {
    _Atomic uint32_t count; /* of those in use */
    struct trace_mark list[TRACE_MARKS_MAX];
};

/* A line on its way. */
struct trace_message {
    uint32_t marks; /* bit i: it is for the trace with mark i */
    char text[TRACE_LINE_BYTES];
};

/* ---- the memory, which hold.c gives ---- */

void trace_marks_set_memory(const struct trace_marks *to_read);
/* In the status process. Forgets the marks of an earlier one. */
void trace_marks_set_writable(struct trace_marks *to_write);

/* ---- in a session ---- */

/* Whether anybody is traced. */
bool trace_marks_are_any(void);

/* The marks of these names, as bits. */
uint32_t trace_marks_find(const uint64_t *names, size_t count);

/* Sends a line without waiting. Returns false when it is lost. */
bool trace_send(uint32_t marks, const char *text, size_t length);

/* ---- in the status process ---- */

/* Traces a name. Returns its mark, or -1 when there are too many. */
int trace_mark_set(uint64_t name);
void trace_mark_end(int mark);

/* Receives a line without waiting: its length, or -1 when there is none. */
int trace_receive(struct trace_message *message);

/* ---- the pair of sockets ---- */

/* Makes it in the master; further calls do nothing. Without it nothing can be traced. */
void trace_prepare(void);
/* The ends that workers and the status process keep; -1: none. */
int trace_write_descriptor(void);
int trace_read_descriptor(void);

#endif
