/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the programs of the benchmark share: exit with a message, numbers and addresses of the
 * command line, the clock, sockets. It knows nothing of POP3 and uses no code of the gateway,
 * because the measure must not depend on what it measures.
 */
#ifndef POP3_BENCH_H
#define POP3_BENCH_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_MS 1000000ULL
#define BENCH_S  1000000000ULL

/* Writes "program: text" to standard error and exits with status 1. */
_Noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* As bench_die, with the text of errno at the end. */
_Noreturn void bench_die_errno(const char *what);

/* The decimal number in `text`. Otherwise exits and names `option` and the range. */
uint64_t bench_number(const char *option, const char *text, uint64_t min, uint64_t max);

/* "127.0.0.1:110" as an address; exits with a message on anything else. IPv4 only. */
struct sockaddr_in bench_address(const char *option, const char *text);

/* Zeroed memory; exits if there is none. */
void *bench_alloc(size_t count, size_t size);

/* Monotonic time in nanoseconds. */
uint64_t bench_now_ns(void);

/* A listening TCP socket (close-on-exec); the port chosen is written back into `address`. */
int bench_listen(struct sockaddr_in *address, int backlog, bool nonblocking);

/* Sets TCP_NODELAY: a measured reply must not wait for an acknowledgement. */
void bench_nodelay(int fd);

/* Prints "ready ADDRESS:PORT" on standard output: the driver waits for this line. */
void bench_say_ready(const char *what, const struct sockaddr_in *address);

/* Raises the limit of descriptors to the hard limit. */
void bench_raise_files(void);

/* Has the kernel send SIGTERM to this process when its parent dies. */
void bench_end_with_parent(void);

#endif
