/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A table file in memory. The text is kept as it was read, with a NUL after each key; an open hash
 * table of offsets finds the keys. A million users cost their lines and eight octets each.
 *
 * The helper serves other sessions meanwhile, so reading goes step by step. A file that is written
 * in place can be seen half: whoever changes a table should write a new file and rename it; a file
 * whose size or time changes while it is read is not taken.
 */
#include "route/route_file.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/octet.h"
#include "route/route_key.h"
#include "route/route_value.h"

enum {
    READ_BYTES = 1024 * 1024, /* in one step */
    LINES_A_STEP = 1000,      /* about a millisecond */
    SLOTS_MIN = 64,
    SHOWN_MAX = 64, /* of a key in a message */
};

#define FILE_BYTES_MAX ((off_t)UINT32_MAX - 1) /* offsets have 32 bits */

struct route_file {
    char *path;
    const struct route_environment *environment;
    int fd; /* -1 once everything is in memory */
    struct stat state;
    char *text; /* size octets and a NUL */
    size_t size;
    size_t length;  /* read so far */
    size_t at;      /* parsed so far */
    unsigned lines; /* parsed so far */
    uint32_t *slots; /* offset of a key plus 1; 0: free */
    size_t slot_count; /* a power of two */
    size_t count;
    size_t unknown_count; /* lines with a field that we do not know */
    struct error unknown; /* the first of them */
};

/* ---- open and read ---- */

static int open_regular(const char *path, struct stat *state, struct error *error)
{
    int fd = file_open_regular(path, state);

    if (fd == -1)
        error_set(error, "%s: %s", path, errno == EINVAL || errno == EISDIR
                                             ? "not a regular file" : strerror(errno));
    if (fd == -1 || state->st_size <= FILE_BYTES_MAX)
        return fd;
    error_set(error, "%s: larger than 4 GiB; use a cdb table", path);
    return file_close_failed(fd);
}

struct route_file *route_file_open(const char *path, const struct route_environment *environment,
                                   struct error *error)
{
    struct route_file *file = calloc(1, sizeof(*file));

    if (file == NULL) {
        error_set(error, "%s: out of memory", path);
        return NULL;
    }
    file->environment = environment;
    file->fd = open_regular(path, &file->state, error);
    if (file->fd == -1) {
        free(file);
        return NULL;
    }
    file->size = (size_t)file->state.st_size;
    file->path = strdup(path);
    file->text = malloc(file->size + 1);
    file->slot_count = SLOTS_MIN;
    file->slots = calloc(file->slot_count, sizeof(file->slots[0]));
    if (file->path == NULL || file->text == NULL || file->slots == NULL) {
        error_set(error, "%s: out of memory", path);
        route_file_free(file);
        return NULL;
    }
    return file;
}

void route_file_free(struct route_file *file)
{
    if (file == NULL)
        return;
    if (file->fd != -1)
        close(file->fd);
    if (file->text != NULL)
        explicit_bzero(file->text, file->length); /* it may have passwords */
    free(file->text);
    free(file->slots);
    free(file->path);
    free(file);
}

bool route_file_is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* All octets are in memory: was it one file all the time? */
static int end_reading(struct route_file *file, struct error *error)
{
    struct stat after;
    int result = fstat(file->fd, &after);

    close(file->fd);
    file->fd = -1;
    if (result == -1 || file->length != file->size || !route_file_is_same(&after, &file->state))
        return error_set(error, "%s: changed while it was read", file->path);
    file->text[file->size] = '\0';
    return 0;
}

static int read_some(struct route_file *file, struct error *error)
{
    size_t wanted = file->size - file->length;
    ssize_t got = 0;

    if (wanted > READ_BYTES)
        wanted = READ_BYTES;
    if (wanted > 0)
        got = read(file->fd, file->text + file->length, wanted);
    if (got == -1 && errno == EINTR)
        return 0;
    if (got == -1)
        return error_set(error, "%s: %s", file->path, strerror(errno));
    file->length += (size_t)got;
    return got == 0 || file->length == file->size ? end_reading(file, error) : 0;
}

/* ---- the hash of keys ---- */

/* The slot of the key, or the free one where it would be. The keys are the operator's, so nobody
 * can choose them to collide. */
static uint32_t *find_slot(const struct route_file *file, const char *key)
{
    size_t i = (size_t)hash_text(key) & (file->slot_count - 1);

    while (file->slots[i] != 0 && strcmp(file->text + file->slots[i] - 1, key) != 0)
        i = (i + 1) & (file->slot_count - 1);
    return &file->slots[i];
}

/* Keeps a third of the slots free. */
static int make_room(struct route_file *file)
{
    uint32_t *old = file->slots;
    size_t old_count = file->slot_count;

    if (file->count * 3 < file->slot_count * 2)
        return 0;
    file->slots = calloc(old_count * 2, sizeof(old[0]));
    if (file->slots == NULL) {
        file->slots = old;
        return -1;
    }
    file->slot_count = old_count * 2;
    for (size_t i = 0; i < old_count; i++)
        if (old[i] != 0)
            *find_slot(file, file->text + old[i] - 1) = old[i];
    free(old);
    return 0;
}

/* ---- lines ---- */

