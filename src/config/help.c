/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The overview has what is needed to start, and names the groups of all other options.
 */
#include "config/help.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config/conf_keys.h"
#include "config/operator_command.h"

enum { WIDTH = 79, COLUMN = 28, GROUP_COLUMN = 14 };

/* The rows of the table of keys: a group begins with its word and its title. */
static const struct row {
    const char *word; /* NULL: a key */
    const char *title;
    int key;
} rows[] = {
#define HEADING(group, text)   {.word = group, .title = text},
#define CONF_FLAG(name, ...)   {.key = CONF_KEY_##name},
#define CONF_NUMBER(name, ...) {.key = CONF_KEY_##name},
#define CONF_TEXT(name, ...)   {.key = CONF_KEY_##name},
#define CONF_CHOICE(name, ...) {.key = CONF_KEY_##name},
#include "config/conf_keys.def"
#undef CONF_FLAG
#undef CONF_NUMBER
#undef CONF_TEXT
#undef CONF_CHOICE
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

/* The options that are not keys. */
static const struct own {
    char letter;
    const char *name;
    const char *argument;
    const char *text;
} own[] = {
    {'f', "config", " FILE", "read the settings from FILE"},
    {'d', "daemon", "", "run in the background, once the server is ready"},
    {'T', "test-config", "", "check the settings, print every mistake, and exit"},
    {'h', "help", " [NAME]", "print this help, or explain NAME"},
    {'V', "version", "", "print the version and the features, and exit"},
};

enum { OWN = sizeof(own) / sizeof(own[0]) };

void help_option_name(char name[HELP_OPTION_BYTES], const char *key_name)
{
    snprintf(name, HELP_OPTION_BYTES, "%s", key_name);
    for (char *c = name; *c != '\0'; c++)
        if (*c == '_')
            *c = '-';
}

/* ---- columns ---- */

/* Prints words from `column` on, and further lines from `margin` on. */
static void print_wrapped(const char *text, int column, int margin)
{
    while (*text != '\0') {
        size_t blanks = strspn(text, " ");
        size_t word = strcspn(text + blanks, " ");

        if (column + (int)(blanks + word) > WIDTH) {
            printf("\n%*s", margin, "");
            column = margin;
            text += blanks;
            blanks = 0;
        }
        column += printf("%.*s", (int)(blanks + word), text);
        text += blanks + word;
    }
    putchar('\n');
}

void help_print_entry(const char *left, const char *text)
{
    int column = printf("%s", left);

    if (column >= COLUMN - 1) {
        putchar('\n');
        column = 0;
    }
    column += printf("%*s", COLUMN - column, "");
    print_wrapped(text, column, COLUMN);
}

static void print_own(const struct own *option)
{
    char left[HELP_OPTION_BYTES + 16];

    snprintf(left, sizeof(left), "  -%c, --%s%s", option->letter, option->name, option->argument);
    help_print_entry(left, option->text);
}

/* ---- one key ---- */

static const char *name_of(enum conf_key key, char name[HELP_OPTION_BYTES])
{
    help_option_name(name, key == CONF_KEY_listen ? "bind" : conf_key_info(key)->name);
    return name;
}

/* The default of some keys depends on others; their help says so. */
static bool has_own_default(enum conf_key key)
{
    return conf_key_info(key)->default_text != NULL && key != CONF_KEY_max_per_ip &&
           key != CONF_KEY_max_sessions_per_ip;
}

static void print_key(enum conf_key key)
{
    const struct conf_key_info *info = conf_key_info(key);
    bool has_default = info->argument != NULL && has_own_default(key);
    char name[HELP_OPTION_BYTES];
    char left[HELP_OPTION_BYTES + 80];
    char text[400];
    char letter[] = "    ";

    if (info->option != 0)
        snprintf(letter, sizeof(letter), "-%c, ", info->option);
    snprintf(left, sizeof(left), "  %s%s%s%s%s", conf_key_is_of_group(key) ? "" : letter,
             conf_key_is_of_group(key) ? "" : "--",
             conf_key_is_of_group(key) ? info->name : name_of(key, name),
             info->argument != NULL ? " " : "", info->argument != NULL ? info->argument : "");
    snprintf(text, sizeof(text), has_default ? "%s (%s)" : "%s", info->help, info->default_text);
    help_print_entry(left, text);
}

static const char *section_of(enum conf_scope scope)
{
    switch (scope) {
    case CONF_SCOPE_PROXY:
        return "[proxy]";
    case CONF_SCOPE_GROUP:
        return "[group NAME]";
    case CONF_SCOPE_POOL:
    case CONF_SCOPE_INSTANCE:
        break;
    }
    return "[instance NAME]; in [proxy] it is for all instances";
}

static void print_values(const struct conf_key_info *info)
{
    if (info->argument == NULL)
        puts("  Values:   yes, no");
    else if (info->rule.unit != NULL)
        printf("  Values:   %" PRId64 " to %" PRId64 " %s\n", info->rule.min, info->rule.max,
               info->rule.unit);
    else
        printf("  Values:   %s\n", info->argument);
}

static void explain_key(enum conf_key key)
{
    const struct conf_key_info *info = conf_key_info(key);
    char name[HELP_OPTION_BYTES];

    printf("%s: ", info->name);
    print_wrapped(info->help, (int)strlen(info->name) + 2, 2);
    putchar('\n');
    print_values(info);
    if (has_own_default(key) || info->default_text == NULL)
        printf("  Default:  %s\n", info->default_text == NULL ? "not set" : info->default_text);
    printf("  In FILE:  %s = VALUE\n", info->name);
    printf("  Section:  %s\n", section_of(info->scope));
    if (conf_key_is_of_group(key))
        puts("  Option:   none; groups need a file");
    else if (info->option != 0)
        printf("  Option:   -%c, --%s\n", info->option, name_of(key, name));
    else
        printf("  Option:   --%s\n", name_of(key, name));
    puts("\nMore: man 5 pop3.proxy.conf");
}

/* ---- the overview, and a group ---- */

/* One after the first row of a group: its end. */
static size_t end_of_group(size_t first)
{
    while (first < ROWS && rows[first].word == NULL)
        first++;
    return first;
}

static void print_keys_of(size_t group)
{
    printf("%s:\n", rows[group].title);
    for (size_t i = group + 1; i < end_of_group(group + 1); i++)
        if (rows[i].key != CONF_KEY_server)
            print_key((enum conf_key)rows[i].key);
}

static void print_own_options(void)
{
    for (size_t i = 0; i < OWN; i++)
        print_own(&own[i]);
}

static void print_commands(void)
{
    puts("Commands for operators, after -f FILE or --control PATH:");
    operator_print_help(NULL, help_print_entry);
}

static void print_usage(void)
{
    puts("pop3.proxy - POP3 proxy server\n"
         "\n"
         "usage: pop3.proxy [options] SERVER                  one session, for inetd\n"
         "       pop3.proxy [options] -b ADDRESS:PORT SERVER  a server\n"
         "       pop3.proxy -f FILE [-d]                      a server, set up by FILE\n"
         "       pop3.proxy -f FILE COMMAND                   ask or order that server\n"
         "       pop3.proxy compare --old HOST --new HOST     what a move means to users\n"
         "\n"
         "SERVER is HOST[:PORT] or [IPV6]:PORT. Defaults are in parentheses.");
}

/* What a server started by hand needs. */
static bool is_common(enum conf_key key)
{
    enum conf_scope scope = conf_key_info(key)->scope;

    return key == CONF_KEY_log || (conf_key_info(key)->option != 0 &&
                                   (scope == CONF_SCOPE_PROXY || scope == CONF_SCOPE_POOL));
}

static void print_groups(void)
{
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].word != NULL)
            printf("  %-*s%s\n", GROUP_COLUMN, rows[i].word, rows[i].title);
    printf("  %-*s%s\n", GROUP_COLUMN, "commands", "What each command does");
}

