/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * --help: an overview on one screen, and all there is to say of a group of keys, one key, an option
 * or a command. The texts are those of the tables.
 */
#ifndef CONFIG_HELP_H
#define CONFIG_HELP_H

#include <stdbool.h>

enum { HELP_OPTION_BYTES = 40 }; /* the name of a long option with its NUL */

/* The name of a key's long option, without its hyphens: login_timeout -> login-timeout. */
void help_option_name(char name[HELP_OPTION_BYTES], const char *key_name);

/* Prints one entry: the left column, then the text, wrapped at blanks. */
void help_print_entry(const char *left, const char *text);

/* Whether there is a group, a key, an option or a command of this name, however it is written:
 * "limits", "login_timeout", "--login-timeout", "-t", "kick"; or it is "commands" or "all". */
bool help_is_about(const char *name);

/* Explains it; NULL: prints the overview. */
void help_print(const char *name);

#endif
