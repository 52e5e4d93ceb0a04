/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pipe exists only for one transfer, so that no octet of a session can come out in another.
 *
 * All pipes of a user without privileges share a number of pages
 * (/proc/sys/fs/pipe-user-pages-soft). Once these are in use, new pipes are small, and reading
 * costs less than splicing through them.
 */
#include "io/bypass.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum {
    /* Each piece of a packet uses one of the pipe's entries, whatever its length. So a pipe holds
     * more octets than this of a sender with large packets, and fewer of one with small packets. */
    PIPE_BYTES = 128 * 1024,
    PIPE_LEAST_BYTES = 64 * 1024,
    BYPASSES_MAX = 24, /* in a process: few of its descriptors are left for pipes */
};

static unsigned open_count;

/* ---- beginning and end ---- */

/* splice() sleeps while the receiver takes nothing, whatever its flags say, unless the socket itself
 * does not block. A worker may set no flags (see base/sandbox_seccomp.c), so it sleeps for the shortest
 * time that the kernel knows, one tick. All other writing says for itself that it must not wait. */
static bool limit_sleep(int fd)
{
    const struct timeval shortest = {.tv_usec = 1};

    return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &shortest, sizeof(shortest)) == 0;
}

static bool make_pipe(struct bypass *bypass)
{
    if (pipe2(bypass->fds, O_CLOEXEC | O_NONBLOCK) == -1)
        return false;
    if (fcntl(bypass->fds[1], F_SETPIPE_SZ, PIPE_BYTES) >= PIPE_BYTES ||
        fcntl(bypass->fds[1], F_GETPIPE_SZ) >= PIPE_LEAST_BYTES)
        return true;
    close(bypass->fds[0]);
    close(bypass->fds[1]);
    return false;
}

bool bypass_open(struct bypass *bypass, struct stream *from, struct stream *to)
{
    int on = 1;

    if (from->ops->peek == NULL || !to->is_own_socket || open_count >= BYPASSES_MAX ||
        !make_pipe(bypass))
        return false;
    bypass->is_open = true;
    open_count++;
    /* recv() with MSG_PEEK would show an urgent octet among the others, but splice() would skip it.
     */
    (void)setsockopt(from->read_fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
    if (limit_sleep(to->write_fd))
        return true;
    bypass_close(bypass);
    return false;
}

void bypass_close(struct bypass *bypass)
{
    if (!bypass->is_open)
        return;
    close(bypass->fds[0]);
    close(bypass->fds[1]);
    open_count--;
    *bypass = (struct bypass){0};
}

/* ---- moving ---- */

size_t bypass_take(struct bypass *bypass, const struct stream *from, size_t length)
{
    ssize_t moved = splice(from->read_fd, NULL, bypass->fds[1], NULL, length, SPLICE_F_NONBLOCK);

    if (moved <= 0)
        return 0;
    bypass->held += (size_t)moved;
    return (size_t)moved;
}

enum io_status bypass_give(struct bypass *bypass, struct stream *to, size_t *moved_r)
{
    ssize_t moved;

    *moved_r = 0;
    if (to->write_status != IO_OK)
        return to->write_status;
    moved = splice(bypass->fds[0], NULL, to->write_fd, NULL, bypass->held, SPLICE_F_NONBLOCK);
    wait_pass();
    if (moved > 0) {
        bypass->held -= (size_t)moved;
        *moved_r = (size_t)moved;
        return IO_OK;
    }
    if (moved == -1 && (errno == EAGAIN || errno == EINTR)) {
        wait_note(to->write_fd, POLLOUT, errno == EAGAIN);
        return IO_AGAIN;
    }
    return to->write_status = IO_FAILED;
}
