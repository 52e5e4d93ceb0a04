/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What `compare` prints: users in the order in which the caller reports them, and a summary; for
 * people or as one JSON object.
 */
#ifndef COMPARE_COMPARE_REPORT_H
#define COMPARE_COMPARE_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "compare/compare_result.h"

/* What was found out of one server, without its messages. */
struct compare_side {
    enum compare_failure failure;
    char *text; /* see struct compare_mailbox; NULL: none */
    uint64_t count;
    uint64_t octets;
};

/* What was found out of one user. */
struct compare_finding {
    struct compare_side old, new;
    struct compare_result result; /* zero unless both mailboxes were read */
    bool is_done;
};

struct compare_summary {
    uint64_t users;
    uint64_t same;
    uint64_t all_again;  /* users who would download all mail again, */
    uint64_t some_again; /* or some of it */
    uint64_t lost;       /* users who lack mail at the new server */
    uint64_t changed;
    uint64_t added;
    uint64_t refused; /* users who cannot log in at one of the servers, or at both */
    uint64_t failed;  /* users for whom a server did not do what it should */
};

struct compare_report {
    FILE *out;
    bool as_json;
    const char *old_name, *new_name; /* HOST:PORT */
    struct compare_summary summary;
};

void compare_report_begin(struct compare_report *report);

/* Counts a user, and prints one line if anything differs. JSON has every user. */
void compare_report_user(struct compare_report *report, const char *user,
                         const struct compare_finding *finding);

void compare_report_end(const struct compare_report *report);

/* 0: all are the same; 1: there are differences; 2: a user could not be compared, because a login
 * was refused or a server failed. */
int compare_report_code(const struct compare_report *report);

#endif
