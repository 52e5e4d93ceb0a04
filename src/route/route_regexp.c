/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Patterns and values. The key is what a client typed, so PCRE2 gets a bounded number of steps, and
 * what a group inserts is checked: a login "x@evil.example" must not make the value "store-$1" name
 * the server evil.example.
 */
#include "route/route_regexp.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/octet.h"
#include "config.h"
#include "route/route_value.h"

#ifdef HAVE_PCRE2
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum {
    FILE_BYTES_MAX = 1024 * 1024,
    MATCH_LIMIT = 100000, /* steps; a usual match takes some tens */
    HEAP_LIMIT_KIB = 1024,
    GROUPS_MAX = 9,
};

struct rule {
    pcre2_code *code;
    char *value;
    unsigned line;
};

struct route_regexp {
    struct stat state;
    struct rule *rules;
    size_t count;
    pcre2_match_data *match;
    pcre2_match_context *limits;
};

/* ---- reading ---- */

/* Fills the memory with the file. Returns 0 or -1. */
static int read_text(int fd, char *text, size_t size)
{
    ssize_t got = read(fd, text, size);

    return got == (ssize_t)size ? 0 : -1;
}

/* The whole file with a NUL after it, or NULL with `error` set. */
static char *read_file(const char *path, struct stat *state, struct error *error)
{
    int fd = file_open_regular(path, state);
    char *text = NULL;

    if (fd == -1) {
        error_set(error, "%s: %s", path, errno == EINVAL || errno == EISDIR
                                             ? "not a regular file" : strerror(errno));
        return NULL;
    }
    if (state->st_size > FILE_BYTES_MAX) {
        error_set(error, "%s: larger than a megabyte; use a cdb or file table for single users",
                  path);
        close(fd);
        return NULL;
    }
    text = calloc(1, (size_t)state->st_size + 1);
    if (text == NULL || read_text(fd, text, (size_t)state->st_size) == -1) {
        error_set(error, "%s: %s", path, text == NULL ? "out of memory" : "cannot be read");
        free(text);
        text = NULL;
    }
    close(fd);
    return text;
}

/* Splits the line in place. Returns the value, or NULL when there is none. */
static char *split(char *line)
{
    char *end = line + strcspn(line, " \t");
    char *value = end;

    if (*end == '\0') { /* perdition takes "pattern:value", too */
        end = strchr(line, ':');
        if (end == NULL)
            return NULL;
        value = end + 1;
    }
    while (octet_is_blank(*value))
        value++;
    if (end > line && *end != ':' && end[-1] == ':')
        end--;
    *end = '\0';
    return end > line && *value != '\0' ? value : NULL;
}

/* Every `$` of a value is followed by what it stands for, and by a group that there is. */
static const char *wrong_reference(const char *value, uint32_t groups)
{
    for (; *value != '\0'; value++) {
        if (*value != '$')
            continue;
        value++;
        if (*value == '$')
            continue;
        if (*value < '0' || *value > '9')
            return "expected a digit or another $ after $";
        if ((uint32_t)(*value - '0') > groups)
            return "the value refers to a group that the pattern does not have";
    }
    return NULL;
}

static int add_rule(struct route_regexp *table, const char *pattern, const char *value,
                    unsigned line, struct error *error)
{
    struct rule rule = {.line = line};
    struct rule *grown;
    uint32_t groups = 0;
    PCRE2_UCHAR text[128];
    PCRE2_SIZE at;
    int code;

    rule.code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                              PCRE2_CASELESS | PCRE2_DOLLAR_ENDONLY, &code, &at, NULL);
    if (rule.code == NULL) {
        pcre2_get_error_message(code, text, sizeof(text));
        return error_set(error, "the pattern is malformed at octet %zu: %s", (size_t)at,
                         (const char *)text);
    }
    pcre2_pattern_info(rule.code, PCRE2_INFO_CAPTURECOUNT, &groups);
    grown = reallocarray(table->rules, table->count + 1, sizeof(rule));
    if (grown != NULL)
        table->rules = grown;
    if (wrong_reference(value, groups) != NULL)
        error_set(error, "%s", wrong_reference(value, groups));
    else if (grown == NULL || (rule.value = strdup(value)) == NULL)
        error_set(error, "out of memory");
    if (rule.value == NULL) {
        pcre2_code_free(rule.code);
        return -1;
    }
    table->rules[table->count++] = rule;
    return 0;
}

