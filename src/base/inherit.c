/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptors in the environment: NAME=5, NAME=5,6,9 for several, NAME=5:TEXT for one with a text.
 */
#include "base/inherit.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

enum { VALUE_BYTES = 16384 }; /* over a thousand descriptors, or any path */

bool inherit_is_successor(void)
{
    return getenv(INHERIT_READY) != NULL;
}

/* The number at the beginning of `text`, if it is an open descriptor above the standard ones. The
 * environment may come from anywhere. */
static int parse_descriptor(const char *text, char **end)
{
    long fd = strtol(text, end, 10);

    if (*end == text || fd <= STDERR_FILENO || fd > INT_MAX ||
        fcntl((int)fd, F_SETFD, FD_CLOEXEC) == -1)
        return -1;
    return (int)fd;
}

int inherit_take(const char *name, char **text)
{
    const char *value = getenv(name);
    char *end = NULL;
    int fd = value == NULL ? -1 : parse_descriptor(value, &end);

    if (text != NULL)
        *text = fd != -1 && *end == ':' ? strdup(end + 1) : NULL;
    unsetenv(name);
    return fd;
}

size_t inherit_take_all(const char *name, int *fds, size_t max)
{
    const char *value = getenv(name);
    size_t count = 0;

    while (value != NULL && *value != '\0' && count < max) {
        char *end;
        int fd = parse_descriptor(value, &end);

        if (fd != -1)
            fds[count++] = fd;
        value = *end == ',' ? end + 1 : NULL;
    }
    unsetenv(name);
    return count;
}

void inherit_pass(const char *name, int fd, const char *text)
{
    const char *before = getenv(name);
    char value[VALUE_BYTES];

    if (fd == -1)
        return;
    fcntl(fd, F_SETFD, 0);
    snprintf(value, sizeof(value), "%s%s%d%s%s", before == NULL ? "" : before,
             before == NULL ? "" : ",", fd, text == NULL ? "" : ":", text == NULL ? "" : text);
    setenv(name, value, 1);
}

/* ---- memory ---- */

enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };

/* Another version may have had another size, and a file that can shrink kills those that read it. */
static bool is_memory(int fd, size_t size)
{
    struct stat status;

    return fstat(fd, &status) == 0 && (size_t)status.st_size == size &&
           (fcntl(fd, F_GET_SEALS) & SEALS) == SEALS;
}

int inherit_memory(const char *name, size_t size)
{
    int fd = inherit_take(name, NULL);

    if (fd != -1 && is_memory(fd, size))
        return fd;
    if (fd != -1)
        close(fd);
    fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd == -1 || (ftruncate(fd, (off_t)size) == 0 && fcntl(fd, F_ADD_SEALS, SEALS) == 0))
        return fd;
    return file_close_failed(fd);
}
