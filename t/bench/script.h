/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a client of the load generator sends and what it must receive: a list of steps, each a
 * command and its reply. Replies before the login may be the proxy's own and must keep to the
 * protocol; those after it are those of the server (mail.h) and must be the same octets.
 */
#ifndef POP3_BENCH_SCRIPT_H
#define POP3_BENCH_SCRIPT_H

#include "mail.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCRIPT_COMMAND_MAX 192

enum step_command { STEP_GREETING, STEP_USER, STEP_PASS, STEP_FIXED, STEP_QUIT };

struct step {
    enum step_command command;
    char text[24];                      /* the command with CRLF, or its keyword for reports */
    bool is_exact;                      /* otherwise any "+OK" line */
    struct text reply;                  /* exact: the reply, or its status line when there is */
    unsigned message;                   /*        a body of this message after it (0: none) */
};

struct script {
    struct step *steps;
    size_t count;
    size_t login_done;                  /* the step after PASS */
    const struct mailbox *box;
    char users[MAIL_USER_MAX];          /* the name of a user without its number */
    const char *suffix;                 /* after the name in USER: "%server:port", for the proxy */
};

enum script_result {
    SCRIPT_MORE,                        /* right so far, but not complete */
    SCRIPT_DONE,                        /* the whole reply; *used_r octets belonged to it */
    SCRIPT_REFUSED,                     /* "-ERR" */
    SCRIPT_WRONG                        /* other octets than expected */
};

/* How much of a reply has arrived. */
struct progress {
    uint64_t pos;
    char last;                          /* the octet before, for the CR of an inexact line */
};

/*
 * Builds one of: poll (USER PASS STAT QUIT), fetch (STAT UIDL LIST, RETR and DELE of each of
 * `count` messages of `size` octets), bulk (STAT and RETR of each). Exits on any other name.
 */
void script_build(struct script *script, const char *name, unsigned count, uint64_t size);

/* Writes the command of a step for the client with this number. Returns its length; 0: none. */
size_t script_command(const struct script *script, size_t step, unsigned number, char *text_r);

/* Compares what was received with the reply of `step` from progress->pos on. */
enum script_result script_check(const struct step *step, const struct mailbox *box,
                                struct progress *progress, const char *data, size_t len,
                                size_t *used_r);

#endif
