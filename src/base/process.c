/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/process.h"

#include <unistd.h>

#include "config.h"

static pid_t id PROCESS_OWN;

pid_t process_id(void)
{
    if (id == 0)
        id = getpid();
    return id;
}

pid_t process_fork(void)
{
#ifdef HAVE__FORK
    pid_t pid = _Fork();
#else
    pid_t pid = fork();
#endif

    if (pid == 0)
        id = 0;
    return pid;
}
