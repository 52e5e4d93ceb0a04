/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The key table and the checks behind it. Knows nothing of files, argv or sessions.
 */
#include "config/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/conf_check.h"
#include "config/conf_tls.h"
#include "io/coroutine.h"

enum {
    CONF_MAX_PER_IP = 65535,
    POP3_PORT = 110,
    POP3S_PORT = 995,
    VALUE_SHOWN = 80,
};

/* ---- the table ---- */

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
                        .check = conf_check_##key_check},
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

/* A word without a slash may be one of "syslog", "stderr", "*:110". */
bool conf_is_relative_path(enum conf_key key, const char *value)
{
    conf_check *check = rows[key].check;

    if (value[0] == '/' || value[0] == '\0')
        return false;
    if (check == conf_check_LOG || check == conf_check_LISTEN)
        return strchr(value, '/') != NULL;
    return check == conf_check_PATH;
}

/* Sessions that a worker can carry at once, wherever the machine lets it. */
static int64_t places_of(const struct conf_values *values)
{
    return coroutine_is_supported() ? values->sessions_per_worker : 1;
}

struct conf_pool_shape conf_pool_shape(const struct conf_values *values)
{
    size_t workers = (size_t)values->max_workers;
    size_t places = (size_t)places_of(values);

    if (places == 1)
        return (struct conf_pool_shape){places, 1, workers};
    /* Those that leave with many sessions are replaced before they are gone. */
    return (struct conf_pool_shape){places, 1 + places, 2 * workers};
}

enum conf_key conf_key_find(const char *name)
{
    int key = 0;

    while (key < CONF_KEY_COUNT && strcmp(rows[key].info.name, name) != 0)
        key++;
    return (enum conf_key)key;
}

/* ---- parsing one value: where it is refused, the default stays ---- */

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
    int64_t parsed;

    errno = 0;
    parsed = is_plain ? strtoll(value, NULL, 10) : 0;
    if (!is_plain || errno != 0 || parsed < row->info.min || parsed > row->info.max)
        return error_set(error, "must be a whole number from %" PRId64 " to %" PRId64 " (%s)",
                         row->info.min, row->info.max, row->unit);
    *number = parsed;
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
    int index = word_index(row->info.argument, value);

    if (index == -1)
        return error_set(error, "must be one of %s", row->info.argument);
    *choice = index;
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

void conf_mark_wrong(struct conf_section *section, enum conf_key key, const char *place)
{
    section->is_wrong[key] = true;
    if (section->place[key] == NULL)
        section->place[key] = strdup(place);
}

int conf_set(struct conf_section *section, enum conf_key key, const char *value, const char *place,
             struct error *error)
{
    const struct key_row *row = &rows[key];
    struct error why;

    if (section->place[key] != NULL && !section->is_wrong[key])
        return error_set(error, "%s: %s is set twice (first: %s); keep one", place, row->info.name,
                         section->place[key]);
    if (parse_value(&section->values, row, value, &why) == -1) {
        conf_mark_wrong(section, key, place);
        return error_set(error, "%s: %s = %.*s: %s", place, row->info.name, VALUE_SHOWN, value,
                         why.text);
    }
    free(section->place[key]);
    section->place[key] = strdup(place);
    section->is_wrong[key] = false;
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

void conf_section_init(struct conf_section *section, const char *name, const char *where)
{
    *section = (struct conf_section){.name = strdup(name), .where = strdup(where)};
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
    free(section->where);
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
        *(char **)field = *(char *const *)source == NULL ? NULL : strdup(*(char *const *)source);
        break;
    }
}

static void copy_key(struct conf_section *to, const struct conf_section *from, int key)
{
    copy_value(&to->values, &from->values, &rows[key]);
    free(to->place[key]);
    to->place[key] = strdup(from->place[key]);
    to->is_wrong[key] = from->is_wrong[key];
}

void conf_inherit(struct conf_section *section, const struct conf_section *defaults)
{
    for (int key = 0; key < CONF_KEY_COUNT; key++)
        if (section->place[key] == NULL && defaults->place[key] != NULL)
            copy_key(section, defaults, key);
}

