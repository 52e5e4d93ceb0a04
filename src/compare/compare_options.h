/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command line of `pop3.proxy compare`.
 */
#ifndef COMPARE_COMPARE_OPTIONS_H
#define COMPARE_COMPARE_OPTIONS_H

#include <stdbool.h>

#include "base/error.h"
#include "compare/compare_mailbox.h"

struct compare_options {
    struct host_port old, new; /* with their ports */
    enum compare_tls old_tls, new_tls;
    const char *ca;    /* file or directory of trusted certificates; NULL: the system's */
    const char *users; /* the file of logins; NULL: standard input */
    bool is_unverified;
    bool with_hashes;
    bool as_json;
    bool is_help; /* nothing else is set then */
    unsigned jobs;
    int64_t timeout_ms;
};

/* argv[0] is the command. Returns 0, or -1 with `error` set. The texts are those of argv. */
int compare_options_parse(struct compare_options *options, int argc, char *const argv[],
                          struct error *error);

void compare_options_print_help(void);

#endif
