/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The key table and the checks behind it. Knows nothing of files, argv or sessions.
 */
#include "config/conf.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    POP3_PORT = 110,
    VALUE_SHOWN = 80,
    ALLOW_LINE_BYTES = 1024,
};

/* ---- checks of text values: each returns 0, or -1 with what would be right ---- */

static int check_SERVER(const char *value, struct error *error)
{
    struct host_port parsed;

    if (strcmp(value, "-") != 0 && host_port_parse(&parsed, value) == -1)
        return error_set(error, "must be HOST, HOST:PORT, [IPV6]:PORT, or - for none");
    return 0;
}

static int check_PATTERNS(const char *value, struct error *error)
{
    struct pattern_list *list = pattern_list_new();
    int result = list == NULL ? -1 : pattern_list_add_csv(list, value);

    pattern_list_free(list);
    if (result == -1)
        return error_set(error, "must be server names parted by commas, none of them empty");
    return 0;
}

static int check_PATH(const char *value, struct error *error)
{
    if (value[0] != '/')
        return error_set(error, "must be an absolute path");
    return 0;
}

static int check_LISTEN(const char *value, struct error *error)
{
    struct address parsed;

    if (address_parse_listen(&parsed, value) == -1)
        return error_set(error, "must be IPV4:PORT, [IPV6]:PORT, *:PORT or an absolute path");
    return 0;
}

static int check_LOG(const char *value, struct error *error)
{
    if (strcmp(value, "syslog") != 0 && strcmp(value, "stderr") != 0 && value[0] != '/')
        return error_set(error, "must be syslog, stderr or an absolute path");
    return 0;
}

/* Whether they exist is looked up where they are needed. */
static int check_USER(const char *value, struct error *error)
{
    const char *colon = strchr(value, ':');

    if (value[0] == '\0' || value[0] == ':' ||
        (colon != NULL && (colon[1] == '\0' || strchr(colon + 1, ':') != NULL)))
        return error_set(error, "must be USER or USER:GROUP");
    return 0;
}

static int check_DELIMITERS(const char *value, struct error *error)
{
    if (value[0] == '\0')
        return error_set(error, "must be at least one character, such as @");
    for (const char *c = value; *c != '\0'; c++)
        if (!ispunct((unsigned char)*c) || strchr(":.-_[]", *c) != NULL)
            return error_set(error, "must be punctuation that no server name holds, such as @%%");
    return 0;
}

static int check_PREFIX(const char *value, struct error *error)
{
    bool is_name = value[0] == '\0' || !isdigit((unsigned char)value[0]);

    for (const char *c = value; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && *c != '_')
            is_name = false;
    if (!is_name)
        return error_set(error, "must be letters, digits and _, beginning with no digit");
    return 0;
}

/* ---- the table ---- */

typedef int conf_check(const char *value, struct error *error);

struct key_row {
    struct conf_key_info info;
    size_t offset; /* of the field in struct conf_values */
    bool default_flag;
    int64_t default_number;
    conf_check *check;
    const char *unit;
};

#define TEXT_OF(x) #x

static const struct key_row rows[CONF_KEY_COUNT] = {
#define CONF_FLAG(key, key_scope, letter, value, key_help)                                         \
    [CONF_KEY_##key] = {.info = {.name = #key,                                                     \
                                 .type = CONF_TYPE_FLAG,                                           \
                                 .scope = CONF_SCOPE_##key_scope,                                  \
                                 .option = letter,                                                 \
                                 .default_text = (value) ? "yes" : "no",                           \
                                 .help = key_help},                                                \
                        .offset = offsetof(struct conf_values, key),                               \
                        .default_flag = value},
#define CONF_NUMBER(key, key_scope, letter, value, least, most, key_unit, key_help)                \
    [CONF_KEY_##key] = {.info = {.name = #key,                                                     \
                                 .type = CONF_TYPE_NUMBER,                                         \
                                 .scope = CONF_SCOPE_##key_scope,                                  \
                                 .option = letter,                                                 \
                                 .argument = "N",                                                  \
                                 .default_text = TEXT_OF(value),                                   \
                                 .min = least,                                                     \
                                 .max = most,                                                      \
                                 .help = key_help},                                                \
                        .offset = offsetof(struct conf_values, key),                               \
                        .default_number = value,                                                   \
                        .unit = key_unit},