void conf_override(struct conf_section *section, const struct conf_section *overrides)
{
    for (int key = 0; key < CONF_KEY_COUNT; key++)
        if (overrides->place[key] != NULL)
            copy_key(section, overrides, key);
}

/* ---- checking a section as a whole ---- */

static const char *place_of(const struct conf_section *section, enum conf_key key)
{
    return section->place[key] != NULL ? section->place[key] : section->where;
}

static void cut_to_timeout(struct conf_section *section, enum conf_key key)
{
    int64_t *limit = field_of(&section->values, &rows[key]);

    if (section->place[key] == NULL && *limit > section->values.timeout)
        *limit = section->values.timeout;
}

/* Workers that carry many sessions share the processors best when there is one for each. */
static void set_many_defaults(struct conf_section *section)
{
    struct conf_values *values = &section->values;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    if (places_of(values) == 1 || processors < 1)
        return;
    if (section->place[CONF_KEY_workers] == NULL)
        values->workers = processors;
    if (section->place[CONF_KEY_max_workers] == NULL)
        values->max_workers = 2 * values->workers;
}

/* Half the places for one address is Postfix's rule; a pool that may not grow below what is kept
 * ready is a mistake, but only where both were set. */
static void set_pool_defaults(struct conf_section *section)
{
    struct conf_values *values = &section->values;

    set_many_defaults(section);
    if (section->place[CONF_KEY_max_workers] == NULL && values->max_workers < values->workers)
        values->max_workers = values->workers;
    if (section->place[CONF_KEY_workers] == NULL && values->workers > values->max_workers)
        values->workers = values->max_workers;
    if (section->place[CONF_KEY_max_per_ip] == NULL)
        values->max_per_ip = (values->max_workers * places_of(values) + 1) / 2;
    if (values->max_per_ip > CONF_MAX_PER_IP)
        values->max_per_ip = CONF_MAX_PER_IP; /* all that is counted */
}

static int check_pool(struct conf_instance *instance, struct error *error)
{
    const struct conf_section *section = &instance->section;
    const struct conf_values *values = &section->values;

    if (values->workers > values->max_workers && !section->is_wrong[CONF_KEY_workers] &&
        !section->is_wrong[CONF_KEY_max_workers])
        return error_set(error,
                         "%s: workers = %" PRId64 ": must be at most max_workers, which is "
                         "%" PRId64,
                         place_of(section, CONF_KEY_workers), values->workers, values->max_workers);
    return 0;
}

/* A key that says nothing without another one. Where that one is set, if only to "no", the key may
 * stand as the default of other instances. */
static const struct {
    enum conf_key key;
    enum conf_key needed;
} needs[] = {
    {CONF_KEY_tls_certificate, CONF_KEY_tls},
    {CONF_KEY_tls_key, CONF_KEY_tls_certificate},
    {CONF_KEY_tls_ocsp, CONF_KEY_tls_certificate},
    {CONF_KEY_tls_min_version, CONF_KEY_tls},
    {CONF_KEY_tls_ciphers, CONF_KEY_tls},
    {CONF_KEY_tls_client_ca, CONF_KEY_tls},
    {CONF_KEY_server_tls_ca, CONF_KEY_server_tls},
    {CONF_KEY_server_tls_verify, CONF_KEY_server_tls},
    {CONF_KEY_server_tls_certificate, CONF_KEY_server_tls},
    {CONF_KEY_server_tls_key, CONF_KEY_server_tls_certificate},
    {CONF_KEY_proxy_protocol_from, CONF_KEY_proxy_protocol},
};

static int report_need(const char *place, const char *key, const struct conf_key_info *needed,
                       struct error *error)
{
    static const char no[] = "no|";
    size_t width = sizeof(no) - 1;

    if (strncmp(needed->argument, no, width) != 0)
        return error_set(error, "%s: %s needs %s = %s", place, key, needed->name, needed->argument);
    return error_set(error, "%s: %s needs %s = %s; or %s = no, where it is to be left unused",
                     place, key, needed->name, needed->argument + width, needed->name);
}

