/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the lines of an INI file to sections, and from these to a configuration. A new configuration
 * is built as a whole and nothing of the old one is touched: the caller swaps them.
 */
#include "config/conf_ini.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/conf_build.h"
#include "config/conf_group.h"
#include "config/conf_meant.h"
#include "config/ini.h"
#include "config/mistakes.h"

enum { SHOWN = 80 };

/* ---- sections ---- */

enum section_kind { SECTION_PROXY, SECTION_INSTANCE, SECTION_GROUP, SECTION_UNKNOWN };

/* A section while the file is read. */
struct part {
    enum section_kind kind;
    unsigned line;
    size_t header; /* index of its header in struct ini */
    struct conf_section section;
};

struct reading {
    struct mistakes mistakes;
    const struct ini *ini;
    struct conf *conf;
    size_t count;
    struct part *parts;
};

static enum section_kind kind_of(const char *name)
{
    size_t word = strcspn(name, " ");

    if (strcasecmp(name, "proxy") == 0)
        return SECTION_PROXY;
    if (word == strlen("instance") && strncasecmp(name, "instance", word) == 0)
        return SECTION_INSTANCE;
    if (word == strlen("group") && strncasecmp(name, "group", word) == 0)
        return SECTION_GROUP;
    return SECTION_UNKNOWN;
}

static bool has_name(enum section_kind kind)
{
    return kind == SECTION_INSTANCE || kind == SECTION_GROUP;
}

static const char *name_in(const char *header)
{
    header += strcspn(header, " ");
    return *header == ' ' ? header + 1 : header;
}

static void refuse_section(struct reading *reading, const struct ini_line *header)
{
    char word[SHOWN];
    const char *rest = name_in(header->name);

    snprintf(word, sizeof(word), "%.*s", (int)strcspn(header->name, " "), header->name);
    for (char *c = word; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    if (conf_is_near(word, "instance"))
        mistakes_add(&reading->mistakes, header->number,
                     "[%.*s]: unknown section; did you mean [instance %.*s]?", SHOWN, header->name,
                     CONF_NAME_BYTES, *rest == '\0' ? "NAME" : rest);
    else if (conf_is_near(word, "group") && *rest != '\0')
        mistakes_add(&reading->mistakes, header->number,
                     "[%.*s]: unknown section; did you mean [group %.*s]?", SHOWN, header->name,
                     CONF_NAME_BYTES, rest);
    else if (conf_is_near(word, "proxy"))
        mistakes_add(&reading->mistakes, header->number,
                     "[%.*s]: unknown section; did you mean [proxy]?", SHOWN, header->name);
    else
        mistakes_add(&reading->mistakes, header->number,
                     "[%.*s]: unknown section; use [proxy], [instance NAME] or [group NAME]",
                     SHOWN, header->name);
}

static void check_name(struct reading *reading, const struct ini_line *header)
{
    const char *name = name_in(header->name);
    size_t length = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                 "0123456789_.-");

    if (*name == '\0')
        mistakes_add(&reading->mistakes, header->number, "[%s]: %s needs a name: [%s NAME]",
                     header->name,
                     kind_of(header->name) == SECTION_GROUP ? "a group" : "an instance",
                     kind_of(header->name) == SECTION_GROUP ? "group" : "instance");
    else if (name[length] != '\0' || length > CONF_NAME_BYTES)
        mistakes_add(&reading->mistakes, header->number,
                     "[%.*s]: a name has 1 to %d characters of A-Z a-z 0-9 _ . -", SHOWN, header->name,
                     CONF_NAME_BYTES);
}

static void begin_part(struct reading *reading, size_t index)
{
    const struct ini_line *header = &reading->ini->lines[index];
    struct part *part = &reading->parts[reading->count++];
    bool is_named;
    char origin[ORIGIN_SIZE];

    *part = (struct part){.kind = kind_of(header->name), .line = header->number, .header = index};
    is_named = has_name(part->kind);
    if (part->kind == SECTION_UNKNOWN)
        refuse_section(reading, header);
    if (is_named)
        check_name(reading, header);
    conf_section_init(&part->section, is_named ? name_in(header->name) : header->name,
                      mistakes_origin(&reading->mistakes, header->number, origin));
}

static struct part *part_of(struct reading *reading, size_t header)
{
    size_t i = 0;

    while (reading->parts[i].header != header)
        i++;
    return &reading->parts[i];
}

/* ---- keys ---- */

