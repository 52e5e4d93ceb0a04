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
 * Starts the program for a MESSAGE_ACCESS request (opened, nothing read yet) and answers on
 * `answer_fd`, which it takes over: what the program prints as MESSAGE_OUTPUT, then the result.
 * When the asking side closes its end, or the limit in the request passes, the program's whole
 * process group is killed. Only the exit of the program itself is waited for, not the end of what
 * it leaves behind.
 */
void acp_run(struct ev_loop *loop, const struct acp_setting *setting, struct message *request,
             int answer_fd);

/* Programs that are still running. */
unsigned acp_running(void);

#endif