#define CONF_TEXT(key, key_scope, letter, value, what, key_check, key_help)                        \
    [CONF_KEY_##key] = {.info = {.name = #key,                                                     \
                                 .type = CONF_TYPE_TEXT,                                           \
                                 .scope = CONF_SCOPE_##key_scope,                                  \
                                 .option = letter,                                                 \
                                 .argument = what,                                                 \
                                 .default_text = value,                                            \
                                 .help = key_help},                                                \
                        .offset = offsetof(struct conf_values, key),                               \
                        .check = check_##key_check},
#define CONF_CHOICE(key, key_scope, letter, value, words, key_help)                                \
    [CONF_KEY_##key] = {.info = {.name = #key,                                                     \
                                 .type = CONF_TYPE_CHOICE,                                         \
                                 .scope = CONF_SCOPE_##key_scope,                                  \
                                 .option = letter,                                                 \
                                 .argument = words,                                                \
                                 .default_text = value,                                            \
                                 .help = key_help},                                                \
                        .offset = offsetof(struct conf_values, key)},
#include "config/conf_keys.def"
#undef CONF_FLAG
#undef CONF_NUMBER
#undef CONF_TEXT
#undef CONF_CHOICE
};

const struct conf_key_info *conf_key_info(enum conf_key key)
{
    return &rows[key].info;
}

bool conf_key_is_path(enum conf_key key)
{
    return rows[key].check == check_PATH;
}

enum conf_key conf_key_find(const char *name)
{
    int key = 0;

    while (key < CONF_KEY_COUNT && strcmp(rows[key].info.name, name) != 0)
        key++;
    return (enum conf_key)key;
}

/* ---- parsing one value ---- */

static void *field_of(struct conf_values *values, const struct key_row *row)
{
    return (char *)values + row->offset;
}

static int parse_flag(const char *value, bool *flag, struct error *error)
{
    static const char *const yes[] = {"yes", "true", "on", "1"};
    static const char *const no[] = {"no", "false", "off", "0"};

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        if (strcasecmp(value, yes[i]) == 0 || strcasecmp(value, no[i]) == 0) {
            *flag = strcasecmp(value, yes[i]) == 0;
            return 0;
        }
    }
    return error_set(error, "must be yes or no");
}

/* Plain decimal digits only: "10x", "0x10" and "010" are mistakes, not numbers. */
static int parse_number(const char *value, const struct key_row *row, int64_t *number,
                        struct error *error)
{
    size_t digits = strspn(value, "0123456789");
    bool is_plain = digits > 0 && value[digits] == '\0' && (value[0] != '0' || digits == 1);

    errno = 0;
    *number = is_plain ? strtoll(value, NULL, 10) : 0;
    if (!is_plain || errno != 0 || *number < row->info.min || *number > row->info.max)
        return error_set(error, "must be a whole number from %" PRId64 " to %" PRId64 " (%s)",
                         row->info.min, row->info.max, row->unit);
    return 0;
}

/* The index of `word` among "a|b|c", or -1. */
static int word_index(const char *words, const char *word)
{
    size_t length = strlen(word);

    for (int i = 0;; i++) {
        size_t width = strcspn(words, "|");
        if (width == length && strncasecmp(words, word, length) == 0)
            return i;
        if (words[width] == '\0')
            return -1;
        words += width + 1;
    }
}

static int parse_choice(const char *value, const struct key_row *row, int *choice,
                        struct error *error)
{
    *choice = word_index(row->info.argument, value);
    if (*choice == -1)
        return error_set(error, "must be one of %s", row->info.argument);
    return 0;
}

static int parse_text(const char *value, const struct key_row *row, char **text,
                      struct error *error)
{
    if (row->check(value, error) == -1)
        return -1;
    free(*text);
    *text = strdup(value);
    return *text == NULL ? error_set(error, "out of memory") : 0;
}

static int parse_value(struct conf_values *values, const struct key_row *row, const char *value,
                       struct error *error)
{
    void *field = field_of(values, row);

    switch (row->info.type) {
    case CONF_TYPE_FLAG:
        return parse_flag(value, field, error);
    case CONF_TYPE_NUMBER:
        return parse_number(value, row, field, error);
    case CONF_TYPE_CHOICE:
        return parse_choice(value, row, field, error);
    case CONF_TYPE_TEXT:
        break;
    }
    return parse_text(value, row, field, error);
}

