/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first steps of a forked process, by system calls alone.
 */
#include "base/child.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/log.h"
#include "base/log_repeat.h"
#include "base/privileges.h"
#include "base/process.h"
#include "base/sandbox_parts.h"

pid_t child_fork(void)
{
    sigset_t all;
    sigset_t before;
    pid_t pid;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid = process_fork();
    if (pid != 0) {
        int error = errno;
        sigprocmask(SIG_SETMASK, &before, NULL);
        errno = error;
    }
    return pid;
}

static void default_signals(void)
{
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
}

static bool is_among(int number, const int *numbers, size_t count)
{
    size_t i = 0;

    while (i < count && numbers[i] != number)
        i++;
    return i < count;
}

void child_reset_signals(const int *own, size_t count)
{
    static const int ignored[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM,
                                  SIGUSR1, SIGUSR2, SIGPIPE, SIGXFSZ};

    default_signals();
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        if (!is_among(ignored[i], own, count))
            signal(ignored[i], SIG_IGN);
}

void child_restore_signals(void)
{
    sigset_t none;

    default_signals();
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

void child_drop_descriptors(const int *keep, size_t count)
{
    int kept[CHILD_KEPT_MAX + 2];

    assert(count <= CHILD_KEPT_MAX);
    memcpy(kept, keep, count * sizeof(*keep));
    kept[count] = log_descriptor();
    kept[count + 1] = log_repeat_descriptor();
    descriptors_detach_standard(log_descriptor());
    descriptors_close_all_but(kept, count + 2);
}

int child_drop_rights(const char *directory, uid_t uid, gid_t gid, struct error *error)
{
    if (directory != NULL && (chroot(directory) == -1 || chdir("/") == -1))
        return error_set(error, "chroot = %s: %s", directory, strerror(errno));
    sandbox_limits_bound();
    if (privileges_drop(uid, gid, error) == -1)
        return -1;
    sandbox_limits_always();
    return 0;
}

const char *child_end_text(int wait_status, char text[CHILD_END_SIZE])
{
    bool is_signal = WIFSIGNALED(wait_status);

    snprintf(text, CHILD_END_SIZE, "%s %d", is_signal ? "signal" : "exit status",
             is_signal ? WTERMSIG(wait_status) : WEXITSTATUS(wait_status));
    return text;
}
