/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From argv to settings. Most options come from the key table; this file adds the options that are
 * not settings, the operands, and the rules of what goes with what.
 */
#include "config/options.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/number.h"
#include "config.h"
#include "config/conf_build.h"
#include "config/conf_check.h"
#include "config/conf_ini.h"
#include "config/conf_meant.h"
#include "config/conf_try.h"
#include "config/conf_warn.h"
#include "config/help.h"
#include "config/operator_command.h"
#include "pop3/sasl.h"

/* An option without a letter has a value above every character. */
enum {
    OPTION_KEY_BASE = 1000,
    OPTION_JSON = OPTION_KEY_BASE + CONF_KEY_COUNT,
};

/* The options that are not settings, and -b as another name of a setting. */
static const struct option own_longs[] = {
    {"bind", required_argument, NULL, 'b'},  {"config", required_argument, NULL, 'f'},
    {"daemon", no_argument, NULL, 'd'},      {"test-config", no_argument, NULL, 'T'},
    {"help", optional_argument, NULL, 'h'},  {"version", no_argument, NULL, 'V'},
    {"json", no_argument, NULL, OPTION_JSON},
};
static const char own_shorts[] = "f:dThV";

enum { OWN_OPTIONS = sizeof(own_longs) / sizeof(own_longs[0]) };

struct option_tables {
    char names[CONF_KEY_COUNT][HELP_OPTION_BYTES];
    struct option longs[CONF_KEY_COUNT + OWN_OPTIONS + 1];
    char shorts[2 * CONF_KEY_COUNT + sizeof(own_shorts) + 2];
};

static void build_tables(struct option_tables *tables)
{
    char *shorts = tables->shorts;
    struct option *to = tables->longs;

    *shorts++ = '+'; /* the first operand ends the options */
    *shorts++ = ':'; /* getopt tells a missing value from an unknown option */
    for (int key = 0; key < CONF_KEY_COUNT; key++) {
        const struct conf_key_info *info = conf_key_info((enum conf_key)key);

        if (conf_key_is_of_group((enum conf_key)key))
            continue;
        help_option_name(tables->names[key], info->name);
        *to++ = (struct option){
            .name = tables->names[key],
            .has_arg = info->argument == NULL ? optional_argument : required_argument,
            .val = OPTION_KEY_BASE + key,
        };
        if (info->option == 0)
            continue;
        *shorts++ = info->option;
        if (info->argument != NULL)
            *shorts++ = ':';
    }
    memcpy(to, own_longs, sizeof(own_longs));
    memcpy(shorts, own_shorts, sizeof(own_shorts));
}

/* The key of an option as getopt returns it, or CONF_KEY_COUNT. */
static enum conf_key key_of_option(int option)
{
    if (option >= OPTION_KEY_BASE && option < OPTION_JSON)
        return (enum conf_key)(option - OPTION_KEY_BASE);
    for (int key = 0; key < CONF_KEY_COUNT; key++)
        if (conf_key_info((enum conf_key)key)->option == option)
            return (enum conf_key)key;
    return CONF_KEY_COUNT;
}

/* The option as the user wrote it, for messages. */
static void option_as_written(char *text, size_t size, enum conf_key key, int option)
{
    char name[HELP_OPTION_BYTES];

    if (option < OPTION_KEY_BASE) {
        snprintf(text, size, "-%c", option);
        return;
    }
    help_option_name(name, conf_key_info(key)->name);
    snprintf(text, size, "--%s", name);
}

/* A path on the command line may be relative, but the server changes its working directory. */
static int make_absolute(char absolute[PATH_MAX], const char *path, const char *origin,
                         struct error *error)
{
    char here[PATH_MAX];
    bool is_absolute = path[0] == '/';

    if ((!is_absolute && getcwd(here, sizeof(here)) == NULL) ||
        (size_t)snprintf(absolute, PATH_MAX, "%s%s%s", is_absolute ? "" : here,
                         is_absolute ? "" : "/", path) >= PATH_MAX)
        return error_set(error, "%s: %s: must be an absolute path here", origin, path);
    return 0;
}

static int set_from_option(struct conf_section *section, enum conf_key key, const char *value,
                           const char *origin, struct error *error)
{
    char absolute[PATH_MAX];

    if (!conf_is_relative_path(key, value))
        return conf_set(section, key, value, origin, error);
    if (make_absolute(absolute, value, origin, error) == -1)
        return -1;
    return conf_set(section, key, absolute, origin, error);
}

