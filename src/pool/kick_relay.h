/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * After an upgrade the previous program still serves its sessions, and only its master may signal
 * them. So an order to end sessions also lies in memory that all these masters and the status process
 * share. Each master tells the one before it that there is an order; each previous one carries it out
 * for its own sessions, and notes there how many they are.
 *
 * Workers do not have this memory. The masters take nothing from it but a name.
 */
#ifndef POOL_KICK_RELAY_H
#define POOL_KICK_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pool;

/* ---- in masters ---- */

/* Makes the memory, or takes that of the previous program. Further calls do nothing. Where there is no
 * memory, no order reaches previous programs. */
void kick_relay_prepare(void);

/* In the process that is about to become the next binary: passes the memory on to it. */
void kick_relay_pass(void);

/* Tells the previous program that there is an order. Returns false when there is no such program. */
typedef bool kick_relay_tell(void);

/* In the newest program, whose status process has marked its sessions: tells the previous program of
 * new orders. */
void kick_relay_pass_on(kick_relay_tell *tell);

/* In a previous program: the same, then marks the sessions of `pools`. */
void kick_relay_take(const struct pool *pools, kick_relay_tell *tell);

/* Notes how many of the sessions that were marked for orders are over. */
void kick_relay_update(const struct pool *pools);

/* ---- in the status process ---- */

/* The descriptor that kick_relay_open() needs; -1: none. */
int kick_relay_descriptor(void);
void kick_relay_open(int fd);

/* Leaves an order for the previous programs; wake the master then. Returns its number, which
 * kick_relay_end() makes invalid, or -1 when that is not possible. */
int kick_relay_ask(const char *name, int64_t now_ms);

/* What became of it in previous programs. */
struct kick_relayed {
    bool is_known; /* each of them has answered */
    size_t found;  /* sessions */
    size_t left;   /* of these, those that are not over yet */
};

/* An order of -1 found nothing. */
struct kick_relayed kick_relay_read(int order);
void kick_relay_end(int order);

#endif
