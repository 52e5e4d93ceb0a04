/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The collection of mistakes. When memory runs out, a text is lost, but never the fact that there was
 * a mistake.
 */
#include "config/mistakes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/octet.h"

enum { FILE_SHOWN = 200 };

struct mistake {
    unsigned line;
    size_t order;
    char *text;
};

static const char *file_shown(const char *file)
{
    size_t length = strlen(file);

    return length > FILE_SHOWN ? file + length - FILE_SHOWN : file;
}

const char *mistakes_origin(const struct mistakes *mistakes, unsigned line, char origin[ORIGIN_SIZE])
{
    if (line == 0)
        snprintf(origin, ORIGIN_SIZE, "%s", file_shown(mistakes->file));
    else
        snprintf(origin, ORIGIN_SIZE, "%s:%u", file_shown(mistakes->file), line);
    return origin;
}

/* The line that a text is about; 0 when it is about no line of the file. */
static unsigned line_of(const struct mistakes *mistakes, const char *text)
{
    const char *file = mistakes->file == NULL ? "" : file_shown(mistakes->file);
    size_t length = strlen(file);

    if (length == 0 || strncmp(text, file, length) != 0 || text[length] != ':')
        return 0;
    return (unsigned)strtoul(text + length + 1, NULL, 10);
}

static bool is_known(const struct mistakes *mistakes, const char *text)
{
    for (size_t i = 0; i < mistakes->count; i++)
        if (strcmp(mistakes->items[i].text, text) == 0)
            return true;
    return false;
}

void mistakes_take(void *context, const char *text)
{
    struct mistakes *mistakes = context;
    struct mistake *items;
    char *copy;

    /* An instance that inherits a mistake of [proxy] reports it again. */
    if (is_known(mistakes, text))
        return;
    items = realloc(mistakes->items, (mistakes->count + 1) * sizeof(*items));
    if (items != NULL)
        mistakes->items = items;
    copy = items == NULL ? NULL : strdup(text);
    if (copy == NULL) {
        mistakes->is_incomplete = true;
        return;
    }
    octets_make_line(copy); /* whatever the file has in it */
    items[mistakes->count] = (struct mistake){
        .line = line_of(mistakes, text),
        .order = mistakes->count,
        .text = copy,
    };
    mistakes->count++;
}

void mistakes_add(struct mistakes *mistakes, unsigned line, const char *format, ...)
{
    struct error error;
    char origin[ORIGIN_SIZE];
    char text[ERROR_TEXT_SIZE];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    error_set(&error, "%s: %s", mistakes_origin(mistakes, line, origin), text);
    mistakes_take(mistakes, error.text);
}

static int by_line(const void *a, const void *b)
{
    const struct mistake *left = a;
    const struct mistake *right = b;

    if (left->line != right->line)
        return left->line < right->line ? -1 : 1;
    return left->order < right->order ? -1 : left->order > right->order;
}

bool mistakes_are_there(const struct mistakes *mistakes)
{
    return mistakes->count > 0 || mistakes->is_incomplete;
}

int mistakes_tell(struct mistakes *mistakes, conf_report *report, void *context)
{
    int result = mistakes_are_there(mistakes) ? -1 : 0;

    if (mistakes->count > 0)
        qsort(mistakes->items, mistakes->count, sizeof(*mistakes->items), by_line);
    for (size_t i = 0; i < mistakes->count; i++) {
        report(context, mistakes->items[i].text);
        free(mistakes->items[i].text);
    }
    if (mistakes->is_incomplete)
        report(context, "out of memory");
    free(mistakes->items);
    *mistakes = (struct mistakes){.file = mistakes->file};
    return result;
}
