/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sections and keys to a checked configuration. A whole new one is built and nothing of the old is
 * touched: the caller swaps.
 */
#include "config/conf_ini.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/ini.h"
#include "config/mistakes.h"

enum { SHOWN = 80 };

/* ---- did you mean ...? ---- */

enum { WORD_BYTES = 32 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many letters to change, add, drop or swap with their neighbour to make `b` of `a`; WORD_BYTES
 * for words too long to be meant. */
static size_t distance(const char *a, const char *b)
{
    size_t table[WORD_BYTES + 1][WORD_BYTES + 1] = {{0}};
    size_t height = strlen(a);
    size_t width = strlen(b);

    if (height > WORD_BYTES || width > WORD_BYTES)
        return WORD_BYTES;
    for (size_t i = 0; i <= height; i++) {
        for (size_t j = 0; j <= width; j++) {
            if (i == 0 || j == 0) {
                table[i][j] = i + j;
                continue;
            }
            table[i][j] = least(least(table[i - 1][j], table[i][j - 1]) + 1,
                                table[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                table[i][j] = least(table[i][j], table[i - 2][j - 2] + 1);
        }
    }
    return table[height][width];
}

/* A third of the letters may be wrong. */
static bool is_near(const char *word, const char *wanted)
{
    size_t limit = strlen(wanted) / 3;

    return distance(word, wanted) <= (limit > 0 ? limit : 1);
}

/* What other programs, and our own options, call it. */
static const char *synonym(const char *word)
{
    static const char *const pairs[][2] = {
        {"bind", "listen"},        {"address", "listen"},
        {"port", "listen"},        {"group", "user"},
        {"servers", "server"},     {"serverlist", "allow_servers"},
        {"charset", "delimiters"}, {"prefix", "acp_prefix"},
        {"pid", "pidfile"},        {"max_clients", "max_workers"},
    };

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        if (strcmp(word, pairs[i][0]) == 0)
            return pairs[i][1];
    return NULL;
}

static const char *key_meant(const char *word)
{
    const char *meant = synonym(word);
    size_t best = WORD_BYTES;

    for (int key = 0; meant == NULL && key < CONF_KEY_COUNT; key++) {
        const char *name = conf_key_info((enum conf_key)key)->name;

        if (is_near(word, name))
            best = least(best, distance(word, name));
    }
    for (int key = 0; meant == NULL && key < CONF_KEY_COUNT; key++) {
        const char *name = conf_key_info((enum conf_key)key)->name;

        if (best < WORD_BYTES && distance(word, name) == best)
            meant = name;
    }
    return meant;
}

/* ---- sections ---- */

enum section_kind { SECTION_PROXY, SECTION_INSTANCE, SECTION_UNKNOWN };

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
    return SECTION_UNKNOWN;
}

static const char *name_of_instance(const char *header)
{
    header += strcspn(header, " ");
    return *header == ' ' ? header + 1 : header;
}

static void refuse_section(struct reading *reading, const struct ini_line *header)
{
    char word[WORD_BYTES + 1];
    const char *rest = name_of_instance(header->name);

    snprintf(word, sizeof(word), "%.*s", (int)strcspn(header->name, " "), header->name);
    for (char *c = word; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    if (is_near(word, "instance"))
        mistakes_add(&reading->mistakes, header->number,
                     "[%.*s]: is no section; did you mean [instance %.*s]?", SHOWN, header->name,
                     CONF_NAME_BYTES, *rest == '\0' ? "NAME" : rest);
    else if (is_near(word, "proxy"))
        mistakes_add(&reading->mistakes, header->number,
                     "[%.*s]: is no section; did you mean [proxy]?", SHOWN, header->name);
    else
        mistakes_add(&reading->mistakes, header->number,
                     "[%.*s]: is no section; there are [proxy] and [instance NAME]", SHOWN,
                     header->name);
}

static void check_name(struct reading *reading, const struct ini_line *header)
{
    const char *name = name_of_instance(header->name);
    size_t length = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                 "0123456789_.-");

    if (*name == '\0')
        mistakes_add(&reading->mistakes, header->number,
                     "[%s]: an instance needs a name: [instance NAME]", header->name);
    else if (name[length] != '\0' || length > CONF_NAME_BYTES)
        mistakes_add(&reading->mistakes, header->number,
                     "[%.*s]: a name is 1 to %d of A-Z a-z 0-9 _ . -", SHOWN, header->name,
                     CONF_NAME_BYTES);
}

static void begin_part(struct reading *reading, size_t index)
{
    const struct ini_line *header = &reading->ini->lines[index];
    struct part *part = &reading->parts[reading->count++];
    char place[PLACE_SIZE];

    *part = (struct part){.kind = kind_of(header->name), .line = header->number, .header = index};
    if (part->kind == SECTION_UNKNOWN)
        refuse_section(reading, header);
    if (part->kind == SECTION_INSTANCE)
        check_name(reading, header);
    conf_section_init(&part->section,
                      part->kind == SECTION_INSTANCE ? name_of_instance(header->name)
                                                     : header->name,
                      mistakes_place(&reading->mistakes, header->number, place));
}

static struct part *part_of(struct reading *reading, size_t header)
{
    size_t i = 0;

    while (reading->parts[i].header != header)
        i++;
    return &reading->parts[i];
}

/* ---- keys ---- */

/* A key that was surely meant is not called missing as well. */
static void refuse_unknown(struct reading *reading, const struct ini_line *line, const char *place)
{
    const char *meant = key_meant(line->name);

    if (meant != NULL)
        conf_mark_wrong(&part_of(reading, line->section)->section, conf_key_find(meant), place);
    if (line->value == NULL)
        return;
    mistakes_add(&reading->mistakes, line->number, "%.*s = %.*s: is no key%s%s%s", SHOWN,
                 line->name, SHOWN, line->value,
                 meant == NULL ? "; pop3.proxy.conf(5) lists them" : "; did you mean ",
                 meant == NULL ? "" : meant, meant == NULL ? "" : "?");
}

static void take_value(struct reading *reading, struct part *part, enum conf_key key,
                       const struct ini_line *line, const char *place)
{
    struct error error;

    if (line->value == NULL)
        conf_mark_wrong(&part->section, key, place);
    else if (part->kind == SECTION_INSTANCE && conf_key_info(key)->scope == CONF_SCOPE_PROXY)
        mistakes_add(&reading->mistakes, line->number,
                     "%s = %.*s: is for the whole server; put it under [proxy]", line->name, SHOWN,
                     line->value);
    else if (conf_set(&part->section, key, line->value, place, &error) == -1)
        mistakes_take(&reading->mistakes, error.text);
}

static void take_key(struct reading *reading, const struct ini_line *line)
{
    struct part *part = part_of(reading, line->section);
    enum conf_key key = conf_key_find(line->name);
    char place[PLACE_SIZE];

    mistakes_place(&reading->mistakes, line->number, place);
    if (part->kind == SECTION_UNKNOWN)
        return;
    if (key == CONF_KEY_COUNT)
        refuse_unknown(reading, line, place);
    else
        take_value(reading, part, key, line, place);
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

static const char *place_of_listen(const struct conf_section *section)
{
    return section->place[CONF_KEY_listen];
}

/* Whether the kernel would refuse the second of the two. A port of 0 is a new one each time. */
static bool is_overlapping(const char *a_text, const char *b_text)
{
    struct address a;
    struct address b;

    if (address_parse_listen(&a, a_text) == -1 || address_parse_listen(&b, b_text) == -1)
        return false;
    if (a.sa.sa_family != AF_UNIX && (address_port(&a) == 0 || address_port(&b) == 0))
        return false;
    return address_is_equal(&a, &b) || address_is_covered_by(&a, &b) ||
           address_is_covered_by(&b, &a);
}

static void check_overlap(struct mistakes *mistakes, const struct conf_section *section,
                          const struct conf_section *earlier)
{
    const char *listen = section->values.listen;
    const char *other = earlier->values.listen;
    struct error error;

    if (listen == NULL || other == NULL || !is_overlapping(listen, other))
        return;
    error_set(&error,
              "%s: listen = %s: is taken by instance %s (%s: listen = %s); give each an "
              "address and port of its own",
              place_of_listen(section), listen, earlier->name, place_of_listen(earlier), other);
    mistakes_take(mistakes, error.text);
}

static void check_listen(struct mistakes *mistakes, const struct conf *conf)
{
    const struct conf_section *proxy = &conf->proxy;
    struct error error;

    for (size_t i = 0; i < conf->count; i++) {
        const struct conf_section *section = &conf->instances[i].section;

        for (size_t j = 0; j < i; j++)
            check_overlap(mistakes, section, &conf->instances[j].section);
        if (section->values.listen == NULL || proxy->values.metrics_listen == NULL ||
            !is_overlapping(proxy->values.metrics_listen, section->values.listen))
            continue;
        error_set(&error,
                  "%s: metrics_listen = %s: is taken by instance %s (%s); give it a "
                  "port of its own",
                  proxy->place[CONF_KEY_metrics_listen], proxy->values.metrics_listen,
                  section->name, place_of_listen(section));
        mistakes_take(mistakes, error.text);
    }
}

/* What is wrong with an instance stands in `mistakes`; the section is kept even so, for the checks
 * that look at all of them. */
static void add_instance(struct mistakes *mistakes, struct conf *conf, struct conf_section *section)
{
    struct conf_instance *instance = &conf->instances[conf->count];
    struct conf_section kept;

    conf_section_init(&kept, section->name, section->where);
    conf_inherit(&kept, section);
    if (conf_instance_build(instance, section, mistakes_take, mistakes) == 0)
        conf_section_free(&kept);
    else
        *instance = (struct conf_instance){.section = kept, .values = &instance->section.values};
    conf->count++;
}

static void add_part(struct reading *reading, struct part *part,
                     const struct conf_section *overrides)
{
    if (reading->conf->count == CONF_INSTANCES_MAX) {
        mistakes_add(&reading->mistakes, part->line, "[instance %s]: there are more than %d",
                     part->section.name, CONF_INSTANCES_MAX);
        return;
    }
    if (overrides != NULL)
        conf_override(&part->section, overrides);
    conf_inherit(&part->section, &reading->conf->proxy);
    if (part->section.place[CONF_KEY_listen] == NULL)
        mistakes_add(&reading->mistakes, part->line,
                     "[instance %s]: does not listen; add listen = ADDRESS:PORT",
                     part->section.name);
    add_instance(&reading->mistakes, reading->conf, &part->section);
}

static void build_proxy(struct reading *reading, const struct conf_section *overrides)
{
    struct conf *conf = reading->conf;
    struct error error;

    conf_section_init(&conf->proxy, "proxy", reading->mistakes.file);
    for (size_t i = 0; i < reading->count; i++)
        if (reading->parts[i].kind == SECTION_PROXY)
            conf_inherit(&conf->proxy, &reading->parts[i].section);
    if (overrides != NULL)
        conf_override(&conf->proxy, overrides);
    if (conf_find_user(&conf->proxy, &conf->uid, &conf->gid, &error) == -1)
        mistakes_take(&reading->mistakes, error.text);
}

static void build(struct reading *reading, const struct conf_section *overrides)
{
    bool has_instance = false;

    build_proxy(reading, overrides);
    reading->conf->instances = calloc(reading->count + 1, sizeof(*reading->conf->instances));
    for (size_t i = 0; i < reading->count && reading->conf->instances != NULL; i++) {
        if (reading->parts[i].kind != SECTION_INSTANCE)
            continue;
        has_instance = true;
        add_part(reading, &reading->parts[i], overrides);
    }
    if (reading->conf->instances == NULL)
        reading->mistakes.is_incomplete = true;
    else if (!has_instance)
        mistakes_add(&reading->mistakes, 0,
                     "there is no instance; add [instance NAME] with listen = ADDRESS:PORT and "
                     "server = HOST");
    check_listen(&reading->mistakes, reading->conf);
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

/* `listen` is NULL for the one session of a superserver. */
static void add_from_section(struct mistakes *mistakes, struct conf *conf, const char *listen)
{
    struct conf_section own;
    struct error error;

    conf_section_init(&own, listen != NULL ? listen : "session", "command line");
    if (listen != NULL && conf_set(&own, CONF_KEY_listen, listen, "-b", &error) == -1)
        mistakes_take(mistakes, error.text);
    conf_inherit(&own, &conf->proxy);
    add_instance(mistakes, conf, &own);
}

int conf_from_section(struct conf *conf, struct conf_section *section, char *const *listens,
                      size_t listen_count, conf_report *report, void *context)
{
    struct mistakes mistakes = {0};
    struct error error;

    *conf = (struct conf){.proxy = *section};
    *section = (struct conf_section){0};
    conf->instances = calloc(listen_count + 1, sizeof(*conf->instances));
    mistakes.is_incomplete = conf->instances == NULL;
    for (size_t i = 0; i < listen_count && conf->instances != NULL; i++)
        add_from_section(&mistakes, conf, listens[i]);
    if (listen_count == 0 && conf->instances != NULL)
        add_from_section(&mistakes, conf, NULL);
    check_listen(&mistakes, conf);
    if (conf_find_user(&conf->proxy, &conf->uid, &conf->gid, &error) == -1)
        mistakes_take(&mistakes, error.text);
    if (mistakes_tell(&mistakes, report, context) == 0)
        return 0;
    conf_free(conf);
    return -1;
}
