/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is wrong with a configuration: every mistake, each one line, told once and in the order of
 * the file however late it was found.
 */
#ifndef CONFIG_MISTAKES_H
#define CONFIG_MISTAKES_H

#include <stdbool.h>
#include <stddef.h>

#include "config/conf.h"

struct mistake;

/* All zero octets but for `file` are an empty collection. */
struct mistakes {
    const char *file; /* not owned; NULL where the settings came from the command line */
    size_t count;
    bool is_incomplete; /* memory ran out: there were more */
    struct mistake *items;
};

/* "FILE:LINE", where the file's path is cut at its front if it is very long: the mend must fit
 * into the line as well. */
enum { ORIGIN_SIZE = 224 };
const char *mistakes_origin(const struct mistakes *mistakes, unsigned line, char origin[ORIGIN_SIZE]);

/* Adds "FILE:LINE: text". Line 0 stands for the file as a whole: "FILE: text". */
void mistakes_add(struct mistakes *mistakes, unsigned line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A conf_report: adds a text that begins with its origin already. `context` is the collection. */
void mistakes_take(void *context, const char *text);

bool mistakes_are_there(const struct mistakes *mistakes);

/* Reports every mistake, sorted by line, and empties the collection. Returns 0 if there was none,
 * else -1. */
int mistakes_tell(struct mistakes *mistakes, conf_report *report, void *context);

#endif
