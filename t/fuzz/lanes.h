/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Several sessions under fuzzing at once, as a worker with many sessions runs them: each is a task of
 * the scheduler (io/scheduler.h) and has a client and a server of its own. The world of one session
 * at a time is in place in `peers`. It changes when the scheduler resumes the task of another, or the
 * script chooses another. Whenever nothing is left to do, no session may sleep for what has come.
 */
#ifndef FUZZ_LANES_H
#define FUZZ_LANES_H

#include <stdbool.h>

#include "peers.h"

enum { LANES = 4 };

/* Whether the script that runs has several sessions. */
void lanes_set_many(bool many);
bool lanes_are_many(void);

/* Runs the sessions until all have ended and the script is over. Returns how many there are; one that
 * the script has not chosen has not begun. */
unsigned lanes_run(peers_conf *conf);

/* Puts a session in place. Returns false if it has not begun. With one session it does nothing. */
bool lanes_use(unsigned lane);

/* By the script: the session to which the next actions belong, and the stop of that session. */
void lanes_choose(unsigned lane);
void lanes_stop(void);

#endif
