/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An INI file as sections, keys and values with their line numbers. What a key means is not known
 * here; only whether a word is one.
 */
#ifndef CONFIG_INI_H
#define CONFIG_INI_H

#include <stdbool.h>
#include <stddef.h>

#include "config/mistakes.h"

enum {
    INI_LINE_BYTES = 1000, /* iniparser 4 gives up at 1,024 */
    INI_FILE_BYTES = 1024 * 1024,
    INI_FILE_LINES = 20000,
};

/* A section's header, or a key with its value. */
struct ini_line {
    unsigned number; /* 1 is the first */
    bool is_section;
    bool is_sound;     /* a key without a mistake in its line: iniparser has the value */
    size_t section;    /* index of the header it stands under; a header's own index */
    char *name;        /* a key in lower case; a header as written, with single blanks */
    const char *value; /* NULL for a header, and for a key with a mistake in its line */
};

/* Owns everything the lines point to. */
struct ini {
    size_t count;
    struct ini_line *lines;
    void *dictionary;
};

/*
 * Reads the file, once, so that iniparser sees what was checked even while an editor saves the
 * file. Mistakes go to `mistakes`; the lines that can be understood are in `ini` even so, in the
 * order of the file, each key after its header. To begin a section twice is a mistake; its keys
 * then belong to the first one. The caller frees `ini` with ini_free() in every case.
 */
void ini_load(struct ini *ini, const char *path, struct mistakes *mistakes);

/* The same for a text in memory: `length` octets and a NUL. The text is changed. */
void ini_parse(struct ini *ini, char *text, size_t length, struct mistakes *mistakes);

void ini_free(struct ini *ini);

#endif