static enum conf_key find_key(const struct part *part, const char *name)
{
    return part->kind == SECTION_GROUP ? conf_key_find_in_group(name) : conf_key_find(name);
}

/* A key of a group stands in another section, or the other way round. Returns false for others. */
static bool refuse_misplaced(struct reading *reading, const struct part *part,
                             const struct ini_line *line)
{
    bool is_of_group = conf_key_find_in_group(line->name) != CONF_KEY_COUNT;

    if (!is_of_group && conf_key_find(line->name) == CONF_KEY_COUNT)
        return false;
    if (part->kind == SECTION_GROUP)
        mistakes_add(&reading->mistakes, line->number,
                     "%s = %.*s: is not a setting of a group; put it under [instance NAME]",
                     line->name, SHOWN, line->value);
    else
        mistakes_add(&reading->mistakes, line->number,
                     "%s = %.*s: is a setting of a group; put it under [group NAME]", line->name,
                     SHOWN, line->value);
    return true;
}

/* The key that was probably meant is marked, so that it is not called missing as well. */
static void refuse_unknown(struct reading *reading, struct part *part, const struct ini_line *line,
                           const char *origin)
{
    const char *meant = part->kind == SECTION_GROUP ? conf_key_meant_in_group(line->name)
                                                    : conf_key_meant(line->name);

    if (meant != NULL)
        conf_mark_wrong(&part->section, find_key(part, meant), origin);
    if (line->value == NULL)
        return;
    if ((part->kind != SECTION_GROUP || meant == NULL) && refuse_misplaced(reading, part, line))
        return;
    mistakes_add(&reading->mistakes, line->number, "%.*s = %.*s: unknown key%s%s%s", SHOWN,
                 line->name, SHOWN, line->value,
                 meant == NULL ? "; pop3.proxy.conf(5) lists them" : "; did you mean ",
                 meant == NULL ? "" : meant, meant == NULL ? "" : "?");
}

static void take_value(struct reading *reading, struct part *part, enum conf_key key,
                       const struct ini_line *line, const char *origin)
{
    struct error error;

    if (line->value == NULL)
        conf_mark_wrong(&part->section, key, origin);
    else if (part->kind == SECTION_INSTANCE && conf_key_info(key)->scope == CONF_SCOPE_PROXY)
        mistakes_add(&reading->mistakes, line->number,
                     "%s = %.*s: is a setting of the whole server; put it under [proxy]", line->name, SHOWN,
                     line->value);
    else if (conf_set(&part->section, key, line->value, origin, &error) == -1)
        mistakes_take(&reading->mistakes, error.text);
}

static void take_key(struct reading *reading, const struct ini_line *line)
{
    struct part *part = part_of(reading, line->section);
    enum conf_key key = find_key(part, line->name);
    char origin[ORIGIN_SIZE];

    mistakes_origin(&reading->mistakes, line->number, origin);
    if (part->kind == SECTION_UNKNOWN)
        return;
    if (key == CONF_KEY_COUNT)
        refuse_unknown(reading, part, line, origin);
    else
        take_value(reading, part, key, line, origin);
}

static size_t count_headers(const struct ini *ini)
{
    size_t count = 0;

    for (size_t i = 0; i < ini->count; i++)
        count += ini->lines[i].is_section;
    return count;
}

static void take_lines(struct reading *reading)
{
    reading->parts = calloc(count_headers(reading->ini) + 1, sizeof(*reading->parts));
    if (reading->parts == NULL) {
        reading->mistakes.is_incomplete = true;
        return;
    }
    for (size_t i = 0; i < reading->ini->count; i++) {
        if (reading->ini->lines[i].is_section)
            begin_part(reading, i);
        else
            take_key(reading, &reading->ini->lines[i]);
    }
}

/* ---- the whole ---- */

static void build_proxy(struct reading *reading, const struct conf_section *overrides)
{
    struct conf_section *proxy = &reading->conf->proxy;

    conf_section_init(proxy, "proxy", reading->mistakes.file);
    for (size_t i = 0; i < reading->count; i++)
        if (reading->parts[i].kind == SECTION_PROXY)
            conf_inherit(proxy, &reading->parts[i].section);
    if (overrides != NULL)
        conf_override(proxy, overrides);
}

