/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Columns of texts and numbers.
 */
#include "status/table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/utf8.h"

/* A text may have become longer since it was measured. */
void table_cell(struct table *table, enum table_align align, const char *text)
{
    int *width = &table->widths[table->column];
    int columns = (int)utf8_columns(text, strlen(text));
    int padding;

    if (table->out == NULL && columns > *width)
        *width = columns;
    padding = columns < *width ? *width - columns : 0;
    if (table->out != NULL)
        fprintf(table->out, "%*s%s%*s%s", table->padding, "", table->column == 0 ? "" : "  ",
                align == TABLE_LEFT ? 0 : padding, "", text);
    table->padding = align == TABLE_LEFT ? padding : 0;
    table->column++;
}

void table_name(struct table *table, const char *name)
{
    static const char blank[] = "\xe2\x90\xa3"; /* U+2423 */
    char text[TABLE_NAME_SIZE];
    size_t length = 0;

    for (; *name != '\0' && length + sizeof(blank) < sizeof(text); name++)
        if (*name != ' ')
            text[length++] = *name;
        else
            length += (size_t)snprintf(text + length, sizeof(blank), "%s", blank);
    text[length] = '\0';
    table_cell(table, TABLE_LEFT, length == 0 ? "-" : text);
}

void table_number(struct table *table, const char *format, ...)
{
    char text[TABLE_TEXT_SIZE];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    table_cell(table, TABLE_RIGHT, text);
}

void table_end_row(struct table *table)
{
    if (table->out != NULL)
        fputc('\n', table->out);
    table->column = table->padding = 0;
}

const char *table_short_number(char text[TABLE_TEXT_SIZE], double value)
{
    static const char units[] = "kMGTPE";
    int unit = -1;

    while (value >= (unit < 0 ? 10000 : 1000) && units[unit + 1] != '\0') {
        value /= 1000;
        unit++;
    }
    if (unit < 0)
        snprintf(text, TABLE_TEXT_SIZE, "%.0f", value);
    else
        snprintf(text, TABLE_TEXT_SIZE, "%.1f%c", value, units[unit]);
    return text;
}

const char *table_short_age(char text[TABLE_TEXT_SIZE], int64_t age_ms)
{
    int64_t seconds = age_ms / 1000;

    if (seconds < 60)
        snprintf(text, TABLE_TEXT_SIZE, "%" PRId64 "s", seconds);
    else if (seconds < 3600)
        snprintf(text, TABLE_TEXT_SIZE, "%" PRId64 "m%02ds", seconds / 60, (int)(seconds % 60));
    else if (seconds < 86400)
        snprintf(text, TABLE_TEXT_SIZE, "%" PRId64 "h%02dm", seconds / 3600, (int)(seconds % 3600 / 60));
    else
        snprintf(text, TABLE_TEXT_SIZE, "%" PRId64 "d%02dh", seconds / 86400,
                 (int)(seconds % 86400 / 3600));
    return text;
}
