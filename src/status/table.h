/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A table for people. Its rows are drawn twice: first with `out` NULL, which measures the columns,
 * then with the file that they go to.
 */
#ifndef STATUS_TABLE_H
#define STATUS_TABLE_H

#include <stdint.h>
#include <stdio.h>

enum { TABLE_COLUMNS_MAX = 16, TABLE_TEXT_SIZE = 32, TABLE_NAME_SIZE = 256 };

enum table_align { TABLE_LEFT, TABLE_RIGHT };

struct table {
    FILE *out; /* NULL while measuring */
    int widths[TABLE_COLUMNS_MAX];
    int column;
    int padding; /* blanks that the last cell still needs before another one */
};

void table_cell(struct table *table, enum table_align align, const char *text);

/* A name from elsewhere, cleaned by utf8_copy_name(), as one word: a blank in it is drawn as U+2423, so
 * that no name looks like two columns. An empty one is drawn as "-". */
void table_name(struct table *table, const char *name);
void table_number(struct table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void table_end_row(struct table *table);

/* A number as people read it: 1234, 12.3k, 4.5M. And a time: 12s, 3m20s, 2h03m, 5d07h. Return
 * `text`. */
const char *table_short_number(char text[TABLE_TEXT_SIZE], double value);
const char *table_short_age(char text[TABLE_TEXT_SIZE], int64_t age_ms);

#endif
