/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A library for LD_PRELOAD with which a test that runs makes wall time jump, and descriptors and
 * memory scarce, in a program that runs, with all its processes. SCARCE names a file of three
 * 64-bit numbers, which is mapped at the start and which the test writes:
 *
 *   0   seconds that are added to the wall time
 *   1   one of so many calls that make a descriptor fails with EMFILE; 0: none
 *   2   one of so many calls that take memory returns NULL; 0: none
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { JUMP_S, DESCRIPTORS, MEMORY, SETTINGS };

static const volatile int64_t *settings;
static uint64_t calls[SETTINGS];

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("SCARCE");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    void *map;

    if (fd == -1)
        return;
    map = mmap(NULL, SETTINGS * sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED)
        settings = map;
}

static int is_due(int what)
{
    int64_t every = settings == NULL ? 0 : settings[what];

    return every > 0 && ++calls[what] % (uint64_t)every == 0;
}

static void *real(const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);

    if (function == NULL)
        abort();
    return function;
}

#define SCARCE_DESCRIPTOR(name, parameters, arguments)                                             \
    int name parameters;                                                                           \
    int name parameters                                                                            \
    {                                                                                              \
        static int (*next) parameters;                                                             \
        if (is_due(DESCRIPTORS)) {                                                                 \
            errno = EMFILE;                                                                        \
            return -1;                                                                             \
        }                                                                                          \
        if (next == NULL)                                                                          \
            next = (int(*) parameters)real(#name);                                                 \
        return next arguments;                                                                     \
    }

SCARCE_DESCRIPTOR(socket, (int domain, int type, int protocol), (domain, type, protocol))
SCARCE_DESCRIPTOR(socketpair, (int domain, int type, int protocol, int pair[2]),
                  (domain, type, protocol, pair))
SCARCE_DESCRIPTOR(accept4, (int fd, struct sockaddr *from, socklen_t *size, int flags),
                  (fd, from, size, flags))
SCARCE_DESCRIPTOR(pipe2, (int pair[2], int flags), (pair, flags))

void *malloc(size_t size)
{
    return is_due(MEMORY) ? (errno = ENOMEM, NULL) : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return is_due(MEMORY) ? (errno = ENOMEM, NULL) : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    return is_due(MEMORY) ? (errno = ENOMEM, NULL) : __libc_realloc(memory, size);
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    static int (*next)(clockid_t, struct timespec *);
    int result;

    if (next == NULL)
        next = (int (*)(clockid_t, struct timespec *))real("clock_gettime");
    result = next(clock, time);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) && settings != NULL)
        time->tv_sec += settings[JUMP_S];
    return result;
}

time_t time(time_t *now_r)
{
    struct timespec now;

    if (clock_gettime(CLOCK_REALTIME, &now) == -1)
        return -1;
    if (now_r != NULL)
        *now_r = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *now, void *zone)
{
    struct timespec exact;

    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &exact) == -1)
        return -1;
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}