static void end_line(char *line)
{
    size_t length = strlen(line);

    while (length > 0 && (octet_is_blank(line[length - 1]) || line[length - 1] == '\r'))
        length--;
    line[length] = '\0';
}

/* One line of the file. */
static int parse_line(struct route_regexp *table, char *line, unsigned number, bool *is_loose_r,
                      struct error *error)
{
    char *value;

    *is_loose_r = false;
    end_line(line);
    if (line[0] == '#' || line[strspn(line, " \t")] == '\0')
        return 0;
    value = split(line);
    if (value == NULL)
        return error_set(error, "expected a pattern, then blanks, then a value");
    *is_loose_r = line[0] != '^' && strncmp(line, "(?", 2) != 0;
    return add_rule(table, line, value, number, error);
}

static int parse(struct route_regexp *table, const char *path, char *text,
                 route_warning *warn, void *context, struct error *error)
{
    unsigned number = 0;
    struct error what;
    bool is_loose;
    char *line;

    while ((line = strsep(&text, "\n")) != NULL) {
        number++;
        if (parse_line(table, line, number, &is_loose, &what) == -1)
            return error_set(error, "%s:%u: %s", path, number, what.text);
        if (is_loose && warn != NULL) {
            error_set(&what, "%s:%u: the pattern matches anywhere in a key; begin it with ^", path,
                      number);
            warn(context, what.text);
        }
    }
    return 0;
}

struct route_regexp *route_regexp_load(const char *path, route_warning *warn, void *context,
                                       struct error *error)
{
    struct route_regexp *table = calloc(1, sizeof(*table));
    char *text;
    bool is_good;

    if (table == NULL) {
        error_set(error, "%s: out of memory", path);
        return NULL;
    }
    table->match = pcre2_match_data_create(GROUPS_MAX + 1, NULL);
    table->limits = pcre2_match_context_create(NULL);
    text = read_file(path, &table->state, error);
    if (text != NULL && (table->match == NULL || table->limits == NULL))
        error_set(error, "%s: out of memory", path);
    if (text == NULL || table->match == NULL || table->limits == NULL) {
        free(text);
        route_regexp_free(table);
        return NULL;
    }
    pcre2_set_match_limit(table->limits, MATCH_LIMIT);
    pcre2_set_heap_limit(table->limits, HEAP_LIMIT_KIB);
    if (strlen(text) < (size_t)table->state.st_size)
        is_good = error_set(error, "%s: a NUL octet; is this a text file?", path) == 0;
    else
        is_good = parse(table, path, text, warn, context, error) == 0;
    free(text);
    if (!is_good) {
        route_regexp_free(table);
        return NULL;
    }
    return table;
}

void route_regexp_free(struct route_regexp *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->count; i++) {
        pcre2_code_free(table->rules[i].code);
        explicit_bzero(table->rules[i].value, strlen(table->rules[i].value));
        free(table->rules[i].value);
    }
    free(table->rules);
    pcre2_match_data_free(table->match);
    pcre2_match_context_free(table->limits);
    free(table);
}

const struct stat *route_regexp_state(const struct route_regexp *table)
{
    return &table->state;
}

/* ---- the value ---- */

/* A value under construction. What may be inserted depends on what the word is: the rule decides
 * that, never the key. */
struct expansion {
    char *value;
    size_t length;
    size_t word; /* where the current word begins */
    bool is_text;       /* the text after `reject`: no words any more */
    bool is_quoted;     /* in a text between quotes */
    bool is_escaped;    /* a backslash stands before the next octet of that */
    bool is_named;      /* the rule itself has begun this word with "name=" or "group:" */
    bool is_field;      /* ... with the name of a field, whose value may be anything, ... */
    size_t text;        /* ... and begins here */
    bool has_inserted;  /* something of the key stands in this word */
    bool has_separator; /* an insertion has brought an @ or : that is the last one so far */
};

static bool put(struct expansion *to, const char *text, size_t length)
{
    if (length > ROUTE_VALUE_MAX - to->length)
        return false;
    memcpy(to->value + to->length, text, length);
    to->length += length;
    return true;
}

static bool is_word(const struct expansion *to, const char *word)
{
    size_t length = strlen(word);

    return to->length - to->word == length && memcmp(to->value + to->word, word, length) == 0;
}