static void build_instance(struct reading *reading, struct part *part,
                           const struct conf_section *overrides)
{
    if (reading->conf->count == CONF_INSTANCES_MAX) {
        mistakes_add(&reading->mistakes, part->line, "[instance %s]: there are more than %d instances; start a "
                     "second server for the others",
                     part->section.name, CONF_INSTANCES_MAX);
        return;
    }
    if (overrides != NULL)
        conf_override(&part->section, overrides);
    conf_inherit(&part->section, &reading->conf->proxy);
    if (part->section.origin[CONF_KEY_listen] == NULL)
        mistakes_add(&reading->mistakes, part->line,
                     "[instance %s]: listen is missing; add listen = ADDRESS:PORT",
                     part->section.name);
    conf_add_instance(reading->conf, &part->section, &reading->mistakes);
}

static void build(struct reading *reading, const struct conf_section *overrides)
{
    bool has_instance = false;

    build_proxy(reading, overrides);
    if (conf_make_room(reading->conf, reading->count + 1, &reading->mistakes) == -1 ||
        conf_group_make_room(reading->conf, reading->count, &reading->mistakes) == -1)
        return;
    for (size_t i = 0; i < reading->count; i++)
        if (reading->parts[i].kind == SECTION_GROUP)
            conf_group_add(reading->conf, &reading->parts[i].section, &reading->mistakes);
    for (size_t i = 0; i < reading->count; i++) {
        if (reading->parts[i].kind != SECTION_INSTANCE)
            continue;
        has_instance = true;
        build_instance(reading, &reading->parts[i], overrides);
    }
    if (!has_instance)
        mistakes_add(&reading->mistakes, 0,
                     "there is no instance; add [instance NAME] with listen = ADDRESS:PORT and "
                     "server = HOST");
    conf_check_whole(reading->conf, &reading->mistakes);
}

int conf_load(struct conf *conf, const char *path, const struct conf_section *overrides,
              conf_report *report, void *context)
{
    struct ini ini;
    struct reading reading = {.mistakes = {.file = path}, .ini = &ini, .conf = conf};

    *conf = (struct conf){0};
    ini_load(&ini, path, &reading.mistakes);
    if (ini.count > 0 || !mistakes_are_there(&reading.mistakes)) {
        take_lines(&reading);
        build(&reading, overrides);
    }
    for (size_t i = 0; i < reading.count; i++)
        conf_section_free(&reading.parts[i].section);
    free(reading.parts);
    ini_free(&ini);
    if (mistakes_tell(&reading.mistakes, report, context) == 0)
        return 0;
    conf_free(conf);
    return -1;
}

/* ---- the control socket alone ---- */

static void keep_first(void *context, const char *text)
{
    struct error *first = context;

    if (first->text[0] == '\0')
        error_set(first, "%s", text);
}

/* The first line that sets `control` under [proxy]; NULL where there is none. */
static const struct ini_line *find_control(const struct ini *ini)
{
    for (size_t i = 0; i < ini->count; i++) {
        const struct ini_line *line = &ini->lines[i];

        if (!line->is_section && kind_of(ini->lines[line->section].name) == SECTION_PROXY &&
            conf_key_find(line->name) == CONF_KEY_control)
            return line;
    }
    return NULL;
}

static int take_control(char **control_r, const struct mistakes *mistakes,
                        const struct ini_line *line, struct error *error)
{
    struct conf_section scratch;
    char origin[ORIGIN_SIZE];
    int result;

    mistakes_origin(mistakes, line->number, origin);
    if (line->value == NULL)
        return error_set(error, "%s: control: the value cannot be read; pop3.proxy -T says why",
                         origin);
    conf_section_init(&scratch, "proxy", origin);
    result = conf_set(&scratch, CONF_KEY_control, line->value, origin, error);
    if (result == 0) {
        *control_r = scratch.values.control;
        scratch.values.control = NULL;
    }
    conf_section_free(&scratch);
    return result;
}

int conf_load_control(char **control_r, const char *path, struct error *error)
{
    struct mistakes mistakes = {.file = path};
    struct error first = {.text = ""};
    const struct ini_line *line;
    struct ini ini;
    int result = 0;

    *control_r = NULL;
    ini_load(&ini, path, &mistakes);
    line = find_control(&ini);
    if (line != NULL)
        result = take_control(control_r, &mistakes, line, error);
    (void)mistakes_tell(&mistakes, keep_first, &first);
    if (ini.count == 0 && first.text[0] != '\0')
        result = error_set(error, "%s", first.text);
    ini_free(&ini);
    return result;
}