int conf_set(struct conf_section *section, enum conf_key key, const char *value,
             const char *place, struct error *error)
{
    const struct key_row *row = &rows[key];
    struct error why;

    if (section->place[key] != NULL)
        return error_set(error, "%s: %s is set twice (first: %s); keep one", place, row->info.name,
                         section->place[key]);
    if (parse_value(&section->values, row, value, &why) == -1)
        return error_set(error, "%s: %s = %.*s: %s", place, row->info.name, VALUE_SHOWN, value,
                         why.text);
    section->place[key] = strdup(place);
    return section->place[key] == NULL ? error_set(error, "out of memory") : 0;
}

/* ---- sections ---- */

static void set_default(struct conf_values *values, const struct key_row *row)
{
    void *field = field_of(values, row);

    switch (row->info.type) {
    case CONF_TYPE_FLAG:
        *(bool *)field = row->default_flag;
        break;
    case CONF_TYPE_NUMBER:
        *(int64_t *)field = row->default_number;
        break;
    case CONF_TYPE_CHOICE:
        *(int *)field = word_index(row->info.argument, row->info.default_text);
        break;
    case CONF_TYPE_TEXT:
        *(char **)field = row->info.default_text == NULL ? NULL : strdup(row->info.default_text);
        break;
    }
}

void conf_section_init(struct conf_section *section, const char *name)
{
    *section = (struct conf_section){.name = strdup(name)};
    for (int key = 0; key < CONF_KEY_COUNT; key++)
        set_default(&section->values, &rows[key]);
}

void conf_section_free(struct conf_section *section)
{
    for (int key = 0; key < CONF_KEY_COUNT; key++) {
        if (rows[key].info.type == CONF_TYPE_TEXT)
            free(*(char **)field_of(&section->values, &rows[key]));
        free(section->place[key]);
    }
    free(section->name);
    *section = (struct conf_section){0};
}

static void copy_value(struct conf_values *to, const struct conf_values *from,
                       const struct key_row *row)
{
    const void *source = (const char *)from + row->offset;
    void *field = field_of(to, row);

    switch (row->info.type) {
    case CONF_TYPE_FLAG:
        *(bool *)field = *(const bool *)source;
        break;
    case CONF_TYPE_NUMBER:
        *(int64_t *)field = *(const int64_t *)source;
        break;
    case CONF_TYPE_CHOICE:
        *(int *)field = *(const int *)source;
        break;
    case CONF_TYPE_TEXT:
        free(*(char **)field);
        *(char **)field = strdup(*(char *const *)source);
        break;
    }
}

void conf_inherit(struct conf_section *section, const struct conf_section *defaults)
{
    for (int key = 0; key < CONF_KEY_COUNT; key++) {
        if (section->place[key] != NULL || defaults->place[key] == NULL)
            continue;
        copy_value(&section->values, &defaults->values, &rows[key]);
        section->place[key] = strdup(defaults->place[key]);
    }
}

/* ---- checking a section as a whole ---- */

static const char *place_of(const struct conf_section *section, enum conf_key key)
{
    return section->place[key] != NULL ? section->place[key] : section->name;
}

static void cut_to_timeout(struct conf_section *section, enum conf_key key)
{
    int64_t *limit = field_of(&section->values, &rows[key]);

    if (section->place[key] == NULL && *limit > section->values.timeout)
        *limit = section->values.timeout;
}

/* Half the places for one address is Postfix's rule; a pool that may not grow below what is kept
 * ready is a mistake, but only where both were set. */
static void set_pool_defaults(struct conf_section *section)
{
    struct conf_values *values = &section->values;

    if (section->place[CONF_KEY_max_workers] == NULL && values->max_workers < values->workers)
        values->max_workers = values->workers;
    if (section->place[CONF_KEY_workers] == NULL && values->workers > values->max_workers)
        values->workers = values->max_workers;
    if (section->place[CONF_KEY_max_per_ip] == NULL)
        values->max_per_ip = (values->max_workers + 1) / 2;
}

static int check_pool(const struct conf_section *section, struct error *error)
{
    const struct conf_values *values = &section->values;

    if (values->workers > values->max_workers)
        return error_set(error, "%s: workers = %lld is more than max_workers = %lld",
                         place_of(section, CONF_KEY_workers), (long long)values->workers,
                         (long long)values->max_workers);
    return 0;
}