static int check_needs(struct conf_instance *instance, struct error *error)
{
    const struct conf_section *section = &instance->section;

    for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
        const char *place = section->place[needs[i].key];

        if (place != NULL && section->place[needs[i].needed] == NULL)
            return report_need(place, conf_key_info(needs[i].key)->name,
                               conf_key_info(needs[i].needed), error);
    }
    return 0;
}

/* Workers that cannot confine themselves would not live. To go where the root is already changes
 * nothing, but says whether one may. */
static int check_chroot(struct conf_instance *instance, struct error *error)
{
    const struct conf_section *section = &instance->section;

    if (section->values.chroot == NULL || chroot("/") == 0)
        return 0;
    return error_set(error,
                     "%s: chroot = %s: takes a start by root, with CAP_SYS_CHROOT; start it so, or "
                     "leave chroot out",
                     place_of(section, CONF_KEY_chroot), section->values.chroot);
}

static int set_server(struct conf_instance *instance, struct error *error)
{
    const struct conf_values *values = instance->values;
    const char *place = place_of(&instance->section, CONF_KEY_server);

    instance->server_port = values->server_tls == CONF_SERVER_TLS_IMPLICIT ? POP3S_PORT : POP3_PORT;
    instance->has_server = values->server != NULL && strcmp(values->server, "-") != 0;
    if (instance->section.is_wrong[CONF_KEY_server] ||
        instance->section.is_wrong[CONF_KEY_select_server])
        return 0;
    if (!instance->has_server && !values->select_server)
        return error_set(error,
                         "%s%s: no server to connect to: give server = HOST[:PORT], or let the "
                         "client choose with select_server = yes (-e)",
                         place, values->server != NULL ? ": server = -" : "");
    if (!instance->has_server)
        return 0;
    if (host_port_parse(&instance->server, values->server) == -1)
        return error_set(error, "%s: server = %s is not HOST[:PORT]", place, values->server);
    if (instance->server.port == 0)
        instance->server.port = instance->server_port;
    return 0;
}

/* Without -e nobody chooses, and a list of what may be chosen is a misunderstanding. */
static int check_allowed(struct conf_instance *instance, struct error *error)
{
    const struct conf_section *section = &instance->section;
    const struct conf_values *values = &section->values;
    enum conf_key key =
        values->allow_servers != NULL ? CONF_KEY_allow_servers : CONF_KEY_allow_servers_file;

    if ((values->allow_servers == NULL && values->allow_servers_file == NULL) ||
        values->select_server || section->is_wrong[CONF_KEY_select_server])
        return 0;
    return error_set(error,
                     "%s: %s = %.*s: needs select_server = yes (-e): without it the client chooses "
                     "no server",
                     place_of(section, key), rows[key].info.name, VALUE_SHOWN,
                     values->allow_servers != NULL ? values->allow_servers
                                                   : values->allow_servers_file);
}

