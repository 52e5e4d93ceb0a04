/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An INI file as lines with numbers. The values are iniparser's; around it stands a pass of our own
 * that finds what the library swallows: lines it cuts or joins, keys it lets win silently, text it
 * cannot place. What the keys mean is not known here, but for "is this word a key?".
 */
#ifndef CONFIG_INI_H
#define CONFIG_INI_H

#include <stdbool.h>
#include <stddef.h>

#include "config/mistakes.h"

enum {
    INI_LINE_BYTES = 1000,      /* iniparser 4 gives up at 1,024 */
    INI_FILE_BYTES = 1024 * 1024,
    INI_FILE_LINES = 20000,
};

/* A section's header, or a key with its value. */
struct ini_line {
    unsigned number;  /* 1 is the first */
    bool is_section;
    bool is_sound;    /* a key whose line iniparser reads */
    size_t section;   /* index of the header it stands under; a header's own */
    char *name;       /* a key in lower case; a header as written, blanks joined */
    const char *value; /* NULL for a header, and for a key whose line has a mistake */
};

/* Owns everything the lines point to. */
struct ini {
    size_t count;
    struct ini_line *lines;
    void *dictionary;
};

/*
 * Reads the file, once: what is checked is what iniparser saw, even while an editor is saving it.
 * Mistakes go to `mistakes`; what can be told of the lines is in `ini` even so, in the order of the
 * file, keys always behind their header. A section begun twice is a mistake, its keys then belong
 * to the first one. The caller frees it with ini_free() in every case.
 */
void ini_load(struct ini *ini, const char *path, struct mistakes *mistakes);

/* The same for a text in memory: `text` is `length` octets, followed by a NUL, and is scribbled
 * on. */
void ini_parse(struct ini *ini, char *text, size_t length, struct mistakes *mistakes);

void ini_free(struct ini *ini);

#endif
