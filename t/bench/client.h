/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The clients of the load generator: each has a connection, follows the script, checks every reply
 * and reports to the tally how it ended. arrival.h decides when a client begins.
 */
#ifndef POP3_BENCH_CLIENT_H
#define POP3_BENCH_CLIENT_H

#include <stdint.h>

struct client;

/* Builds the script that `set` asks for; clients are watched by this epoll descriptor. */
void clients_prepare(int epoll_fd);

/* Connects a client; `number` chooses its user, and its latency counts from `due_ns`. */
void client_begin(unsigned number, uint64_t due_ns);

/* Handles what epoll reports about a client (its data.ptr). */
void client_event(struct client *client, uint32_t events);

/* Continues the clients whose delay is over. */
void clients_wake_delayed(void);

/* Fails the clients that have received nothing for set.stall_ns. */
void clients_give_up_stalled(void);

/* Fails all running clients. */
void clients_give_up_all(void);

/* --mode idle: clients that have logged in send QUIT, and no client stays any more. */
void clients_release(void);

/* When the first delay or stall is over; UINT64_MAX: no client waits. */
uint64_t clients_due_ns(void);

/* How many have begun and not ended; how many of these have logged in and stay (--mode idle). */
uint64_t clients_under_way(void);
uint64_t clients_held(void);

/* When the last one ended; 0: none has. */
uint64_t clients_last_end_ns(void);

#endif