static void print_overview(void)
{
    print_usage();
    puts("\nCommon options:");
    print_own_options();
    for (int key = 0; key < CONF_KEY_COUNT; key++)
        if (is_common((enum conf_key)key))
            print_key((enum conf_key)key);
    puts("\nCommands:");
    print_wrapped(operator_commands(), printf("  "), 2);
    puts("\nMore, with --help NAME: an option, a key of FILE, a command, all, or a group:");
    print_groups();
    puts("\nTry it: pop3.proxy mail.example.net, then type: USER name\n"
         "The manual: man pop3.proxy");
}

static void print_all(void)
{
    print_usage();
    puts("With -e it may be -, for none. Each option --NAME is also a key of FILE, with _\n"
         "in place of -. With -f all settings are in FILE, but -u, -p, -n and --log\n"
         "override it.");
    for (size_t i = 0; i < ROWS; i = end_of_group(i + 1)) {
        putchar('\n');
        print_keys_of(i);
    }
    putchar('\n');
    print_commands();
    puts("\nOther options:");
    print_own_options();
}

/* ---- about one ---- */

/* What a name may stand for: more than one, as a key of groups may be called as one of instances. */
struct found {
    enum conf_key key, of_group; /* CONF_KEY_COUNT: none */
    const struct own *own;
    size_t group; /* its row; ROWS: none */
    bool is_command;
    bool is_commands;
    bool is_all;
};

