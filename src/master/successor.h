/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starts the next binary of an upgrade and watches over its start.
 *
 *   this process ---fork---> starter ---fork, exec---> successor
 *
 * The successor must not be a child of this process: a service manager supervises only processes
 * that become its own children, as orphans do. But only a parent learns how a process ends. So the
 * starter is its parent until the successor is ready, and then ends. Until then the starter also
 * reads the successor's standard error and passes it on.
 */
#ifndef MASTER_SUCCESSOR_H
#define MASTER_SUCCESSOR_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

enum { SUCCESSOR_WORDS_SIZE = 256 };

/* How a successor has ended that was not ready. */
struct successor_end {
    int status;                       /* of waitpid() */
    char words[SUCCESSOR_WORDS_SIZE]; /* the beginning of what it said; one line */
};

struct successor {
    pid_t pid;
    pid_t starter; /* 0: it has ended */
};

/* Passes on what the successor inherits, by inherit_pass(); called in the process that is about to
 * become it. */
typedef void successor_pass(void);

/* Remembers how this process was started: the program's path, its arguments and the working
 * directory. Call it before the working directory changes. */
void successor_remember(char *const argv[]);

/*
 * Starts the successor. `fds` are two connected sockets: the successor inherits the second one
 * under the name INHERIT_READY, and this process closes it. If the successor ends before
 * successor_release(), the starter sends there SUCCESSOR_ENDED and a struct successor_end. Returns
 * 0, or -1 with `error` set.
 */
int successor_start(struct successor *successor, const int fds[2], successor_pass *pass,
                    struct error *error);
enum { SUCCESSOR_ENDED = 'E' };

/* Ends the starter, so that the successor becomes an orphan. */
void successor_release(struct successor *successor);

/* Call it for each child that has ended. Returns true if it was the starter. */
bool successor_reap(struct successor *successor, pid_t pid);

/* Describes the end for the log: "exited with status 1: its words". Returns `error->text`. */
const char *successor_describe(const struct successor_end *end, struct error *error);

/* ---- in the successor ---- */

/* Gets back the standard error that the previous binary had. Call it before the log is opened and
 * before the first fork. Does nothing where this process is not a successor. */
void successor_take_stderr(void);

/* Complains to the previous binary as well, if it still listens; otherwise only on standard
 * error. */
void successor_complain(const char *text);

/* The successor is ready: the previous binary hears no more complaints. */
void successor_is_ready(void);

/* Whether the starter, if there was one, is no longer the parent of this process. */
bool successor_is_released(void);

#endif
