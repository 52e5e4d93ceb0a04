/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether iniparser reads a value as its author meant it. Pure text.
 */
#ifndef CONFIG_INI_VALUE_H
#define CONFIG_INI_VALUE_H

#include <stdbool.h>

enum { INI_FLAW_SIZE = 200 };

/*
 * `value` is what follows the = in a line, without the blanks before and after it, a comment
 * included. Returns whether iniparser reads it right; if not, `flaw` says what is wrong and how to
 * mend it.
 */
bool ini_value_is_sound(const char *value, char flaw[INI_FLAW_SIZE]);

/* Whether the text begins a comment. */
bool ini_is_comment(const char *text);

#endif
