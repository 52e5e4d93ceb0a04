/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A child of the master that is started again after it has died, with a pause that grows if it keeps
 * dying.
 */
#ifndef BASE_RESPAWN_H
#define BASE_RESPAWN_H

#include <ev.h>

#include "base/back_off.h"

/* All zero: the child has never died. */
struct respawn {
    struct back_off back_off;
    ev_timer timer; /* runs during the pause */
    void (*start)(void);
};

/* Calls `start` after the pause, from the default loop. Returns the length of the pause in
 * seconds: 0.1 at first, 10 at most; 0.1 again once the child has lived for half a minute. */
double respawn_later_s(struct respawn *respawn, void (*start)(void));

/* Ends the pause, if there is one: `start` is not called. */
void respawn_cancel(struct respawn *respawn);

#endif