/* -b may be repeated: each value is checked like the key `listen`, and kept in a list. */
static int add_listen(struct options *options, const char *value, const char *origin,
                      struct error *error)
{
    struct conf_section scratch;
    char **listens = realloc(options->listens, (options->listen_count + 1) * sizeof(*listens));
    int result;

    if (listens == NULL)
        return error_set(error, "out of memory");
    options->listens = listens;
    conf_section_init(&scratch, "", "");
    result = set_from_option(&scratch, CONF_KEY_listen, value, origin, error);
    if (result == 0) {
        listens[options->listen_count++] = scratch.values.listen;
        scratch.values.listen = NULL;
    }
    conf_section_free(&scratch);
    return result;
}

static int set_config_file(struct options *options, const char *path, struct error *error)
{
    char absolute[PATH_MAX];

    if (options->config_file != NULL)
        return error_set(
            error, "-f %s: only one file is allowed; start a second server for the other", path);
    if (path[0] == '\0')
        return error_set(error, "-f needs the path of a file");
    if (make_absolute(absolute, path, "-f", error) == -1)
        return -1;
    options->config_file = strdup(absolute);
    return options->config_file == NULL ? error_set(error, "out of memory") : 0;
}

static int take_option(struct options *options, int option, struct error *error)
{
    char origin[HELP_OPTION_BYTES + 2];
    enum conf_key key;

    switch (option) {
    case 'h':
        options->action = OPTIONS_HELP;
        options->name = optarg;
        return 0;
    case 'V':
        options->action = OPTIONS_VERSION;
        return 0;
    case 'T':
        options->action = OPTIONS_TEST;
        return 0;
    case 'd':
        options->is_daemon = true;
        return 0;
    case 'f':
        return set_config_file(options, optarg, error);
    case OPTION_JSON:
        options->as_json = true;
        return 0;
    default:
        break;
    }
    key = key_of_option(option);
    option_as_written(origin, sizeof(origin), key, option);
    if (key == CONF_KEY_listen)
        return add_listen(options, optarg, origin, error);
    return set_from_option(&options->section, key, optarg != NULL ? optarg : "yes", origin, error);
}

static bool is_beginning_of_option(const char *name, size_t length)
{
    char long_key[HELP_OPTION_BYTES];

    for (int key = 0; key < CONF_KEY_COUNT; key++) {
        help_option_name(long_key, conf_key_info((enum conf_key)key)->name);
        if (!conf_key_is_of_group((enum conf_key)key) && strncmp(long_key, name, length) == 0)
            return true;
    }
    return false;
}

/* `name` is what the user wrote after the --. */
static int refuse_long_option(const char *name, struct error *error)
{
    int length = (int)strcspn(name, "=");
    char word[HELP_OPTION_BYTES];
    char option[HELP_OPTION_BYTES];
    const char *meant;

    if (is_beginning_of_option(name, (size_t)length))
        return error_set(error, "--%.*s is ambiguous: write the whole name; see pop3.proxy --help",
                         length, name);
    snprintf(word, sizeof(word), "%.*s", length, name);
    for (char *c = word; *c != '\0'; c++)
        if (*c == '-')
            *c = '_';
    meant = conf_key_meant(word);
    if (meant == NULL)
        return error_set(error, "unknown option --%.*s; see pop3.proxy --help", length, name);
    help_option_name(option, meant);
    return error_set(error, "unknown option --%.*s; did you mean --%s?", length, name, option);
}

/* `argument` is the word of argv that getopt refused. */
static int refuse_option(int option, const char *argument, struct error *error)
{
    if (option == ':')
        return error_set(error, "%s needs a value; see pop3.proxy --help", argument);
    if (strncmp(argument, "--", 2) != 0)
        return error_set(error, "unknown option -%c; see pop3.proxy --help", optopt);
    if (optopt != 0)
        return error_set(error, "%.*s takes no value", (int)strcspn(argument, "="), argument);
    return refuse_long_option(argument + 2, error);
}

/* ---- what goes with what ---- */

/* With a file, a setting stands in the file and nowhere else. Only what depends on who starts the
 * server, and how, may be given on the command line as well; and for a command, where to ask. */
static bool may_override_file(const struct options *options, enum conf_key key)
{
    return (key == CONF_KEY_control && operator_is_command(options->action)) ||
           key == CONF_KEY_user || key == CONF_KEY_pidfile || key == CONF_KEY_log ||
           key == CONF_KEY_workers;
}

