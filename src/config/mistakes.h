/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mistakes of a configuration. Each is one line, and is reported once, in the order of the file,
 * whatever the order in which they were found.
 */
#ifndef CONFIG_MISTAKES_H
#define CONFIG_MISTAKES_H

#include <stdbool.h>
#include <stddef.h>

#include "config/conf.h"

struct mistake;

/* Empty when all but `file` is zero. */
struct mistakes {
    const char *file; /* not owned; NULL where the settings came from the command line */
    size_t count;
    bool is_incomplete; /* memory ran out: there were more */
    struct mistake *items;
};

/* Writes "FILE:LINE". A very long path is cut at its front, so that the whole message still fits into
 * a line. Returns `origin`. */
enum { ORIGIN_SIZE = 224 };
const char *mistakes_origin(const struct mistakes *mistakes, unsigned line, char origin[ORIGIN_SIZE]);

/* Adds "FILE:LINE: text". Line 0 means the file as a whole: "FILE: text". */
void mistakes_add(struct mistakes *mistakes, unsigned line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A conf_report: adds a text that begins with its origin already. `context` is the collection. */
void mistakes_take(void *context, const char *text);

bool mistakes_are_there(const struct mistakes *mistakes);

/* Reports every mistake, sorted by line, and empties the collection. Returns 0 when there was none,
 * -1 otherwise. */
int mistakes_tell(struct mistakes *mistakes, conf_report *report, void *context);

#endif
