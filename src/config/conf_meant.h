/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * "Did you mean ...?": which known word an unknown one was probably meant to be.
 */
#ifndef CONFIG_CONF_MEANT_H
#define CONFIG_CONF_MEANT_H

#include <stdbool.h>

/* Whether `word` is `wanted` with at most a third of its letters wrong. */
bool conf_is_near(const char *word, const char *wanted);

/* The name of the key that was probably meant by `word`, which is no key: what other programs call
 * it, or the nearest name. NULL when no key is near. */
const char *conf_key_meant(const char *word);

/* The same among the keys of groups. */
const char *conf_key_meant_in_group(const char *word);

#endif