static int check_beside_file(const struct options *options, struct error *error)
{
    const struct conf_section *section = &options->section;

    if (options->listen_count > 0)
        return error_set(error, "-b %s: set it in %s, as listen of an [instance NAME]",
                         options->listens[0], options->config_file);
    for (int key = 0; key < CONF_KEY_COUNT; key++)
        if (section->origin[key] != NULL && !may_override_file(options, (enum conf_key)key))
            return error_set(error, "%s: set it in %s: %s = VALUE", section->origin[key],
                             options->config_file, conf_key_info((enum conf_key)key)->name);
    return 0;
}

static int check_command_flags(const struct options *options, struct error *error)
{
    if (options->as_json && options->action != OPTIONS_STATUS)
        return error_set(error, "--json works only with the command status");
    if (options->is_daemon && options->action != OPTIONS_SERVER)
        return error_set(error, "-d works only when a server is started");
    return 0;
}

static int take_file_operands(struct options *options, int count, char *const words[],
                              struct error *error)
{
    if (options->action == OPTIONS_SESSION)
        options->action = OPTIONS_SERVER;
    if ((count > 0 && operator_take_command(options, count, words, error) == -1) ||
        check_beside_file(options, error) == -1)
        return -1;
    return check_command_flags(options, error);
}

/* One session has no pool and no master. -u is for a superserver that starts it as root. */
static int check_without_server(const struct options *options, struct error *error)
{
    static const char mend[] = "works only for a server: add -b ADDRESS:PORT, or use -f FILE";
    const struct conf_section *section = &options->section;

    if (options->is_daemon)
        return error_set(error, "-d %s", mend);
    for (int key = 0; key < CONF_KEY_COUNT; key++)
        if (section->origin[key] != NULL && key != CONF_KEY_user && key != CONF_KEY_sandbox &&
            conf_key_info((enum conf_key)key)->scope != CONF_SCOPE_INSTANCE)
            return error_set(error, "%s %s", section->origin[key], mend);
    return 0;
}

static int take_server(struct options *options, int count, char *const words[],
                       struct error *error)
{
    if (count > 1)
        return error_set(error, "unexpected argument \"%s\" after the server; options come before "
                         "it",
                         words[1]);
    if (count == 0) {
        const struct conf_values *values = &options->section.values;

        if (values->server == NULL && !values->select_server && values->route == NULL)
            return error_set(error, "no server given: add HOST[:PORT], or let the client choose with "
                             "-e; see pop3.proxy --help");
        return 0;
    }
    return conf_set(&options->section, CONF_KEY_server, words[0], "command line", error);
}

/* Only --control: the command is for the server there, however that was started. */
static bool is_for_control_socket(const struct options *options)
{
    return options->listen_count == 0 && options->section.origin[CONF_KEY_control] != NULL;
}

/* A single operand is the server of a session, whatever its name. */
static bool needs_no_server(const struct options *options, int count, char *const words[])
{
    return options->listen_count == 0 && count == 2 &&
           strcmp(words[0], operator_command_word(OPTIONS_EXPLAIN)) == 0;
}

static int take_control_operands(struct options *options, int count, char *const words[],
                                 struct error *error)
{
    if (count == 0)
        return error_set(error, "%s needs a command (%s); or start a server with -b ADDRESS:PORT",
                         options->section.origin[CONF_KEY_control], operator_commands());
    if (operator_take_command(options, count, words, error) == -1)
        return -1;
    for (int key = 0; key < CONF_KEY_COUNT; key++)
        if (options->section.origin[key] != NULL && key != CONF_KEY_control)
            return error_set(error, "%s does not work with the command %s",
                             options->section.origin[key], words[0]);
    return check_command_flags(options, error);
}

/* A group has a section of its own in a file. */
static int refuse_group(const struct options *options, struct error *error)
{
    const struct conf_section *section = &options->section;
    const char *server = section->values.server;

    if (server == NULL || conf_group_name(server) == NULL)
        return 0;
    return error_set(error, "%s: server = %s: groups need -f FILE; name a server, or start with -f",
                     conf_origin(section, CONF_KEY_server), server);
}

