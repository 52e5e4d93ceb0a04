/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process that starts access control programs.
 *
 * A program may be any program, even a set-uid one, so nothing may be forbidden to it; but the
 * helper, whose child it would be, is in a sandbox that its children would inherit. So the helper
 * forks this process first. It reads nothing from the network. It takes only the values of the
 * program's environment; the program itself, the names of its variables and PATH are its own.
 */
#ifndef HELPER_ACP_STARTER_H
#define HELPER_ACP_STARTER_H

#include <stdint.h>
#include <sys/types.h>

#include "helper/message.h"

enum { ACP_PROGRAMS_MAX = 512 }; /* that the starter runs at a time, whatever it is asked */

struct acp_setting {
    const char *program; /* absolute path */
    const char *prefix;  /* of its environment variables */
};

/* How a program has ended, as the starter says it over the program's socket. */
enum acp_end_kind {
    ACP_END_STATUS = 1, /* number: of waitpid() */
    ACP_END_NOT_RUN,    /* number: errno */
    ACP_END_KILLED,     /* it was killed as the helper asked; how it has ended comes later */
};

struct acp_end {
    int32_t kind; /* enum acp_end_kind */
    int32_t number;
};

/* The helper's ends of what connects it with a program. */
struct acp_channels {
    int control; /* a struct acp_end comes here; an octet sent there kills the program */
    int out;     /* standard output and error; they do not block */
    int err;
};

/*
 * Forks the starter, which becomes this user where it is root. Returns the socket to it, which is
 * closed on exec: it ends, with all its programs, when the last process closes the other end. If it
 * is stopped, the end of the process that has called this lets it go on, so that it can end. -1 with
 * errno.
 */
int acp_starter_fork(const struct acp_setting *setting, uid_t uid, gid_t gid);

/*
 * Has a program started. The next fields of the request are the values of acp.def. The caller closes
 * the channels. Returns 0, or -1 with errno: EAGAIN where the starter has too many requests to read;
 * ask again when its socket is writable. That the program could not be run comes out as its end.
 */
int acp_starter_ask(int starter_fd, struct message *request, struct acp_channels *channels);

/* Has the program killed with its whole process group. A starter that is not stuck sends
 * ACP_END_KILLED at once, unless the program has ended. */
void acp_starter_kill(const struct acp_channels *channels);

#endif
