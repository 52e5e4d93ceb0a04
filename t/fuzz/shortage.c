/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counts the calls that may fail, and lets one of them fail.
 */
#include "shortage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    RUNS_FIRST = 16, /* calls that fail one after the other, when the corpus is replayed */
    RUNS_MORE = 12,  /* and as many of the rest, evenly spread */
};

static bool is_armed, has_failed;
static unsigned calls;    /* since the run began */
static unsigned fails_at; /* the call that fails; 0: none */

void shortage_begin(void)
{
    is_armed = true;
}

bool shortage_end(void)
{
    is_armed = false;
    return has_failed;
}

bool shortage_strikes(int error)
{
    if (!is_armed || ++calls != fails_at)
        return false;
    errno = error;
    return has_failed = true;
}

/* ---- the calls ---- */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);
char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
int __real_memfd_create(const char *name, unsigned flags);
int __wrap_memfd_create(const char *name, unsigned flags);
FILE *__real_fdopen(int fd, const char *mode);
FILE *__wrap_fdopen(int fd, const char *mode);
int __real_fstat(int fd, struct stat *status);
int __wrap_fstat(int fd, struct stat *status);
ssize_t __real_read(int fd, void *to, size_t size);
ssize_t __wrap_read(int fd, void *to, size_t size);

void *__wrap_malloc(size_t size)
{
    return shortage_strikes(ENOMEM) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return shortage_strikes(ENOMEM) ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return shortage_strikes(ENOMEM) ? NULL : __real_realloc(old, size);
}

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
    return shortage_strikes(ENOMEM) ? NULL : __real_reallocarray(old, count, size);
}

char *__wrap_strdup(const char *text)
{
    return shortage_strikes(ENOMEM) ? NULL : __real_strdup(text);
}

int __wrap_memfd_create(const char *name, unsigned flags)
{
    return shortage_strikes(EMFILE) ? -1 : __real_memfd_create(name, flags);
}

FILE *__wrap_fdopen(int fd, const char *mode)
{
    return shortage_strikes(ENOMEM) ? NULL : __real_fdopen(fd, mode);
}

int __wrap_fstat(int fd, struct stat *status)
{
    return shortage_strikes(EIO) ? -1 : __real_fstat(fd, status);
}

/* A read fails, or is interrupted and must be repeated. */
ssize_t __wrap_read(int fd, void *to, size_t size)
{
    return shortage_strikes(fails_at % 2 == 0 ? EIO : EINTR) ? -1 : __real_read(fd, to, size);
}

/* ---- the runs ---- */

static void run_failing(shortage_case *run, const uint8_t *data, size_t size, unsigned at)
{
    calls = 0;
    has_failed = false;
    fails_at = at;
    run(data, size);
    fails_at = 0;
}

#ifdef FUZZ_ENGINE
static void run_again(shortage_case *run, const uint8_t *data, size_t size, unsigned count)
{
    unsigned hash = 0;

    for (size_t i = 0; i < size; i++)
        hash = hash * 31 + data[i];
    run_failing(run, data, size, 1 + hash % count);
}
#else
static void run_again(shortage_case *run, const uint8_t *data, size_t size, unsigned count)
{
    unsigned step = count > RUNS_FIRST + RUNS_MORE ? (count - RUNS_FIRST) / RUNS_MORE : 1;

    for (unsigned at = 1; at <= count; at += at < RUNS_FIRST ? 1 : step)
        run_failing(run, data, size, at);
}
#endif

void shortage_run(shortage_case *run, const uint8_t *data, size_t size)
{
    run_failing(run, data, size, 0);
    if (calls > 0)
        run_again(run, data, size, calls);
}