/* The word ends here. Returns what the key has made of it that the rule does not say, or NULL. */
static const char *end_word(struct expansion *to)
{
    const char *wrong = NULL;

    if (to->has_separator)
        wrong = "what the pattern matched would name another server";
    else if (to->has_inserted && !to->is_named &&
             !route_value_is_target(to->value + to->word, to->length - to->word))
        wrong = "what the pattern matched is no part of a server's name";
    *to = (struct expansion){.value = to->value,
                             .length = to->length,
                             .is_text = !to->has_inserted && is_word(to, "reject")};
    return wrong;
}

/* What the rule writes before anything is inserted tells what the word is. */
static void note_name(struct expansion *to, char octet)
{
    if (octet == ':' && is_word(to, "group"))
        to->is_named = true;
    if (octet != '=')
        return;
    to->is_named = true;
    to->is_field = route_value_is_field(to->value + to->word, to->length - to->word);
    to->text = to->length + 1;
}

/* A quoted text follows the = of a field, and ends at a quote that no backslash escapes. */
static void note_quote(struct expansion *to, char octet)
{
    if (!to->is_quoted)
        to->is_quoted = octet == '"' && to->is_field && to->text == to->length;
    else if (octet == '"' && !to->is_escaped)
        to->is_quoted = false;
    to->is_escaped = to->is_quoted && octet == '\\' && !to->is_escaped;
}

/* An octet of the rule's own. Its @ makes all before it the login, whatever was inserted there. */
static const char *put_own(struct expansion *to, char octet)
{
    const char *wrong = NULL;

    note_quote(to, octet);
    if (!to->is_text && !to->is_quoted && octet_is_blank(octet)) {
        wrong = end_word(to);
        to->word = to->length + 1;
    } else if (octet == '@') {
        to->has_separator = false;
    } else if (!to->is_named && !to->has_inserted) {
        note_name(to, octet);
    }
    return put(to, &octet, 1) ? wrong : "the value is too long";
}

/* What a group has matched: no octet that could end the word or a quoted text, and in a server's
 * name none that begins a field. */
static const char *put_group(struct expansion *to, const char *text, size_t length)
{
    to->has_inserted = true;
    to->is_escaped = false;
    for (size_t i = 0; i < length; i++) {
        char octet = text[i];

        if (octet_is_blank(octet) || octet_is_control(octet))
            return "what the pattern matched does not fit into the value";
        if (to->is_text)
            continue;
        if (octet == '"' || octet == '\\' || (octet == '=' && !to->is_field))
            return "what the pattern matched does not fit into the value";
        to->has_separator |= !to->is_field && (octet == '@' || octet == ':');
    }
    return put(to, text, length) ? NULL : "the value is too long";
}

/* Writes the rule's value for the key. Returns NULL, or what is wrong with it. */
static const char *expand(const struct route_regexp *table, const char *rule, const char *key,
                          struct expansion *to)
{
    const PCRE2_SIZE *groups = pcre2_get_ovector_pointer(table->match);
    const char *wrong = NULL;

    for (const char *c = rule; *c != '\0' && wrong == NULL; c++) {
        size_t group;

        if (*c != '$' || c[1] == '$') {
            c += *c == '$';
            wrong = put_own(to, *c);
            continue;
        }
        c++;
        group = 2 * (size_t)(*c - '0');
        if (groups[group] == PCRE2_UNSET)
            to->has_inserted = true; /* nothing, which is not what the rule says either */
        else
            wrong = put_group(to, key + groups[group], groups[group + 1] - groups[group]);
    }
    return wrong != NULL ? wrong : to->is_text ? NULL : end_word(to);
}

enum route_result route_regexp_find(const struct route_regexp *table, const char *key,
                                    char value[ROUTE_VALUE_MAX], size_t *length_r,
                                    struct error *error)
{
    struct expansion to = {.value = value};
    const char *wrong;
    enum route_result result = ROUTE_NOT_FOUND;

    for (size_t i = 0; i < table->count && result == ROUTE_NOT_FOUND; i++) {
        int matched = pcre2_match(table->rules[i].code, (PCRE2_SPTR)key, strlen(key), 0, 0,
                                  table->match, table->limits);

        if (matched == PCRE2_ERROR_NOMATCH)
            continue;
        if (matched < 0) {
            error_set(error, "line %u: the pattern takes too many steps", table->rules[i].line);
            return ROUTE_FAILED;
        }
        wrong = expand(table, table->rules[i].value, key, &to);
        if (wrong != NULL) {
            error_set(error, "line %u: %s", table->rules[i].line, wrong);
            return ROUTE_FAILED;
        }
        result = ROUTE_FOUND;
    }
    *length_r = to.length;
    return result;
}
#endif
