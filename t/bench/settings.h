/* SPDX-License-Identifier: BSD-2-Clause */
/* What the command line of the load generator asks for. */
#ifndef POP3_BENCH_SETTINGS_H
#define POP3_BENCH_SETTINGS_H

#include "transport.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

enum mode { MODE_CLOSED, MODE_STORM, MODE_OPEN, MODE_IDLE };

struct settings {
    struct sockaddr_in address;
    enum mode mode;
    uint64_t clients, sessions, rate, sources, users, messages, size;
    uint64_t seconds_ns, ramp_ns, delay_ns, stall_ns, deadline_ns;
    const char *script, *suffix;
    bool is_tls;
    struct transport_tls tls;
};

/* Set once, by settings_take(). */
extern struct settings set;

/* Reads the command line; exits for --help and, with a message, for a mistake. */
void settings_take(int argc, char **argv);

/* The name of set.mode. */
const char *settings_mode(void);

#endif
