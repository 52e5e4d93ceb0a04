/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of the sandbox, for sandbox.c; child.c uses the limits.
 */
#ifndef BASE_SANDBOX_PARTS_H
#define BASE_SANDBOX_PARTS_H

#include <linux/filter.h>

#include "base/sandbox.h"

#include "config.h"

/* Groups of system calls, as the .def files name them. */
enum sandbox_group {
    SANDBOX_GROUP_NOBODY = 0,
    SANDBOX_GROUP_COMMON = 1,
    SANDBOX_GROUP_ACCEPT = 2,    /* connections of clients */
    SANDBOX_GROUP_CONNECT = 4,   /* TCP */
    SANDBOX_GROUP_TABLES = 8,    /* UNIX sockets of routing tables */
    SANDBOX_GROUP_DATAGRAM = 16, /* UDP: name servers */
    SANDBOX_GROUP_SYSLOG = 32,   /* the UNIX socket of the syslog daemon */
    SANDBOX_GROUP_ASK = 64,      /* pairs of sockets */
    SANDBOX_GROUP_SPLICE = 128,
    SANDBOX_GROUP_LOOP = 256, /* epoll, timers, signals by descriptor */
    SANDBOX_GROUP_READ_FILES = 512,
    SANDBOX_GROUP_THREADS = 1024, /* and shared libraries */
    SANDBOX_GROUP_STDIO = 2048,   /* a terminal */
    SANDBOX_GROUP_FLAGS = 4096,   /* libraries that make their descriptors nonblocking */
    SANDBOX_GROUP_WRITE_FILES = 8192, /* only in a process that sees a path where it may write */
};

enum sandbox_limit {
    SANDBOX_LIMIT_NO_FORK = 1,
    SANDBOX_LIMIT_NO_CODE = 2,
};

struct sandbox_profile {
    const char *word;
    const char *title; /* of the process; NULL: that of the program */
    unsigned calls;  /* of enum sandbox_group */
    unsigned limits; /* of enum sandbox_limit */
};

/* ---- limits ---- */

/* Every kernel has these, and they hold whatever the mode is. Call it after the user has changed:
 * that makes a process dumpable again on some systems. The second time it does nothing. */
void sandbox_limits_always(void);
/* Takes the capabilities away that root programs would get. Only root can, so call it before the
 * user changes. The second time it does nothing. */
void sandbox_limits_bound(void);
/* For a master that runs as root: the same for all processes that it forks from now on, because one
 * call for each of some forty capabilities costs each start of a worker more than the filter does.
 * The master itself keeps its capabilities, and so does the program that it executes. */
void sandbox_limits_bound_children(void);
/* Those of the role. Returns whether there are any and all of them hold. */
bool sandbox_limits_enter(unsigned limits);

/* ---- system calls ---- */

enum { SANDBOX_FILTER_MAX = 768 };

/* A compiled filter. */
struct sandbox_filter {
    unsigned short length; /* 0: none */
    struct sock_filter code[SANDBOX_FILTER_MAX];
};

/* Compiles the filter for these groups. Returns 0, or -1 with `error` set. */
int sandbox_filter_make(struct sandbox_filter *filter, unsigned groups, bool may_map_code,
                        struct error *error);
/* Loads it into this process. Returns 0, or -1 with errno. */
int sandbox_filter_load(const struct sandbox_filter *filter);
/* Looks up the numbers of the calls in sandbox_calls.def. Call it before a filter is loaded; the second
 * time it does nothing. */
void sandbox_calls_prepare(void);
/* The name of a call in that file; NULL: another one. A handler of a signal may call it. */
const char *sandbox_call_word(long number);
/* Writes the name of a call, or "number N". */
void sandbox_call_name(long number, char name[SANDBOX_CALL_SIZE]);

/* ---- files and ports ---- */

/* The versions of the interface that brought a part. */
enum { SANDBOX_LANDLOCK_PORTS = 4, SANDBOX_LANDLOCK_SIGNALS = 6 };

/* The version of the kernel's interface; 0, with errno, where there is none. */
int sandbox_landlock_version(void);
/* Returns what is in force then, of enum sandbox_part, or 0 with errno. */
unsigned sandbox_landlock_enter(int version, const struct sandbox_view *view);

#endif
