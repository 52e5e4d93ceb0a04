/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Detaching, and the pidfile. The lock, not the number in the file, says whether a server runs.
 */
#include "master/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/process.h"

static int ready_fd = -1;
static int pidfile_fd = -1;
static char *pidfile_path;

/* ---- detaching ---- */

/* The parent's part: nothing but waiting for the child's word or its end. */
static void wait_for_child(int fd, pid_t pid)
{
    char octet;
    int status;

    if (read(fd, &octet, 1) == 1)
        _exit(EX_OK);
    if (waitpid(pid, &status, 0) == pid && WIFEXITED(status))
        _exit(WEXITSTATUS(status));
    _exit(EX_OSERR);
}

int daemon_detach(struct error *error)
{
    int fds[2];
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC) == -1 || (pid = process_fork()) == -1)
        return error_set(error, "cannot detach: %s", strerror(errno));
    if (pid != 0) {
        close(fds[1]);
        wait_for_child(fds[0], pid);
    }
    close(fds[0]);
    ready_fd = fds[1];
    setsid();
    return chdir("/") == -1 ? error_set(error, "cannot enter /: %s", strerror(errno)) : 0;
}

void daemon_ready(void)
{
    int null;

    if (ready_fd == -1)
        return;
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO && null != -1; fd++)
        dup2(null, fd);
    if (null > STDERR_FILENO)
        close(null);
    if (write(ready_fd, "1", 1) == 1)
        close(ready_fd);
    ready_fd = -1;
}

/* ---- the pidfile ---- */

static int inherited_descriptor(void)
{
    const char *text = getenv(PIDFILE_ENVIRONMENT);
    int fd = text == NULL ? -1 : atoi(text);

    unsetenv(PIDFILE_ENVIRONMENT);
    if (fd > STDERR_FILENO && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
        return fd;
    return -1;
}

static int open_locked(const char *path, struct error *error)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    char owner[16] = "";

    if (fd == -1)
        return error_set(error, "pidfile = %s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    if (read(fd, owner, sizeof(owner) - 1) > 0)
        owner[strcspn(owner, "\n")] = '\0';
    close(fd);
    return error_set(error, "pidfile = %s: a server is running already (process %s); stop it "
                     "first, or give this one a pidfile of its own",
                     path, owner);
}

static int write_pid(int fd, const char *path, struct error *error)
{
    char text[16];
    int length = snprintf(text, sizeof(text), "%d\n", (int)getpid());

    if (ftruncate(fd, 0) == -1 || pwrite(fd, text, (size_t)length, 0) != length)
        return error_set(error, "pidfile = %s: cannot write: %s", path, strerror(errno));
    return 0;
}

int pidfile_take(const char *path, struct error *error)
{
    int fd = inherited_descriptor();

    if (pidfile_path != NULL && strcmp(path, pidfile_path) == 0)
        return 0;
    if (fd == -1)
        fd = open_locked(path, error);
    if (fd == -1)
        return -1;
    if (write_pid(fd, path, error) == -1) {
        close(fd);
        return -1;
    }
    pidfile_remove(); /* of another name, before a reload */
    pidfile_fd = fd;
    pidfile_path = strdup(path);
    return 0;
}

void pidfile_remove(void)
{
    if (pidfile_fd == -1)
        return;
    if (pidfile_path != NULL)
        unlink(pidfile_path);
    pidfile_hand_on();
}

int pidfile_descriptor(void)
{
    return pidfile_fd;
}

void pidfile_hand_on(void)
{
    if (pidfile_fd != -1)
        close(pidfile_fd);
    pidfile_fd = -1;
    free(pidfile_path);
    pidfile_path = NULL;
}
