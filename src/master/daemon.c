/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a server runs is told by the lock on its pidfile, not by the number in it: a number may
 * be that of another process by now.
 */
#include "master/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/inherit.h"
#include "base/log.h"
#include "base/process.h"

#define PIDFILE "POP3_PROXY_PIDFILE_FD" /* the name it is passed under: descriptor and path */

static int ready_fd = -1;

/* fd -1: none. */
struct pidfile {
    int fd;
    char *path;
};

#define NO_PIDFILE ((struct pidfile){.fd = -1})

static struct pidfile current = {.fd = -1};
static struct pidfile next = {.fd = -1};
static bool is_borrowed; /* the current one still belongs to the previous binary */
static bool stays;       /* the prepared one is the current one */

/* ---- detaching ---- */

/* The parent waits for the child's octet or its end. */
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

static void drop(struct pidfile *pidfile)
{
    if (pidfile->fd != -1)
        close(pidfile->fd);
    free(pidfile->path);
    *pidfile = NO_PIDFILE;
}

static void remove_file(struct pidfile *pidfile)
{
    if (file_is_at(pidfile->fd, pidfile->path))
        unlink(pidfile->path);
    drop(pidfile);
}

/* Takes what the previous binary has passed on. */
static void borrow(void)
{
    char *path;
    int fd = inherit_take(PIDFILE, &path);

    if (fd == -1)
        return;
    current = (struct pidfile){.fd = fd, .path = path};
    is_borrowed = true;
}

/* Compares the files, because the path may be written in several ways. */
static bool is_current(const char *path)
{
    struct stat ours;
    struct stat found;

    return current.fd != -1 && fstat(current.fd, &ours) == 0 && stat(path, &found) == 0 &&
           file_is_same(&ours, &found);
}

static int open_locked(const char *path, struct error *error);

/* The locked file must still be at its path, and have no other name: another user who may write to
 * the directory can make a hard link there to any file, and we would write into it. One lstat()
 * tells both: between two calls the link could be removed. */
static int check_locked(int fd, const char *path, struct error *error)
{
    struct stat ours;
    struct stat found;

    if (fstat(fd, &ours) == -1 || lstat(path, &found) == -1 || !file_is_same(&ours, &found)) {
        close(fd); /* its owner removed it before we had the lock */
        return open_locked(path, error);
    }
    if (found.st_nlink == 1)
        return fd;
    close(fd);
    return error_set(error, "pidfile = %s: the file has another name; remove it", path);
}

static int open_locked(const char *path, struct error *error)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    char owner[16] = "";
    struct stat status;

    if (fd == -1)
        return error_set(error, "pidfile = %s: %s", path,
                         errno == ELOOP ? FILE_LINK_MEND : strerror(errno));
    if (fstat(fd, &status) == 0 && !S_ISREG(status.st_mode)) {
        close(fd);
        return error_set(error, "pidfile = %s: not a regular file; choose another path", path);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return check_locked(fd, path, error);
    if (read(fd, owner, sizeof(owner) - 1) > 0)
        owner[strcspn(owner, "\n")] = '\0';
    close(fd);
    return error_set(error,
                     "pidfile = %s: a server is running already (process %s); stop it "
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

int pidfile_prepare(const char *path, struct error *error)
{
    borrow();
    pidfile_forget();
    stays = path != NULL && is_current(path);
    if (path == NULL || stays)
        return 0;
    next.fd = open_locked(path, error);
    next.path = strdup(path);
    if (next.fd != -1 && write_pid(next.fd, path, error) == 0)
        return 0;
    pidfile_forget();
    return -1;
}

static const char *current_path(void)
{
    return current.path == NULL ? "" : current.path;
}

void pidfile_commit(void)
{
    struct error error;

    if (!stays) {
        remove_file(&current);
        current = next;
        next = NO_PIDFILE;
    } else if (is_borrowed && write_pid(current.fd, current_path(), &error) == -1) {
        log_message(EVENT_CONFIGURATION, "%s", error.text);
    }
    is_borrowed = false;
    stays = true; /* until something else is prepared */
}

void pidfile_forget(void)
{
    remove_file(&next);
}

void pidfile_remove(void)
{
    pidfile_forget();
    if (is_borrowed)
        drop(&current);
    else
        remove_file(&current);
}

void pidfile_pass(void)
{
    inherit_pass(PIDFILE, current.fd, current_path());
}

void pidfile_hand_on(void)
{
    drop(&current);
}
