/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sandbox: what a process gives up before it reads from the network.
 *
 * A process is in a role of sandbox_role.def. When it enters the role it loses
 *   - capabilities, new privileges by exec, core files and being traced (always);
 *   - processes and threads, and memory that becomes code (limits);
 *   - system calls that its role does not need (seccomp, through libseccomp);
 *   - files and directories but those it names, signals to others, and connections to other ports
 *     where these are known (Landlock).
 *
 * Nothing of it can be undone, and children inherit all of it. What the kernel lacks is left out,
 * unless SANDBOX_REQUIRED. The filters are made once, by sandbox_prepare(), and only loaded when a
 * process is forked.
 */
#ifndef BASE_SANDBOX_H
#define BASE_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

enum sandbox_mode {
    SANDBOX_YES,     /* as far as the kernel can */
    SANDBOX_REQUIRE, /* all of it, or the process does not start */
    SANDBOX_NO,      /* rights are given up, and nothing else */
};

enum sandbox_role {
#define SANDBOX_ROLE(name, ...) SANDBOX_##name,
#define SANDBOX_FREE(name, ...) SANDBOX_##name,
#include "base/sandbox_role.def"
#undef SANDBOX_ROLE
#undef SANDBOX_FREE
    SANDBOX_KIND_COUNT,
    SANDBOX_ROLE_COUNT = SANDBOX_STARTER, /* what follows are no roles: in no sandbox */
};

/* What is in force for a process: bits. */
enum sandbox_part {
    SANDBOX_LIMITS = 1, /* no process, no thread, no new code, as its role has it */
    SANDBOX_SECCOMP = 2,
    SANDBOX_FILES = 4,   /* Landlock: files */
    SANDBOX_PORTS = 8,   /* Landlock: connects to known ports only, listens on none */
    SANDBOX_SIGNALS = 16 /* Landlock: no signals to other processes, no abstract sockets */
};

enum { SANDBOX_PATHS_MAX = 48, SANDBOX_PORTS_MAX = 64 };

/* What a role sees of files and ports. All zero: no file; and every port. */
struct sandbox_view {
    size_t path_count;
    struct sandbox_path {
        const char *path; /* the caller's; a directory, or a file, with what is below it */
        bool is_writable;
    } paths[SANDBOX_PATHS_MAX];
    bool has_ports; /* only those below may be connected to */
    bool may_bind;  /* to an address of its own, at a port that the kernel chooses */
    size_t port_count;
    uint16_t ports[SANDBOX_PORTS_MAX];
};

/* Adds a path; NULL, and more than SANDBOX_PATHS_MAX, are ignored: then it cannot be seen. */
void sandbox_view_add(struct sandbox_view *view, const char *path, bool is_writable);
/* Adds a port. More than SANDBOX_PORTS_MAX: then every port may be connected to. */
void sandbox_view_add_port(struct sandbox_view *view, uint16_t port);

/*
 * Finds out in a child what this kernel can do, and makes the filters; the second time it only does
 * what is new. Where something is missing: with SANDBOX_REQUIRE returns -1 and sets `error`; with
 * SANDBOX_YES logs it once. Call it before the processes of the new settings are forked. It also
 * empties the bounding set of capabilities, which these processes inherit.
 */
int sandbox_prepare(enum sandbox_mode mode, struct error *error);
/* This process and those forked from now on have this mode. `is_syslog`: they connect to the syslog
 * daemon. Without sandbox_prepare() each process makes its own filter when it enters its role, and
 * logs what is missing. */
void sandbox_use(enum sandbox_mode mode, bool is_syslog);

/*
 * Enters the role for good. Everything that the role may not do must be done before: opening files,
 * forking, loading libraries. Returns 0, or -1 with `error` set, where something could not be had
 * and is required: the caller must then end the process.
 */
int sandbox_enter(enum sandbox_role role, const struct sandbox_view *view, struct error *error);

/* For a process that is in no sandbox: notes that for the status, and names the process. */
void sandbox_stay_free(enum sandbox_role kind);

/* The mode that processes forked now have. */
enum sandbox_mode sandbox_mode(void);

/* Whether the program was built with libseccomp. */
bool sandbox_has_seccomp(void);

/* ---- for the log and the status ---- */

const char *sandbox_role_word(enum sandbox_role role);
/* Whether there has been a process of this kind. */
bool sandbox_is_used(enum sandbox_role role);
/* What was in force for the last process of this kind. Only to be shown. */
unsigned sandbox_in_force(enum sandbox_role role);
/* The version of Landlock's interface that is used; 0: none. */
int sandbox_landlock_abi(void);

/* Room for "NAME", or "number 4711". */
enum { SANDBOX_CALL_SIZE = 64, SANDBOX_END_SIZE = 160 };

/* Why the name of the call is not known. */
#define SANDBOX_UNNAMED "it made a call that no part of this program makes"

/*
 * For a process that has ended, by its wait status. If the filter ended it, writes the name of the
 * system call to `call`, forgets it, and returns true. `call` is empty if the kernel killed the process
 * at once, which it does for a call that no part of this program makes.
 */
bool sandbox_take_call(pid_t pid, int wait_status, char call[SANDBOX_CALL_SIZE]);
/* How a process of this role has ended: like child_end_text(), with the call that was forbidden.
 * Returns `text`. */
const char *sandbox_end_text(enum sandbox_role role, pid_t pid, int wait_status,
                             char text[SANDBOX_END_SIZE]);

#endif
