/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The clients of the load generator: each has a connection, goes through the script, checks every
 * reply and reports to the tally how it ended. Who begins when is arrival.h's.
 */
#ifndef POP3_BENCH_CLIENT_H
#define POP3_BENCH_CLIENT_H

#include <stdint.h>

struct client;

/* Builds the script that `set` asks for; clients are watched by this epoll descriptor. */
void clients_prepare(int epoll_fd);

/* A client connects; `number` tells its user, and its latency counts from `due_ns` on. */
void client_begin(unsigned number, uint64_t due_ns);

/* What epoll reports of a client (its data.ptr). */
void client_event(struct client *client, uint32_t events);

/* Goes on with those whose delay is over. */
void clients_wake_delayed(void);

/* Fails those that have heard nothing for set.stall_ns. */
void clients_give_up_stalled(void);

/* Fails all that are under way. */
void clients_give_up_all(void);

/* --mode idle: who is logged in says QUIT, and nobody stays any more. */
void clients_release(void);

/* When the first delay or stall is over; UINT64_MAX: nobody waits. */
uint64_t clients_due_ns(void);

/* So many have begun and not ended; so many of these are logged in and stay (--mode idle). */
uint64_t clients_under_way(void);
uint64_t clients_held(void);

/* When the last one ended; 0: none has. */
uint64_t clients_last_end_ns(void);

#endif