/* A superserver gives a session a socket, never a terminal. So the word is a command there. */
static bool is_lonely_command(const struct options *options, int count, char *const words[])
{
    return options->listen_count == 0 && count == 1 && operator_is_word(words[0]) &&
           isatty(STDIN_FILENO) == 1;
}

static int refuse_lonely_command(const char *word, struct error *error)
{
    if (strcmp(word, operator_command_word(OPTIONS_EXPLAIN)) == 0)
        return error_set(error, "%s needs a word of the log, a reason or an event", word);
    return error_set(error,
                     "%s needs -f FILE or --control PATH; a server of that name is %s:110 here",
                     word, word);
}

static int take_operands(struct options *options, int count, char *const words[],
                         struct error *error)
{
    if (options->config_file != NULL)
        return take_file_operands(options, count, words, error);
    if (is_for_control_socket(options) || needs_no_server(options, count, words))
        return take_control_operands(options, count, words, error);
    if (is_lonely_command(options, count, words))
        return refuse_lonely_command(words[0], error);
    if (options->as_json)
        return error_set(error, "--json works only with the command status");
    if (options->listen_count > 0 && options->action == OPTIONS_SESSION)
        options->action = OPTIONS_SERVER;
    if (options->listen_count == 0 && check_without_server(options, error) == -1)
        return -1;
    if (take_server(options, count, words, error) == -1)
        return -1;
    return refuse_group(options, error);
}

/* What --help is to explain: after a "=" or as the next word. */
static int take_help(struct options *options, const char *next, struct error *error)
{
    if (options->name == NULL)
        options->name = next;
    if (options->name == NULL || help_is_about(options->name))
        return 0;
    return error_set(error, "--help %s: no group, key, option or command has this name; see pop3.proxy --help",
                     options->name);
}

/* ---- the whole ---- */

int options_parse(struct options *options, int argc, char *const argv[], struct error *error)
{
    struct option_tables tables = {0};
    int option;

    *options = (struct options){.action = OPTIONS_SESSION};
    conf_section_init(&options->section, "inetd", "command line");
    build_tables(&tables);
    opterr = 0;
    for (;;) {
        const char *argument = optind < argc ? argv[optind] : "";

        option = getopt_long(argc, argv, tables.shorts, tables.longs, NULL);
        if (option == -1)
            break;
        if (option == '?' || option == ':')
            return refuse_option(option, argument, error);
        if (take_option(options, option, error) == -1)
            return -1;
        if (options->action == OPTIONS_HELP)
            return take_help(options, argv[optind], error);
        if (options->action == OPTIONS_VERSION)
            return 0;
    }
    return take_operands(options, argc - optind, argv + optind, error);
}

void options_free(struct options *options)
{
    for (size_t i = 0; i < options->listen_count; i++)
        free(options->listens[i]);
    free(options->listens);
    free(options->config_file);
    conf_section_free(&options->section);
}

/* ---- what the user asked to see ---- */

void options_print_version(void)
{
#ifdef HAVE_TLS
    static const bool has_tls = true;
#else
    static const bool has_tls = false;
#endif

    puts("pop3.proxy " PACKAGE_VERSION);
    fputs(FEATURES, stdout);
    for (int i = SASL_MECHANISM_NONE + 1; i < SASL_MECHANISM_COUNT; i++)
        if (has_tls || i != SASL_MECHANISM_EXTERNAL) /* the certificate names the user */
            printf(" %s", sasl_mechanism_info((enum sasl_mechanism)i)->feature);
    putchar('\n');
}

/* ---- -T ---- */

static void print_mistake(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "%s\n", text);
}

static void print_warning(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "warning: %s\n", text);
}

static int load_tested(struct options *options, struct conf *conf)
{
    if (options->config_file != NULL)
        return conf_load(conf, options->config_file, &options->section, print_mistake, NULL);
    return conf_from_section(conf, &options->section, options->listens, options->listen_count,
                             print_mistake, NULL);
}

int options_test(struct options *options)
{
    const char *name = options->config_file != NULL ? options->config_file : "command line";
    struct conf conf;

    int code = EX_OK;

    if (load_tested(options, &conf) == -1)
        return EX_CONFIG;
    if (conf_try(&conf, print_mistake, print_warning, NULL) == -1)
        code = EX_CONFIG;
    else
        conf_warn(&conf, true, print_warning, NULL);
    if (code == EX_OK)
        printf("%s: ok (%zu instance%s)\n", name, conf.count, number_plural(conf.count));
    conf_free(&conf);
    return code;
}
