/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * argv to settings. The options come from the key table; this file adds only those that are no
 * setting, and the operand.
 */
#include "config/options.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

/* Long-only options are told apart by values beyond any character. */
enum {
    OPTION_KEY_BASE = 1000,
    OWN_OPTIONS = 2, /* --help, --version */
    LONG_OPTIONS = CONF_KEY_COUNT + OWN_OPTIONS + 1,
    LONG_NAME_BYTES = 40,
    HELP_COLUMN = 32,
};

struct option_tables {
    char names[CONF_KEY_COUNT][LONG_NAME_BYTES];
    struct option longs[LONG_OPTIONS];
    char shorts[2 * CONF_KEY_COUNT + 8];
};

/* login_timeout -> login-timeout */
static void long_name(char name[LONG_NAME_BYTES], const char *key_name)
{
    snprintf(name, LONG_NAME_BYTES, "%s", key_name);
    for (char *c = name; *c != '\0'; c++)
        if (*c == '_')
            *c = '-';
}

static void build_tables(struct option_tables *tables)
{
    char *shorts = tables->shorts;
    struct option *to = tables->longs;

    *tables = (struct option_tables){0};
    *shorts++ = '+'; /* the first operand ends the options */
    *shorts++ = ':'; /* a missing argument is told apart from an unknown option */
    for (int key = 0; key < CONF_KEY_COUNT; key++) {
        const struct conf_key_info *info = conf_key_info((enum conf_key)key);

        long_name(tables->names[key], info->name);
        *to++ = (struct option){
            .name = tables->names[key],
            .has_arg = info->type == CONF_TYPE_FLAG ? no_argument : required_argument,
            .val = OPTION_KEY_BASE + key,
        };
        if (info->option == 0)
            continue;
        *shorts++ = info->option;
        if (info->type != CONF_TYPE_FLAG)
            *shorts++ = ':';
    }
    *to++ = (struct option){.name = "help", .val = 'h'};
    *to++ = (struct option){.name = "version", .val = 'V'};
    strcpy(shorts, "hV");
}

/* The key an option's value stands for, or CONF_KEY_COUNT. */
static enum conf_key key_of_option(int option)
{
    if (option >= OPTION_KEY_BASE)
        return (enum conf_key)(option - OPTION_KEY_BASE);
    for (int key = 0; key < CONF_KEY_COUNT; key++)
        if (conf_key_info((enum conf_key)key)->option == option)
            return (enum conf_key)key;
    return CONF_KEY_COUNT;
}

/* How the user wrote the option just parsed, for messages. */
static void option_as_written(char *text, size_t size, enum conf_key key, int option)
{
    char name[LONG_NAME_BYTES];

    if (option < OPTION_KEY_BASE) {
        snprintf(text, size, "-%c", option);
        return;
    }
    long_name(name, conf_key_info(key)->name);
    snprintf(text, size, "--%s", name);
}

/* A path on the command line may be relative; what runs later has another working directory. */
static int set_from_option(struct conf_section *section, enum conf_key key, const char *value,
                           const char *place, struct error *error)
{
    char absolute[PATH_MAX];
    char here[PATH_MAX];

    if (!conf_key_is_path(key) || value[0] == '/' || value[0] == '\0')
        return conf_set(section, key, value, place, error);
    if (getcwd(here, sizeof(here)) == NULL ||
        (size_t)snprintf(absolute, sizeof(absolute), "%s/%s", here, value) >= sizeof(absolute))
        return error_set(error, "%s: %s: give an absolute path", place, value);
    return conf_set(section, key, absolute, place, error);
}

static int take_option(struct options *options, int option, struct error *error)
{
    char place[LONG_NAME_BYTES + 2];
    enum conf_key key;

    if (option == 'h' || option == 'V') {
        options->action = option == 'h' ? OPTIONS_HELP : OPTIONS_VERSION;
        return 0;
    }
    key = key_of_option(option);
    option_as_written(place, sizeof(place), key, option);
    return set_from_option(&options->section, key, optarg != NULL ? optarg : "yes", place, error);
}

static int refuse_option(int option, const char *argument, struct error *error)
{
    if (option == ':')
        return error_set(error, "%s needs a value; see pop3.proxy --help", argument);
    if (optopt > 0 && optopt < OPTION_KEY_BASE && strncmp(argument, "--", 2) != 0)
        return error_set(error, "-%c is no option; see pop3.proxy --help", optopt);
    return error_set(error, "%s is no option, or has a value it does not take; see pop3.proxy "
                     "--help",
                     argument);
}

static int take_operands(struct options *options, int argc, char *const argv[],
                         struct error *error)
{
    if (argc - optind > 1)
        return error_set(error, "one server only: \"%s\" is too much; options come first",
                         argv[optind + 1]);
    if (argc == optind) {
        if (!options->section.values.select_server)
            return error_set(error, "no server given: name HOST[:PORT], or let the client choose "
                             "with -e; see pop3.proxy --help");
        return 0;
    }
    return conf_set(&options->section, CONF_KEY_server, argv[optind], "command line", error);
}

int options_parse(struct options *options, int argc, char *const argv[], struct error *error)
{
    struct option_tables tables;
    int option;

    *options = (struct options){.action = OPTIONS_SESSION};
    conf_section_init(&options->section, "command line");
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
        if (options->action != OPTIONS_SESSION)
            return 0;
    }
    return take_operands(options, argc, argv, error);
}

void options_free(struct options *options)
{
    conf_section_free(&options->section);
}

/* ---- what the user asked to see ---- */

static void print_key_help(enum conf_key key)
{
    const struct conf_key_info *info = conf_key_info(key);
    char name[LONG_NAME_BYTES];
    char left[LONG_NAME_BYTES + 40];
    char letter[] = "    ";

    if (info->option != 0)
        snprintf(letter, sizeof(letter), "-%c, ", info->option);
    long_name(name, info->name);
    if (info->argument != NULL)
        snprintf(left, sizeof(left), "  %s--%s %s", letter, name, info->argument);
    else
        snprintf(left, sizeof(left), "  %s--%s", letter, name);
    if (strlen(left) >= HELP_COLUMN)
        printf("%s\n%*s", left, HELP_COLUMN, "");
    else
        printf("%-*s", HELP_COLUMN, left);
    if (info->type == CONF_TYPE_FLAG || info->default_text == NULL)
        printf("%s\n", info->help);
    else
        printf("%s (%s)\n", info->help, info->default_text);
}

void options_print_help(void)
{
    puts("pop3.proxy - POP3 proxy server\n"
         "\n"
         "usage: pop3.proxy [options] server     one session on standard input and output,\n"
         "                                       as a superserver such as inetd starts it\n"
         "\n"
         "server is HOST[:PORT], [IPV6]:PORT, or - for none (with -e).\n"
         "\n"
         "options (defaults in parentheses):");
    for (int key = 0; key < CONF_KEY_COUNT; key++)
        if (key != CONF_KEY_server)
            print_key_help((enum conf_key)key);
    puts("  -h, --help                    this text\n"
         "  -V, --version                 the version, and the features built in\n"
         "\n"
         "Try it: pop3.proxy mail.example.net, then type: USER name\n"
         "The manual: man pop3.proxy");
}

void options_print_version(void)
{
    puts("pop3.proxy " PACKAGE_VERSION);
    puts(FEATURES);
}
