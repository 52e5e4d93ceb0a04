/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parses the words of a command. Their order is fixed, so a user may be called like an option.
 */
#include "config/operator_command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/octet.h"

enum { TRACE_DEFAULT_S = 600, TRACE_MAX_S = 86400 };

static const struct command {
    const char *word;
    enum options_action action;
    const char *arguments;
    const char *help;
    struct operator_order order;
} commands[] = {
/* clang-format off */
#define ASKS        NULL, false
#define OF_USER     "user", false
#define OF_USER_FOR "user", true
#define OF_SERVER   "server", false
/* clang-format on */
#define OPERATOR_COMMAND(name, word, arguments, help, order)                                       \
    {word, OPTIONS_##name, arguments, help, {word, order}},
#include "config/operator_command.def"
#undef OPERATOR_COMMAND
#undef ASKS
#undef OF_USER
#undef OF_USER_FOR
#undef OF_SERVER
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static const struct command *find(const char *word)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].word, word) == 0)
            return &commands[i];
    return NULL;
}

const char *operator_command_word(enum options_action action)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (commands[i].action == action)
            return commands[i].word;
    return "";
}

const struct operator_order *operator_order_find(const char *request)
{
    size_t length = strcspn(request, " ");

    for (size_t i = 0; i < COMMANDS; i++)
        if (commands[i].order.key != NULL && strlen(commands[i].word) == length &&
            strncmp(commands[i].word, request, length) == 0)
            return &commands[i].order;
    return NULL;
}

bool operator_is_command(enum options_action action)
{
    return operator_command_word(action)[0] != '\0';
}

const char *operator_commands(void)
{
#define OPERATOR_COMMAND(name, word, arguments, help, order) ", " word
    static const char words[] =
#include "config/operator_command.def"
        ;
#undef OPERATOR_COMMAND

    return words + 2;
}

bool operator_is_word(const char *word)
{
    return find(word) != NULL;
}

void operator_print_help(const char *word, void (*print)(const char *left, const char *text))
{
    char left[80];

    for (size_t i = 0; i < COMMANDS; i++) {
        if (word != NULL && strcmp(word, commands[i].word) != 0)
            continue;
        snprintf(left, sizeof(left), "  %s%s%s", commands[i].word,
                 commands[i].arguments[0] == '\0' ? "" : " ", commands[i].arguments);
        print(left, commands[i].help);
    }
}

/* ---- what follows a command ---- */

/* The next word; NULL when there is none. */
static const char *next(int *count, char *const **words)
{
    if (*count == 0)
        return NULL;
    (*count)--;
    return *(*words)++;
}

/* One line of the control socket has room for it. */
static int take_name(struct options *options, const char *name, const struct command *command,
                     struct error *error)
{
    if (name == NULL || name[0] == '\0')
        return error_set(error, "%s needs %s", command->word, command->arguments);
    if (strlen(name) > OPERATOR_NAME_MAX)
        return error_set(error, "%s: the name is too long", command->word);
    for (const char *c = name; *c != '\0'; c++)
        if (octet_is_control(*c))
            return error_set(error, "%s: invalid characters in the name", command->word);
    options->name = name;
    return 0;
}

static int take_seconds(struct options *options, const char *text, const struct command *command,
                        struct error *error)
{
    char *end;

    if (text == NULL)
        return error_set(error, "%s needs %s", command->word, command->arguments);
    errno = 0;
    options->seconds = strtol(text, &end, 10);
    if (!octet_is_digit(text[0]) || *end != '\0' || errno != 0 || options->seconds < 1 ||
        options->seconds > OPERATOR_HOLD_MAX_S)
        return error_set(error, "%s: \"%s\" must be a number of seconds from 1 to %d",
                         command->word, text, OPERATOR_HOLD_MAX_S);
    return 0;
}

