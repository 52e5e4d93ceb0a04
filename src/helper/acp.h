/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Running the access control program.
 */
#ifndef HELPER_ACP_H
#define HELPER_ACP_H

#include <ev.h>

#include "helper/message.h"

struct acp_setting {
    const char *program; /* absolute path */
    const char *prefix;  /* of its environment variables */
};

/*
 * Starts the program for a MESSAGE_ACCESS request (opened, nothing read yet). Answers on
 * `answer_fd`, which it closes in the end: sends what the program prints as MESSAGE_OUTPUT, then
 * the result. Kills the program's whole process group when the asking side closes its end, or when
 * the limit in the request passes. Waits only for the exit of the program itself, not for processes
 * that it leaves behind.
 */
void acp_run(struct ev_loop *loop, const struct acp_setting *setting, struct message *request,
             int answer_fd);

/* How many programs run. */
unsigned acp_running(void);

#endif