static int set_allow_list(struct conf_instance *instance, struct error *error)
{
    const struct conf_section *section = &instance->section;
    const struct conf_values *values = &section->values;

    if (values->allow_servers == NULL && values->allow_servers_file == NULL)
        return 0;
    instance->allowed = pattern_list_new();
    if (instance->allowed == NULL ||
        (values->allow_servers != NULL &&
         pattern_list_add_csv(instance->allowed, values->allow_servers) == -1))
        return error_set(error, "%s: allow_servers: %s", place_of(section, CONF_KEY_allow_servers),
                         strerror(errno));
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

/* A line that is no pattern is reported with its place in its own file. */
static int add_allow_lines(struct pattern_list *list, FILE *file, const char *path,
                           conf_report *report, void *context)
{
    struct error error;
    char *line = NULL;
    size_t size = 0;
    int result = 0;

    for (unsigned number = 1; getline(&line, &size, file) != -1; number++) {
        const char *pattern = trim_line(line);

        if (pattern[0] == '\0' || pattern_list_add(list, pattern) == 0)
            continue;
        error_set(&error, "%s:%u: %.*s: must be one server name or pattern", path, number,
                  VALUE_SHOWN, pattern);
        report(context, error.text);
        result = -1;
    }
    free(line);
    return result;
}

/* O_NONBLOCK: a FIFO without a writer must not hang a reload. */
static FILE *open_list(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat status;
    FILE *file = NULL;

    if (fd == -1)
        return NULL;
    if (fstat(fd, &status) == 0 && !S_ISREG(status.st_mode))
        errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
    else
        file = fdopen(fd, "r");
    if (file == NULL)
        close(fd);
    return file;
}

static int add_allow_file(struct conf_instance *instance, conf_report *report, void *context)
{
    const char *path = instance->values->allow_servers_file;
    FILE *file = open_list(path);
    struct error error;
    int result = 0;

    if (file != NULL)
        result = add_allow_lines(instance->allowed, file, path, report, context);
    if (file == NULL || ferror(file)) {
        error_set(&error, "%s: allow_servers_file = %s: %s",
                  place_of(&instance->section, CONF_KEY_allow_servers_file), path,
                  errno == EINVAL ? "is not a regular file" : strerror(errno));
        report(context, error.text);
        result = -1;
    }
    if (file != NULL)
        fclose(file);
    return result;
}

static void set_offers(struct conf_instance *instance)
{
    const struct conf_values *values = instance->values;

    instance->capabilities = ~0U;
    instance->mechanisms = ~0U;
    if (values->capabilities != NULL)
        (void)conf_capability_mask(values->capabilities, &instance->capabilities);
    if (values->auth_mechanisms != NULL)
        (void)conf_mechanism_mask(values->auth_mechanisms, &instance->mechanisms);
}

static int set_proxies(struct conf_instance *instance, struct error *error)
{
    const struct conf_section *section = &instance->section;
    const struct conf_values *values = &section->values;

    if (values->proxy_protocol == CONF_PROXY_NO || section->is_wrong[CONF_KEY_proxy_protocol_from])
        return 0;
    if (values->proxy_protocol_from == NULL)
        return error_set(error,
                         "%s: proxy_protocol needs proxy_protocol_from = the addresses of "
                         "the load balancers, such as 10.0.0.0/8",
                         place_of(section, CONF_KEY_proxy_protocol));
    if (conf_networks(values->proxy_protocol_from, &instance->proxies, &instance->proxy_count) ==
        -1)
        return error_set(error, "%s: out of memory", section->name);
    return 0;
}

typedef int instance_check(struct conf_instance *instance, struct error *error);

static int check_instance(struct conf_instance *instance, conf_report *report, void *context)
{
    static instance_check *const checks[] = {
        check_pool,    check_needs,    check_chroot,          set_proxies,          set_server,
        check_allowed, set_allow_list, conf_tls_init_clients, conf_tls_init_servers};
    struct error error;
    int result = 0;

    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        if (checks[i](instance, &error) == 0)
            continue;
        report(context, error.text);
        result = -1;
    }
    if (instance->allowed != NULL && instance->values->allow_servers_file != NULL &&
        add_allow_file(instance, report, context) == -1)
        result = -1;
    return result;
}

int conf_instance_build(struct conf_instance *instance, struct conf_section *section,
                        conf_report *report, void *context)
{
    *instance = (struct conf_instance){.section = *section};
    instance->values = &instance->section.values;
    *section = (struct conf_section){0};
    set_pool_defaults(&instance->section);
    set_offers(instance);
    cut_to_timeout(&instance->section, CONF_KEY_login_timeout);
    cut_to_timeout(&instance->section, CONF_KEY_connect_timeout);
    cut_to_timeout(&instance->section, CONF_KEY_server_timeout);
    cut_to_timeout(&instance->section, CONF_KEY_acp_timeout);
    if (check_instance(instance, report, context) == 0)
        return 0;
    conf_instance_free(instance);
    return -1;
}

static void keep_first(void *context, const char *text)
{
    struct error *error = context;

    if (error->text[0] == '\0')
        error_set(error, "%s", text);
}

int conf_instance_init(struct conf_instance *instance, struct conf_section *section,
                       struct error *error)
{
    error->text[0] = '\0';
    return conf_instance_build(instance, section, keep_first, error);
}

void conf_instance_free(struct conf_instance *instance)
{
    pattern_list_free(instance->allowed);
    free(instance->proxies);
    tls_context_free(instance->client_tls);
    tls_context_free(instance->server_tls);
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