static int set_server(struct conf_instance *instance, struct error *error)
{
    const struct conf_values *values = &instance->section.values;
    const char *name = instance->section.name;

    instance->has_server = values->server != NULL && strcmp(values->server, "-") != 0;
    if (!instance->has_server) {
        if (!values->select_server)
            return error_set(error,
                             "%s: no server to connect to: give server = HOST[:PORT], or let the "
                             "client choose with select_server = yes (-e)",
                             name);
        return 0;
    }
    if (host_port_parse(&instance->server, values->server) == -1)
        return error_set(error, "%s: server = %s is not HOST[:PORT]", name, values->server);
    if (instance->server.port == 0)
        instance->server.port = POP3_PORT;
    return 0;
}

/* Cuts a line to its pattern: no comment, no blanks round it. */
static char *trim_line(char *line)
{
    char *end;

    line[strcspn(line, "#\r\n")] = '\0';
    line += strspn(line, " \t");
    end = line + strlen(line);
    while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
        *--end = '\0';
    return line;
}

static int add_allowed_file(struct pattern_list *list, const char *path, const char *place,
                            struct error *error)
{
    char line[ALLOW_LINE_BYTES];
    FILE *file = fopen(path, "re");
    int result = 0;

    if (file == NULL)
        return error_set(error, "%s: allow_servers_file = %s: %s", place, path, strerror(errno));
    for (unsigned number = 1; result == 0 && fgets(line, sizeof(line), file) != NULL; number++) {
        bool is_whole = strchr(line, '\n') != NULL || feof(file);
        const char *pattern = trim_line(line);

        if (pattern[0] != '\0' && (!is_whole || pattern_list_add(list, pattern) == -1))
            result = error_set(error, "%s:%u: not a server name or pattern: %.*s", path, number,
                               VALUE_SHOWN, pattern);
    }
    if (ferror(file))
        result = error_set(error, "%s: allow_servers_file = %s: cannot read it", place, path);
    fclose(file);
    return result;
}

static int set_allowed(struct conf_instance *instance, struct error *error)
{
    const struct conf_section *section = &instance->section;
    const struct conf_values *values = &section->values;
    enum conf_key key = values->allow_servers != NULL ? CONF_KEY_allow_servers
                                                      : CONF_KEY_allow_servers_file;

    if (values->allow_servers == NULL && values->allow_servers_file == NULL)
        return 0;
    if (!values->select_server)
        return error_set(error, "%s: %s needs select_server = yes (-e): without it the client "
                         "chooses no server",
                         place_of(section, key), rows[key].info.name);
    instance->allowed = pattern_list_new();
    if (instance->allowed == NULL ||
        (values->allow_servers != NULL &&
         pattern_list_add_csv(instance->allowed, values->allow_servers) == -1))
        return error_set(error, "%s: allow_servers: %s", place_of(section, key), strerror(errno));
    if (values->allow_servers_file != NULL)
        return add_allowed_file(instance->allowed, values->allow_servers_file,
                                place_of(section, CONF_KEY_allow_servers_file), error);
    return 0;
}

int conf_instance_init(struct conf_instance *instance, struct conf_section *section,
                       struct error *error)
{
    *instance = (struct conf_instance){.section = *section};
    *section = (struct conf_section){0};
    set_pool_defaults(&instance->section);
    cut_to_timeout(&instance->section, CONF_KEY_login_timeout);
    cut_to_timeout(&instance->section, CONF_KEY_connect_timeout);
    cut_to_timeout(&instance->section, CONF_KEY_server_timeout);
    cut_to_timeout(&instance->section, CONF_KEY_acp_timeout);
    if (check_pool(&instance->section, error) == -1 || set_server(instance, error) == -1 ||
        set_allowed(instance, error) == -1) {
        conf_instance_free(instance);
        return -1;
    }
    return 0;
}

void conf_instance_free(struct conf_instance *instance)
{
    pattern_list_free(instance->allowed);
    conf_section_free(&instance->section);
    *instance = (struct conf_instance){0};
}

void conf_free(struct conf *conf)
{
    for (size_t i = 0; i < conf->count; i++)
        conf_instance_free(&conf->instances[i]);
    free(conf->instances);
    conf_section_free(&conf->proxy);
    *conf = (struct conf){0};
}
