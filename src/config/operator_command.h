/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The commands for operators on the command line: their words, what follows each, and their help.
 */
#ifndef CONFIG_OPERATOR_COMMAND_H
#define CONFIG_OPERATOR_COMMAND_H

#include "config/options.h"

enum {
    OPERATOR_NAME_MAX = 1024,    /* octets of a user; with more it is in no list */
    OPERATOR_HOLD_MAX_S = 86400, /* that logins may be held */
};

/* What a request at the control socket changes. */
struct operator_order {
    const char *command;
    const char *key;  /* of the log, for the name that follows: "user" or "server" */
    bool has_seconds; /* before the name */
};

/* The order that the request begins with; NULL: it only asks, or is none. */
const struct operator_order *operator_order_find(const char *request);

/* Whether the action is such a command. */
bool operator_is_command(enum options_action action);

/* Takes the command in words[0] and what belongs to it. Returns 0, or -1 with `error` set. */
int operator_take_command(struct options *options, int count, char *const words[],
                          struct error *error);

/* Its word on the command line; "" where it is none. */
const char *operator_command_word(enum options_action action);

/* The words of all commands, separated by commas, for messages. */
const char *operator_commands(void);

/* Whether a command has this word. */
bool operator_is_word(const char *word);

/* Calls `print` for the command of this word, or for each if it is NULL, with how to write it and what
 * it does. */
void operator_print_help(const char *word, void (*print)(const char *left, const char *text));

#endif
