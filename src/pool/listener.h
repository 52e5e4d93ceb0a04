/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Listening sockets: opened, or inherited from systemd or the previous binary, and passed on to the
 * next one.
 */
#ifndef POOL_LISTENER_H
#define POOL_LISTENER_H

#include <stdbool.h>

#include "base/address.h"
#include "base/error.h"
#include "config/conf.h"

/* What the options of a socket were before a worker had it; see listener.c. */
enum { LISTENER_OPTIONS = 8, LISTENER_OPTION_BYTES = 16 };
struct listener_options {
    unsigned lengths[LISTENER_OPTIONS]; /* 0: the socket has no such option */
    char values[LISTENER_OPTIONS][LISTENER_OPTION_BYTES];
};

/* A socket that the pools of one address share, generation after generation. */
struct listener {
    struct listener *next;
    struct address address; /* as bound: a port chosen by the kernel is filled in */
    char *text;             /* as configured */
    char *instance;         /* that has opened it */
    int fd;
    struct listener_options options;
    unsigned users; /* pools; closed with the last */
    bool is_announced;
};

/* Takes the sockets that were passed to this process: by systemd (LISTEN_FDS; their names are those
 * of instances) or in an upgrade. Call it once, early. */
void listener_inherit(void);

/*
 * The socket for an instance: one in use already, an inherited one, or a new one. The caller uses
 * it until listener_release(). NULL with `error` set ("FILE:LINE: listen = ...: why") when it cannot
 * be bound.
 */
struct listener *listener_acquire(const struct conf_instance *instance, struct error *error);
/* Gives the socket the options that the instance asks for. Until then, a socket that is in use
 * already keeps those it has. */
void listener_settle(struct listener *listener, const struct conf_instance *instance);
void listener_release(struct listener *listener);

/* Logs the addresses that were not logged yet. */
void listener_announce_new(void);

/* Connections that wait to be accepted. Of a UNIX socket the kernel only tells whether there is one:
 * 0 or 1. -1 where it tells nothing. */
int listener_queue(const struct listener *listener);

/* Notes the options that listener_mend() restores. listener_acquire() does so, too. */
void listener_note_options(struct listener *listener);

/* All workers share the socket, so one that was taken over can change it. Mends this: the socket
 * listens with its backlog, without blocking if `must_not_block`, and has the options that it had.
 * Logs that it did not listen, and that it had other options. A UNIX socket that was shut down cannot
 * be mended, nor a filter of packets that is locked. */
void listener_mend(const struct listener *listener, const struct conf_values *values,
                   bool must_not_block);

/* Accepts a connection if one waits, and returns its descriptor, which does not block; -1 if not. The
 * socket is shared with the workers: `is_blocking` says whether it blocks for them. A worker that
 * calls accept() at this moment may find that nothing is there and must wait by poll(). Never sleeps
 * for longer than 10 ms, whatever another process does to the socket. Uses SIGALRM. */
int listener_accept_now(const struct listener *listener, bool is_blocking, struct address *client);

/* How long an accepted connection has waited in the queue, if nothing was sent over it yet; -1 where
 * the kernel does not tell (UNIX sockets). */
int64_t listener_waited_ms(int fd);

/* Closes inherited sockets that no instance has taken; those of systemd are named in the log. */
void listener_close_spare(void);

/* All sockets in use, for the check against loops. */
const struct listener *listener_first(void);

/* In the process that is about to become the next binary: passes all sockets in use on to it. */
void listener_pass(void);

#endif
