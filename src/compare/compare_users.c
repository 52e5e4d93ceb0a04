/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file is read by read(2) into memory that is overwritten before it is given back: stdio would
 * leave passwords in its own buffer.
 */
#include "compare/compare_users.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/octet.h"

enum { FIRST_BYTES = 64 * 1024, FILE_BYTES_MAX = 256 * 1024 * 1024, LINE_BYTES_MAX = 8 * 1024 };

static void wipe(char *text, size_t size)
{
    if (text != NULL)
        explicit_bzero(text, size);
    free(text);
}

/* Doubles the room. realloc() would not wipe the old copy of the passwords. */
static int grow(struct compare_users *users, size_t *room)
{
    size_t wanted = *room == 0 ? FIRST_BYTES : 2 * *room;
    char *text = wanted > FILE_BYTES_MAX ? NULL : malloc(wanted + 1);

    if (text == NULL)
        return -1;
    if (users->size > 0)
        memcpy(text, users->text, users->size);
    wipe(users->text, users->size);
    users->text = text;
    *room = wanted;
    return 0;
}

static int read_all(struct compare_users *users, int fd, const char *name, struct error *error)
{
    size_t room = 0;

    for (;;) {
        ssize_t count;

        if (users->size == room && grow(users, &room) == -1)
            return error_set(error, "%s: is too large; compare the users in parts", name);
        count = read(fd, users->text + users->size, room - users->size);
        if (count == -1 && errno == EINTR)
            continue;
        if (count == -1)
            return error_set(error, "%s: %s", name, strerror(errno));
        if (count == 0)
            break;
        users->size += (size_t)count;
    }
    users->text[users->size] = '\0';
    return 0;
}

/* ---- lines ---- */

static const char *mistake_in(const char *line, size_t length)
{
    if (length > LINE_BYTES_MAX)
        return "is too long";
    if (memchr(line, '\0', length) != NULL || memchr(line, '\r', length) != NULL)
        return "has a character that POP3 cannot send";
    return NULL;
}

/* Splits a line without its end: the login is all up to the first blank, and the password what comes
 * after the blanks. */
static const char *split(struct compare_login *login, char *line, size_t length)
{
    const char *mistake = mistake_in(line, length);
    char *blank;

    if (mistake != NULL)
        return mistake;
    line[length] = '\0';
    blank = line + strcspn(line, " \t");
    login->user = line;
    login->password = blank + strspn(blank, " \t");
    if (blank == line)
        return "begins with a blank";
    if (login->password[0] == '\0')
        return "has no password after the login name";
    *blank = '\0';
    return NULL;
}

static size_t count_lines(const struct compare_users *users)
{
    size_t count = 1;

    for (size_t i = 0; i < users->size; i++)
        count += users->text[i] == '\n';
    return count;
}

static int take_lines(struct compare_users *users, const char *name, struct error *error)
{
    char *line = users->text;
    char *end = users->text + users->size;

    for (size_t number = 1; line < end; number++) {
        char *newline = memchr(line, '\n', (size_t)(end - line));
        char *next = newline == NULL ? end : newline + 1;
        size_t length = (size_t)((newline == NULL ? end : newline) - line);
        const char *mistake;

        if (length > 0 && line[length - 1] == '\r')
            length--;
        if (length > 0) {
            mistake = split(&users->list[users->count++], line, length);
            if (mistake != NULL)
                return error_set(error, "%s: line %zu %s; a line is: LOGIN PASSWORD", name, number,
                                 mistake);
        }
        line = next;
    }
    return users->count > 0 ? 0 : error_set(error, "%s: there are no users in it", name);
}

int compare_users_read(struct compare_users *users, const char *path, struct error *error)
{
    const char *name = path == NULL ? "standard input" : path;
    int fd = path == NULL ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    int result;

    *users = (struct compare_users){0};
    if (fd == -1)
        return error_set(error, "%s: %s", path, strerror(errno));
    result = read_all(users, fd, name, error);
    if (path != NULL)
        close(fd);
    if (result == -1)
        return -1;
    users->list = calloc(count_lines(users), sizeof(*users->list));
    if (users->list == NULL)
        return error_set(error, "out of memory");
    return take_lines(users, name, error);
}

void compare_users_forget(struct compare_users *users, size_t index)
{
    char *password = users->text + (users->list[index].password - users->text);

    explicit_bzero(password, strlen(password));
}

void compare_users_free(struct compare_users *users)
{
    wipe(users->text, users->size);
    free(users->list);
    *users = (struct compare_users){0};
}