static int complain(const struct route_file *file, struct error *error, const char *what)
{
    return error_set(error, "%s:%u: %s", file->path, file->lines, what);
}

/* The line at which the text at `offset` stands. Line ends stay in the text, so they are counted:
 * only messages need it. */
static unsigned line_of(const struct route_file *file, size_t offset)
{
    unsigned line = 1;

    for (size_t i = 0; i < offset; i++)
        line += file->text[i] == '\n';
    return line;
}

static int add_key(struct route_file *file, char *key, struct error *error)
{
    uint32_t *slot;

    if (make_room(file) == -1)
        return complain(file, error, "out of memory");
    slot = find_slot(file, key);
    if (*slot != 0)
        return error_set(error, "%s:%u: the key %.*s stands in line %u already; remove one of them",
                         file->path, file->lines, SHOWN_MAX, key, line_of(file, *slot - 1));
    *slot = (uint32_t)(key - file->text) + 1;
    file->count++;
    return 0;
}

static void note_unknown(struct route_file *file, const char *field)
{
    if (file->unknown_count++ == 0)
        error_set(&file->unknown, "%s:%u: %.*s", file->path, file->lines, SHOWN_MAX, field);
}

static int check_value(struct route_file *file, const char *value, size_t length,
                       struct error *error)
{
    const struct route_environment *environment = file->environment;
    struct route_answer answer;
    struct error what;
    const char *group;
    int result = route_value_parse(&answer, value, length, &what);

    if (result == -1)
        return complain(file, error, what.text);
    if (answer.unknown != NULL)
        note_unknown(file, answer.unknown);
    group = answer.fields[ROUTE_FIELD_GROUP];
    if (group != NULL && environment != NULL && environment->has_group != NULL &&
        !environment->has_group(environment->context, group))
        result = error_set(error, "%s:%u: there is no [group %.*s] in the configuration",
                           file->path, file->lines, SHOWN_MAX, group);
    route_answer_wipe(&answer);
    return result;
}

/* Lowers the key in place and ends it with a NUL. Returns its length, or 0 for a malformed one. */
static size_t take_key(char *line, size_t length)
{
    size_t i = 0;

    while (i < length && line[i] != ':' && !octet_is_blank(line[i])) {
        if (octet_is_control(line[i]))
            return 0;
        line[i] = octet_lower(line[i]);
        i++;
    }
    return i < length && i < ROUTE_KEY_SIZE ? i : 0;
}

/* The length of a line or value without the CR of a line end and the blanks before that. */
static size_t trimmed(const char *text, size_t length)
{
    if (length > 0 && text[length - 1] == '\r')
        length--;
    while (length > 0 && octet_is_blank(text[length - 1]))
        length--;
    return length;
}

/* The line without its end. */
static int parse_line(struct route_file *file, char *line, size_t length, struct error *error)
{
    size_t key = take_key(line, length);
    size_t value = key + 1;

    if (key == 0)
        return complain(file, error, octet_is_blank(line[0]) || line[0] == ':'
                                         ? "the line begins without a key"
                                         : "expected a key, then a colon or blanks, then a value");
    while (value < length && octet_is_blank(line[value]))
        value++;
    if (check_value(file, line + value, length - value, error) == -1)
        return -1;
    line[key] = '\0'; /* ends the key; the value follows it, up to the end of the line */
    return add_key(file, line, error);
}

static int parse_next(struct route_file *file, struct error *error)
{
    char *line = file->text + file->at;
    size_t left = file->size - file->at;
    char *end = memchr(line, '\n', left);
    size_t length = end == NULL ? left : (size_t)(end - line);

    file->lines++;
    file->at += length + (end != NULL);
    length = trimmed(line, length);
    if (length == 0 || line[0] == '#')
        return 0;
    if (memchr(line, '\0', length) != NULL)
        return complain(file, error, "a NUL octet; is this a text file?");
    return parse_line(file, line, length, error);
}

int route_file_read(struct route_file *file, struct error *error)
{
    if (file->fd != -1)
        return read_some(file, error);
    for (unsigned i = 0; i < LINES_A_STEP && file->at < file->size; i++)
        if (parse_next(file, error) == -1)
            return -1;
    return file->at == file->size;
}

/* ---- asking ---- */

const char *route_file_find(const struct route_file *file, const char *key, size_t *length_r)
{
    uint32_t offset = *find_slot(file, key);
    const char *value;

    if (offset == 0)
        return NULL;
    value = file->text + offset - 1 + strlen(key) + 1;
    while (octet_is_blank(*value))
        value++;
    *length_r = trimmed(value, strcspn(value, "\n"));
    return value;
}

unsigned route_file_line(const struct route_file *file, const char *value)
{
    return line_of(file, (size_t)(value - file->text));
}

const char *route_file_unknown(const struct route_file *file, size_t *count_r)
{
    *count_r = file->unknown_count;
    return file->unknown_count == 0 ? NULL : file->unknown.text;
}

size_t route_file_count(const struct route_file *file)
{
    return file->count;
}

size_t route_file_memory(const struct route_file *file)
{
    return sizeof(*file) + file->size + 1 + file->slot_count * sizeof(file->slots[0]);
}

const struct stat *route_file_state(const struct route_file *file)
{
    return &file->state;
}