/* "--login-timeout" -> "login_timeout" */
static void key_name(char name[HELP_OPTION_BYTES], const char *word)
{
    snprintf(name, HELP_OPTION_BYTES, "%s", word + strspn(word, "-"));
    for (char *c = name; *c != '\0'; c++)
        if (*c == '-')
            *c = '_';
}

static bool is_letter(const char *word)
{
    return word[0] == '-' && word[1] != '\0' && word[1] != '-' && word[2] == '\0';
}

static void find_letter(struct found *found, char letter)
{
    for (int key = 0; key < CONF_KEY_COUNT; key++)
        if (conf_key_info((enum conf_key)key)->option == letter)
            found->key = (enum conf_key)key;
    for (size_t i = 0; i < OWN; i++)
        if (own[i].letter == letter)
            found->own = &own[i];
}

static void find_name(struct found *found, const char *word)
{
    char name[HELP_OPTION_BYTES];

    key_name(name, word);
    found->key = strcmp(name, "bind") == 0 ? CONF_KEY_listen : conf_key_find(name);
    found->of_group = conf_key_find_in_group(name);
    for (size_t i = 0; i < OWN; i++)
        if (strcmp(word + strspn(word, "-"), own[i].name) == 0)
            found->own = &own[i];
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].word != NULL && strcmp(word, rows[i].word) == 0)
            found->group = i;
    found->is_command = operator_is_word(word);
    found->is_commands = strcmp(word, "commands") == 0;
    found->is_all = strcmp(word, "all") == 0;
}

static struct found find(const char *word)
{
    struct found found = {.key = CONF_KEY_COUNT, .of_group = CONF_KEY_COUNT, .group = ROWS};

    if (is_letter(word))
        find_letter(&found, word[1]);
    else
        find_name(&found, word);
    return found;
}

bool help_is_about(const char *name)
{
    struct found found = find(name);

    return found.key != CONF_KEY_COUNT || found.of_group != CONF_KEY_COUNT || found.own != NULL ||
           found.group != ROWS || found.is_command || found.is_commands || found.is_all;
}

static void print_found(const struct found *found, const char *name)
{
    if (found->key != CONF_KEY_COUNT)
        explain_key(found->key);
    if (found->key != CONF_KEY_COUNT && found->of_group != CONF_KEY_COUNT)
        putchar('\n');
    if (found->of_group != CONF_KEY_COUNT)
        explain_key(found->of_group);
    if (found->own != NULL)
        print_own(found->own);
    if (found->group != ROWS)
        print_keys_of(found->group);
    if (found->is_command)
        operator_print_help(name, help_print_entry);
    if (found->is_commands)
        print_commands();
    if (found->is_all)
        print_all();
}

void help_print(const char *name)
{
    struct found found;

    if (name == NULL) {
        print_overview();
        return;
    }
    found = find(name);
    print_found(&found, name);
}
