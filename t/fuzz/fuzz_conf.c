/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz target for the configuration file: the input is the file. Besides memory errors it checks
 * that a value is the one in its line, that a mistake is one line of plain text, that a file is
 * never refused without a message, and that an accepted configuration can be run; and, where memory
 * runs out or a call fails, that the file is refused.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/conf_ini.h"
#include "config/ini.h"
#include "shortage.h"

/* Not assert(): these checks remain with NDEBUG. */
#define CHECK(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_report(void *context, const char *text)
{
    size_t *count = context;

    CHECK(text[0] != '\0' && strlen(text) < ERROR_TEXT_SIZE);
    for (const char *c = text; *c != '\0'; c++)
        CHECK(!iscntrl((unsigned char)*c));
    (*count)++;
}

/* Line `number` of the text. */
static const char *line_of(const char *text, unsigned number)
{
    while (--number > 0) {
        text = strchr(text, '\n');
        CHECK(text != NULL);
        text++;
    }
    return text;
}

/* The value is after the = of its line, as it is or between quotes, and only blanks or a
 * comment follow it. */
static void check_value(const char *text, const struct ini_line *line)
{
    size_t length = strlen(line->value);
    const char *at = line_of(text, line->number);
    bool is_quoted;

    at = strchr(at, '=');
    CHECK(at != NULL);
    at += 1 + strspn(at + 1, " \t");
    is_quoted = *at == '"' || *at == '\'';
    CHECK(length > 0 || is_quoted);
    CHECK(strncmp(at + is_quoted, line->value, length) == 0);
    CHECK(!is_quoted || at[length + 1] == *at);
    at += length + 2 * is_quoted;
    at += strspn(at, " \t\r");
    CHECK(*at == '\0' || *at == '\n' || *at == '#' || *at == ';');
}

/* With a call that failed, a sound line may have no value. */
static void check_lines(const char *text, const struct ini *ini, bool is_short)
{
    unsigned number = 0;

    for (size_t i = 0; i < ini->count; i++) {
        const struct ini_line *line = &ini->lines[i];

        CHECK(line->number > number);
        number = line->number;
        CHECK(line->section <= i && ini->lines[line->section].is_section);
        CHECK(line->is_section == (line->section == i));
        CHECK(line->value == NULL || line->is_sound);
        CHECK(line->value != NULL || !line->is_sound || is_short);
        if (line->value != NULL)
            check_value(text, line);
    }
}

static void fuzz_lines(const uint8_t *data, size_t size)
{
    struct mistakes mistakes = {.file = "input"};
    char *text = calloc(2, size + 1);
    char *original = text + size + 1;
    size_t count = 0;
    struct ini ini;
    bool is_short;

    CHECK(text != NULL);
    memcpy(text, data, size);
    memcpy(original, data, size);
    shortage_begin();
    ini_parse(&ini, text, size, &mistakes);
    is_short = shortage_end();
    CHECK(!is_short || mistakes_are_there(&mistakes));
    check_lines(strncmp(original, "\xef\xbb\xbf", 3) == 0 ? original + 3 : original, &ini, is_short);
    ini_free(&ini);
    (void)mistakes_tell(&mistakes, check_report, &count);
    free(text);
}

static void check_instance(const struct conf_instance *instance)
{
    const struct conf_section *section = &instance->section;

    CHECK(section->name[0] != '\0' && strlen(section->name) <= CONF_NAME_BYTES);
    CHECK(section->values.listen != NULL);
    CHECK(instance->has_server || instance->group != NULL || section->values.select_server ||
          section->values.route != NULL);
    CHECK(!instance->has_server || instance->group == NULL);
    CHECK(!instance->has_server || instance->server.port != 0);
    CHECK(instance->allowed == NULL || section->values.select_server);
    CHECK(section->values.workers <= section->values.max_workers);
    for (int key = 0; key < CONF_KEY_COUNT; key++)
        CHECK(!section->is_wrong[key]);
}

static void check_group(const struct conf_group *group)
{
    CHECK(strlen(group->section.name) <= CONF_NAME_BYTES);
    CHECK(group->route.count > 0 && group->route.count <= ROUTE_GROUP_SERVERS_MAX);
    for (size_t i = 0; i < group->route.count; i++) {
        CHECK(group->route.servers[i].name.host[0] != '\0');
        CHECK(group->route.servers[i].weight <= ROUTE_GROUP_WEIGHT_MAX);
    }
}

static void fuzz_conf(const uint8_t *data, size_t size)
{
    int fd = memfd_create("input", MFD_CLOEXEC);
    char path[40];
    size_t count = 0;
    struct conf conf;
    int result;

    CHECK(fd != -1 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    shortage_begin();
    result = conf_load(&conf, path, NULL, check_report, &count);
    (void)shortage_end();
    if (result == -1) {
        CHECK(count > 0);
    } else {
        CHECK(count == 0 && conf.count > 0 && conf.uid != 0);
        for (size_t i = 0; conf.groups != NULL && i < conf.groups->count; i++)
            check_group(&conf.groups->list[i]);
        for (size_t i = 0; i < conf.count; i++)
            check_instance(&conf.instances[i]);
        conf_free(&conf);
    }
    close(fd);
}

static void fuzz(const uint8_t *data, size_t size)
{
    fuzz_lines(data, size);
    fuzz_conf(data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    shortage_run(fuzz, data, size);
    return 0;
}
