/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the list of servers that clients may choose: from the configuration, or from a file of its
 * own, which may be long and has one pattern on each line.
 */
#include "config/conf_allow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/octet.h"

enum { PATTERN_SHOWN = 80 };

static bool has_list(const struct conf_values *values)
{
    return values->allow_servers != NULL || values->allow_servers_file != NULL;
}

int conf_allow_check(struct conf_instance *instance, struct error *error)
{
    const struct conf_section *section = &instance->section;
    const struct conf_values *values = instance->values;
    bool is_file = values->allow_servers == NULL;
    enum conf_key key = is_file ? CONF_KEY_allow_servers_file : CONF_KEY_allow_servers;

    if (!has_list(values) || values->select_server || section->is_wrong[CONF_KEY_select_server])
        return 0;
    return error_set(error,
                     "%s: %s = %.*s: needs select_server = yes (-e): without it the client chooses "
                     "no server",
                     conf_origin(section, key), conf_key_info(key)->name, PATTERN_SHOWN,
                     is_file ? values->allow_servers_file : values->allow_servers);
}

int conf_allow_init(struct conf_instance *instance, struct error *error)
{
    const struct conf_values *values = instance->values;

    if (!has_list(values))
        return 0;
    instance->allowed = host_list_new();
    if (instance->allowed == NULL ||
        (values->allow_servers != NULL &&
         host_list_add_csv(instance->allowed, values->allow_servers) == -1))
        return error_set(error, "%s: allow_servers: %s",
                         conf_origin(&instance->section, CONF_KEY_allow_servers), strerror(errno));
    return 0;
}

/* ---- the file ---- */

/* Cuts a line to its pattern, without a comment and without blanks around it. */
static char *trim_line(char *line)
{
    char *end;

    line[strcspn(line, "#\r\n")] = '\0';
    line += strspn(line, " \t");
    end = line + strlen(line);
    while (end > line && octet_is_blank(end[-1]))
        *--end = '\0';
    return line;
}

static int add_lines(struct host_list *list, FILE *file, const char *path, conf_report *report,
                     void *context)
{
    struct error error;
    char *line = NULL;
    size_t size = 0;
    int result = 0;

    for (unsigned number = 1; getline(&line, &size, file) != -1; number++) {
        const char *pattern = trim_line(line);

        if (pattern[0] == '\0' || host_list_add(list, pattern) == 0)
            continue;
        error_set(&error, "%s:%u: %.*s: must be HOST, HOST:PORT or HOST:* (? and * are "
                  "wildcards in HOST)", path, number,
                  PATTERN_SHOWN, pattern);
        report(context, error.text);
        result = -1;
    }
    free(line);
    return result;
}

static FILE *open_list(const char *path)
{
    int fd = file_open_regular(path, NULL);
    FILE *file = fd == -1 ? NULL : fdopen(fd, "r");

    if (file == NULL)
        (void)file_close_failed(fd);
    return file;
}

int conf_allow_add_file(struct conf_instance *instance, conf_report *report, void *context)
{
    const char *path = instance->values->allow_servers_file;
    struct error error;
    FILE *file;
    int result = 0;

    if (instance->allowed == NULL || path == NULL)
        return 0;
    file = open_list(path);
    if (file != NULL)
        result = add_lines(instance->allowed, file, path, report, context);
    if (file == NULL || ferror(file)) {
        error_set(&error, "%s: allow_servers_file = %s: %s",
                  conf_origin(&instance->section, CONF_KEY_allow_servers_file), path,
                  errno == EINVAL ? "is not a regular file" : strerror(errno));
        report(context, error.text);
        result = -1;
    }
    if (file != NULL)
        fclose(file);
    return result;
}
