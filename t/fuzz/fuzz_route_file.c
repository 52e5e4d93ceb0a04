/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz target for file tables: the input is the file. Besides memory errors it checks that a good
 * file has exactly the keys and values that a slow reader finds in its lines, and that a broken one
 * is refused with one of its lines. Where memory runs out or a call fails, it is refused with a
 * reason.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "answers.h"
#include "route/route_file.h"
#include "route/route_value.h"
#include "shortage.h"

/* Not assert(): these checks remain with NDEBUG. */
#define CHECK(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has_group(const void *context, const char *name)
{
    (void)context;
    return strcmp(name, "stores") == 0;
}

/* A line in parts: key, and value without the blanks around it. */
struct line {
    char *key;
    const char *value;
    size_t length;
};

static int is_blank(char octet)
{
    return octet == ' ' || octet == '\t';
}

/* Takes the line apart in a copy. Returns false when it says nothing. */
static bool read_line(char *text, size_t length, struct line *line)
{
    char *to = text + length;
    char *at = text;

    if (to > text && to[-1] == '\r')
        to--;
    while (to > text && is_blank(to[-1]))
        to--;
    *to = '\0';
    if (text[0] == '#' || text[0] == '\0')
        return false;
    for (; *at != '\0' && *at != ':' && !is_blank(*at); at++)
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at - 'A' + 'a');
    CHECK(at > text && *at != '\0');
    *at++ = '\0';
    line->key = text;
    line->value = at + strspn(at, " \t");
    line->length = (size_t)(to - line->value);
    return true;
}

/* Returns whether it has a field that we do not know. */
static bool check_line(const struct route_file *file, const struct line *line, unsigned number)
{
    struct route_answer answer;
    struct error error;
    size_t length;
    const char *value = route_file_find(file, line->key, &length);

    CHECK(value != NULL && length == line->length && memcmp(value, line->value, length) == 0);
    CHECK(route_file_line(file, value) == number);
    CHECK(route_value_parse(&answer, value, length, &error) == 0);
    answers_check(&answer);
    CHECK(answer.fields[ROUTE_FIELD_GROUP] == NULL ||
          has_group(NULL, answer.fields[ROUTE_FIELD_GROUP]));
    return answer.unknown != NULL;
}

static void check_file(const struct route_file *file, const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);
    unsigned number = 0;
    size_t count = 0, unknown = 0, told;
    size_t none;

    CHECK(copy != NULL);
    memcpy(copy, data, size);
    copy[size] = '\0';
    for (char *at = copy, *end; at < copy + size; at = end + 1) {
        struct line line;

        number++;
        end = memchr(at, '\n', (size_t)(copy + size - at));
        end = end == NULL ? copy + size : end;
        if (!read_line(at, (size_t)(end - at), &line))
            continue;
        count++;
        unknown += check_line(file, &line, number);
    }
    CHECK(count == route_file_count(file));
    CHECK((route_file_unknown(file, &told) == NULL) == (unknown == 0) && told == unknown);
    CHECK(route_file_find(file, "no such key: it has a blank", &none) == NULL);
    CHECK(route_file_memory(file) >= size);
    free(copy);
}

/* "PATH:LINE: what is wrong", with a line that the file has. */
static void check_error(const char *path, const struct error *error, const uint8_t *data,
                        size_t size)
{
    size_t length = strlen(path);
    unsigned lines = 1;
    char *end;
    long line;

    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    CHECK(strncmp(error->text, path, length) == 0 && error->text[length] == ':');
    line = strtol(error->text + length + 1, &end, 10);
    CHECK(line >= 1 && line <= (long)lines && end[0] == ':' && end[1] == ' ' && end[2] != '\0');
    CHECK(strchr(error->text, '\n') == NULL);
}

static int read_whole(struct route_file *file, struct error *error)
{
    int result;

    while ((result = route_file_read(file, error)) == 0)
        continue;
    return result;
}

static void fuzz(const uint8_t *data, size_t size)
{
    const struct route_environment environment = {.has_group = has_group};
    int fd = memfd_create("input", MFD_CLOEXEC);
    struct route_file *file;
    struct error error = {.text = ""};
    char path[40];
    int result = -1;
    bool is_short;

    CHECK(fd != -1 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    shortage_begin();
    file = route_file_open(path, &environment, &error);
    if (file != NULL)
        result = read_whole(file, &error);
    is_short = shortage_end();
    CHECK(file != NULL || is_short);
    if (result == 1)
        check_file(file, data, size);
    else if (is_short)
        CHECK(strncmp(error.text, path, strlen(path)) == 0);
    else
        check_error(path, &error, data, size);
    CHECK(file == NULL || (size_t)route_file_state(file)->st_size == size);
    route_file_free(file);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    shortage_run(fuzz, data, size);
    return 0;
}
