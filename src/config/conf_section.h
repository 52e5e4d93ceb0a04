/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A section while it is being filled: one value for each key, and where each value was set. The
 * command line fills one, and so does every section of the file.
 */
#ifndef CONFIG_CONF_SECTION_H
#define CONFIG_CONF_SECTION_H

#include <stdbool.h>

#include "base/error.h"
#include "config/conf_keys.h"

/* An origin is "FILE:LINE" for the file, the option as it was written for the command line. */
struct conf_section {
    char *name;
    char *section_origin; /* of the section itself: "FILE:LINE" of its header */
    struct conf_values values;
    char *origin[CONF_KEY_COUNT];  /* of each key; NULL when the key was not set */
    bool is_wrong[CONF_KEY_COUNT]; /* set to a value that was refused: reported, so not missing */
    bool is_incomplete;            /* memory ran out while the section was filled */
};

/* Makes a section in which every key has its default. `name` and `section_origin` are copied.
 * conf_section_free() wipes nothing, because no setting is a secret. */
void conf_section_init(struct conf_section *section, const char *name, const char *section_origin);
void conf_section_free(struct conf_section *section);

/* Parses and stores one value; `origin` is copied. Returns 0, or -1 with the error
 * "ORIGIN: KEY = VALUE: what it must be". To set a key twice is an error as well. */
int conf_set(struct conf_section *section, enum conf_key key, const char *value,
             const char *origin, struct error *error);

/* Notes that the key was set at `origin` (copied) to a value that was refused already, so that
 * later checks do not call the key missing. conf_set() does this where it fails. */
void conf_mark_wrong(struct conf_section *section, enum conf_key key, const char *origin);

/* Copies the keys that are set in `defaults` and not in `section`. */
void conf_inherit(struct conf_section *section, const struct conf_section *defaults);

/* Copies the keys that are set in `overrides`, whether or not `section` has them: the command line
 * overrides the file. */
void conf_override(struct conf_section *section, const struct conf_section *overrides);

/* Where the key was set; where the section begins, when the key was not set. */
const char *conf_origin(const struct conf_section *section, enum conf_key key);

#endif
