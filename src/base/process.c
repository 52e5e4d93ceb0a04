/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/process.h"

#include <pthread.h>
#include <stdbool.h>
#include <unistd.h>

static pid_t id;

static void forget(void)
{
    id = 0;
}

pid_t process_id(void)
{
    static bool is_watching;

    if (!is_watching)
        is_watching = pthread_atfork(NULL, NULL, forget) == 0;
    if (!is_watching)
        return getpid();
    if (id == 0)
        id = getpid();
    return id;
}
