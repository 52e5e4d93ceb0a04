/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz target for regexp tables: the first line of the input is a key, which a client has typed,
 * the rest is the file. Besides memory errors it checks that a login changes nothing in an answer
 * but the texts into which the rule puts it: it chooses no server, adds no field and takes none
 * away. Where memory runs out or a call fails, the table is refused with a reason.
 *
 * Where the rule has $1, the answer is compared with that of the rule with a fixed word there.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "answers.h"
#include "base/octet.h"
#include "config.h"
#include "route/route_key.h"
#include "route/route_regexp.h"
#include "route/route_value.h"
#include "shortage.h"

/* Not assert(): these checks remain with NDEBUG. */
#define CHECK(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifdef HAVE_PCRE2
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* What the table takes of the library before it reads the file. */
pcre2_match_data *__real_pcre2_match_data_create_8(uint32_t groups, pcre2_general_context *context);
pcre2_match_data *__wrap_pcre2_match_data_create_8(uint32_t groups, pcre2_general_context *context);
pcre2_match_context *__real_pcre2_match_context_create_8(pcre2_general_context *context);
pcre2_match_context *__wrap_pcre2_match_context_create_8(pcre2_general_context *context);

pcre2_match_data *__wrap_pcre2_match_data_create_8(uint32_t groups, pcre2_general_context *context)
{
    return shortage_strikes(ENOMEM) ? NULL : __real_pcre2_match_data_create_8(groups, context);
}

pcre2_match_context *__wrap_pcre2_match_context_create_8(pcre2_general_context *context)
{
    return shortage_strikes(ENOMEM) ? NULL : __real_pcre2_match_context_create_8(context);
}

static const char mark[] = "q0q";

/* The value of a rule, as its line has it; NULL when that is empty. */
static const char *rule_value(const char *line)
{
    const char *at = strpbrk(line, " \t");

    at = at == NULL ? strchr(line, ':') + 1 : at;
    return at + strspn(at, " \t");
}

/* Puts the mark where the rule has $0 to $9. Returns the length, 0 when it is too long. */
static size_t put_marks(const char *value, char *to, size_t size)
{
    size_t length = 0;

    for (; *value != '\0'; value++) {
        const char *put = (char[2]){*value, '\0'};

        if (*value == '$' && *++value != '$')
            put = mark;
        if (length + strlen(put) >= size)
            return 0;
        length += (size_t)sprintf(to + length, "%s", put);
    }
    return length;
}

/* A text may be left out only where nothing else is said, and differ only where the mark stands. */
static void compare(const struct route_answer *answer, const struct route_answer *marked)
{
    CHECK(answer->result == marked->result);
    for (int field = 0; field < ROUTE_FIELD_COUNT; field++) {
        const char *text = answer->fields[field];
        const char *expected = marked->fields[field];

        if (field == ROUTE_FIELD_REASON && answer->result == ROUTE_REFUSED)
            continue; /* a text that is empty is none */
        CHECK((text == NULL) == (expected == NULL));
        if (expected != NULL && strstr(expected, mark) == NULL)
            CHECK(strcmp(text, expected) == 0);
    }
}

/* What the rule alone says must be in what it says for this key. */
static void check_value(const char *line, const char *value, size_t length)
{
    static char marked_value[ROUTE_VALUE_MAX];
    struct route_answer answer;
    struct route_answer marked;
    struct error error;
    size_t marked_length = put_marks(rule_value(line), marked_value, sizeof(marked_value));

    if (strstr(rule_value(line), mark) != NULL || marked_length == 0)
        return;
    if (route_value_parse(&answer, value, length, &error) == 0 &&
        route_value_parse(&marked, marked_value, marked_length, &error) == 0)
        compare(&answer, &marked);
}

static void note_warning(void *context, const char *text)
{
    (*(unsigned *)context)++;
    CHECK(text[0] != '\0' && strchr(text, '\n') == NULL);
}

static struct route_regexp *load(const char *text, size_t size, struct error *error)
{
    int fd = memfd_create("input", MFD_CLOEXEC);
    struct route_regexp *table;
    unsigned warnings = 0;
    char path[40];

    CHECK(fd != -1 && write(fd, text, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    *error = (struct error){.text = ""};
    shortage_begin();
    table = route_regexp_load(path, note_warning, &warnings, error);
    (void)shortage_end();
    if (table != NULL)
        CHECK((size_t)route_regexp_state(table)->st_size == size);
    else
        CHECK(strncmp(error->text, path, strlen(path)) == 0);
    close(fd);
    return table;
}

static enum route_result find(const struct route_regexp *table, const char *key, char *value,
                              size_t *length_r)
{
    struct error error = {.text = ""};
    enum route_result result = route_regexp_find(table, key, value, length_r, &error);

    CHECK(result != ROUTE_REFUSED && (result == ROUTE_FAILED) == (error.text[0] != '\0'));
    if (result == ROUTE_FOUND)
        CHECK(*length_r <= ROUTE_VALUE_MAX);
    return result;
}

/* A table of this line alone. The line has no blanks at its end, as the table reads it. */
static void fuzz_line(const char *key, char *line)
{
    static char value[ROUTE_VALUE_MAX];
    size_t length = strlen(line);
    struct error error;
    struct route_regexp *table;

    while (length > 0 && (octet_is_blank(line[length - 1]) || line[length - 1] == '\r'))
        length--;
    line[length] = '\0';
    table = load(line, length, &error);
    if (table == NULL)
        return;
    if (find(table, key, value, &length) == ROUTE_FOUND)
        check_value(line, value, length);
    route_regexp_free(table);
}

static void fuzz_table(const char *key, char *text, size_t size)
{
    static char value[ROUTE_VALUE_MAX];
    size_t length;
    struct error error;
    struct route_regexp *table = load(text, size, &error);

    if (table != NULL)
        (void)find(table, key, value, &length);
    route_regexp_free(table);
    for (char *line; (line = strsep(&text, "\n")) != NULL;)
        fuzz_line(key, line);
}

static void fuzz(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 2);
    char *file;

    CHECK(copy != NULL);
    memcpy(copy, data, size);
    copy[size] = copy[size + 1] = '\0';
    file = memchr(copy, '\n', size);
    file = file == NULL ? copy + size : file;
    *file++ = '\0';
    for (char *c = copy; *c != '\0'; c++) /* what a key is */
        *c = octet_is_control(*c) ? '?' : octet_lower(*c);
    if (strlen(copy) < ROUTE_KEY_SIZE)
        fuzz_table(copy, file, size > (size_t)(file - copy) ? size - (size_t)(file - copy) : 0);
    free(copy);
}
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
#ifdef HAVE_PCRE2
    shortage_run(fuzz, data, size);
#else
    (void)data;
    (void)size;
#endif
    return 0;
}