/* The options of `route`, in any order. */
static int take_route(struct options *options, int *count, char *const **words,
                      const struct command *command, struct error *error)
{
    struct address parsed;
    const char *option;

    if (options->config_file == NULL)
        return error_set(error, "route needs -f FILE: it reads the file and asks no server");
    if (take_name(options, next(count, words), command, error) == -1)
        return -1;
    while ((option = next(count, words)) != NULL) {
        const char *value = next(count, words);
        bool is_client = strcmp(option, "--client") == 0;

        if (!is_client && strcmp(option, "--sni") != 0)
            return error_set(error, "unexpected argument \"%s\" after route LOGIN", option);
        if (value == NULL)
            return error_set(error, "%s needs a value; see pop3.proxy --help", option);
        if (is_client && address_from_literal(&parsed, value, 0) == -1)
            return error_set(error, "--client %s: must be an address", value);
        *(is_client ? &options->client : &options->sni) = value;
    }
    return 0;
}

/* A number with s, m or h after it, or without. */
static int take_duration(struct options *options, const char *text, struct error *error)
{
    char *unit;

    errno = 0;
    options->seconds = strtol(text, &unit, 10);
    if (octet_is_digit(text[0]) && errno == 0 && options->seconds <= TRACE_MAX_S &&
        (unit[0] == '\0' || (strchr("smh", unit[0]) != NULL && unit[1] == '\0')))
        options->seconds *= unit[0] == 'm' ? 60 : unit[0] == 'h' ? 3600 : 1;
    else
        options->seconds = 0;
    if (options->seconds >= 1 && options->seconds <= TRACE_MAX_S)
        return 0;
    return error_set(error, "--for %s: must be a duration from 1s to 24h, such as 10m", text);
}

/* The options of `trace`, in any order. */
static int take_trace(struct options *options, int *count, char *const **words,
                      const struct command *command, struct error *error)
{
    const char *option;

    options->seconds = TRACE_DEFAULT_S;
    if (take_name(options, next(count, words), command, error) == -1)
        return -1;
    while ((option = next(count, words)) != NULL) {
        const char *value = next(count, words);
        bool is_for = strcmp(option, "--for") == 0;

        if (!is_for && strcmp(option, "--output") != 0)
            return error_set(error, "unexpected argument \"%s\" after trace USER|ADDRESS", option);
        if (value == NULL || value[0] == '\0')
            return error_set(error, "%s needs a value; see pop3.proxy --help", option);
        if (is_for && take_duration(options, value, error) == -1)
            return -1;
        if (!is_for)
            options->output = value;
    }
    return 0;
}

static int take_arguments(struct options *options, int *count, char *const **words,
                          const struct command *command, struct error *error)
{
    switch (command->action) {
    case OPTIONS_STATUS:
        if (*count > 0 && strcmp(**words, "--json") == 0 && next(count, words) != NULL)
            options->as_json = true;
        return 0;
    case OPTIONS_DRAIN:
    case OPTIONS_READY:
    case OPTIONS_KICK:
    case OPTIONS_RELEASE:
    case OPTIONS_EXPLAIN:
        return take_name(options, next(count, words), command, error);
    case OPTIONS_HOLD:
        if (take_name(options, next(count, words), command, error) == -1)
            return -1;
        return take_seconds(options, next(count, words), command, error);
    case OPTIONS_TRACE:
        return take_trace(options, count, words, command, error);
    case OPTIONS_ROUTE:
        return take_route(options, count, words, command, error);
    default:
        return 0;
    }
}

int operator_take_command(struct options *options, int count, char *const words[],
                          struct error *error)
{
    const struct command *command = find(words[0]);

    if (options->action == OPTIONS_TEST)
        return error_set(error, "unexpected argument \"%s\": -T only checks the settings", words[0]);
    if (command == NULL && options->config_file == NULL)
        return error_set(error,
                         "--control PATH takes a command, not \"%s\": use one of %s; for a server "
                         "add -b ADDRESS:PORT, or use -f FILE",
                         words[0], operator_commands());
    if (command == NULL)
        return error_set(error,
                         "unknown command \"%s\": use one of %s (servers are set in %s)", words[0],
                         operator_commands(), options->config_file);
    options->action = command->action;
    count--;
    words++;
    if (take_arguments(options, &count, &words, command, error) == -1)
        return -1;
    if (count > 0)
        return error_set(error, "unexpected argument \"%s\" after %s", words[0], command->word);
    return 0;
}
