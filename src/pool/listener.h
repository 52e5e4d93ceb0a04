/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Listening sockets: opened, inherited from systemd or from the binary before us, and handed on.
 */
#ifndef POOL_LISTENER_H
#define POOL_LISTENER_H

#include <stdbool.h>

#include "base/address.h"
#include "base/error.h"
#include "config/conf.h"

/* A socket that is shared by the pools of one address, generation after generation. */
struct listener {
    struct listener *next;
    struct address address; /* as bound: a port chosen by the kernel is filled in */
    char *text;             /* as configured */
    int fd;
    unsigned users; /* pools; closed with the last */
    bool is_announced;
};

/* Takes in what the environment passes on: sockets of systemd (LISTEN_FDS, names are instances) or
 * of an upgrade. Call once, early. */
void listener_inherit(void);

/*
 * The socket for an instance: one in use already, an inherited one, or a new one. The caller has a
 * share in it until listener_release(). NULL with `error` set ("PLACE: listen = ...: why") when it
 * cannot be bound.
 */
struct listener *listener_acquire(const struct conf_instance *instance, struct error *error);
/* Puts an instance's settings of the socket into force: until then one that is in use already is
 * left as it is. */
void listener_settle(struct listener *listener, const struct conf_values *values);
void listener_release(struct listener *listener);

/* Logs the addresses that were not logged yet. */
void listener_announce_new(void);

/* Connections that wait to be accepted; -1 where the kernel does not tell (UNIX sockets). */
int listener_queue(const struct listener *listener);

/* Closes inherited sockets that no instance asked for. */
void listener_close_spare(void);

/* All sockets in use, for the check against loops. */
const struct listener *listener_first(void);

/* In the process that is about to become the next binary: passes all sockets in use on to it. */
void listener_pass(void);

#endif
