/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The types of values that keys have: for each type one row of operations. A field is the member
 * of struct conf_values that holds the value: a bool, an int64_t, a char * or an int.
 */
#ifndef CONFIG_CONF_VALUE_H
#define CONFIG_CONF_VALUE_H

#include <stdint.h>

#include "base/error.h"
#include "config/conf_check.h"

/* What a value of one key may be. Each type uses its own part of it. */
struct conf_value_rule {
    int64_t min; /* number: range and unit */
    int64_t max;
    const char *unit;
    conf_check *check; /* text */
    const char *words; /* choice: "a|b|c" */
};

struct conf_value_type {
    /* Parses `text` into the field. Returns 0, or -1 with `error` saying what the value must be;
     * the field is then unchanged. */
    int (*parse)(const struct conf_value_rule *rule, const char *text, void *field,
                 struct error *error);
    /* Replaces the value in the field with a copy of another one. Returns 0, or -1 when there is
     * no memory; the field is then unchanged. */
    int (*copy)(void *field, const void *from);
    /* Frees what the field owns. */
    void (*free)(void *field);
};

extern const struct conf_value_type conf_value_flag;
extern const struct conf_value_type conf_value_number;
extern const struct conf_value_type conf_value_text;
extern const struct conf_value_type conf_value_choice;

#endif
