/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command line. Every key of the settings is a long option as well; the manual's short ones
 * come from the same table.
 */
#ifndef CONFIG_OPTIONS_H
#define CONFIG_OPTIONS_H

#include "config/conf.h"

enum options_action {
    OPTIONS_SESSION, /* one session on descriptors 0 and 1 */
    OPTIONS_HELP,    /* print the help and leave */
    OPTIONS_VERSION, /* print version and features and leave */
};

struct options {
    enum options_action action;
    struct conf_section section; /* the settings given; options_free() frees them */
};

/* Parses argv (getopt's permutation off: operands end the options). Returns 0, or -1 with `error`
 * set: a mistake of the user, exit code 64. */
int options_parse(struct options *options, int argc, char *const argv[], struct error *error);
void options_free(struct options *options);

void options_print_help(void);
void options_print_version(void);

#endif
