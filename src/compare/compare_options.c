/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The options are a table of their own: none of them is a key of the file.
 */
#include "compare/compare_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/octet.h"
#include "config/help.h"

enum {
    POP3_PORT = 110,
    POP3S_PORT = 995,
    JOBS_DEFAULT = 8,
    JOBS_MAX = 256,
    TIMEOUT_DEFAULT_S = 60,
    TIMEOUT_MAX_S = 3600,
};

enum option_value {
    NO_OPTION,
#define COMPARE_OPTION(name, word, argument, help) name,
#include "compare/compare_option.def"
#undef COMPARE_OPTION
};

static const char *const arguments[] = {
#define COMPARE_OPTION(name, word, argument, help) [name] = (argument),
#include "compare/compare_option.def"
#undef COMPARE_OPTION
};

static const struct option longs[] = {
#define COMPARE_OPTION(name, word, argument, help)                                                 \
    {word, (argument) == NULL ? no_argument : required_argument, NULL, name},
#include "compare/compare_option.def"
#undef COMPARE_OPTION
    {0},
};

static const char *const helps[] = {
#define COMPARE_OPTION(name, word, argument, help) [name] = (help),
#include "compare/compare_option.def"
#undef COMPARE_OPTION
};

static const char *const tls_words[] = {"no", "stls", "implicit"};

void compare_options_print_help(void)
{
    char left[HELP_OPTION_BYTES + 40];

    puts("usage: pop3.proxy compare --old HOST[:PORT] --new HOST[:PORT] [options] <USERS\n"
         "\n"
         "Logs every user in at two servers and says which of them would download their\n"
         "mail again, which lack mail at the new server, and which cannot log in. Deletes\n"
         "nothing. With --hashes it takes back the marks that fetched mail has been read,\n"
         "which not every server allows. USERS has a line for each user: the login name, a blank, the password.\n");
    for (const struct option *option = longs; option->name != NULL; option++) {
        const char *argument = arguments[option->val];

        snprintf(left, sizeof(left), "  --%s%s%s", option->name, argument == NULL ? "" : " ",
                 argument == NULL ? "" : argument);
        help_print_entry(left, helps[option->val]);
    }
    puts("\n"
         "Exit status: 0 all are the same, 1 there are differences, 2 a user could not be\n"
         "compared: a login was refused, or a server failed.");
}

static int take_number(const char *option, const char *text, unsigned most, unsigned *number_r,
                       struct error *error)
{
    char *end;
    unsigned long number;

    errno = 0;
    number = strtoul(text, &end, 10);
    if (!octet_is_digit(text[0]) || *end != '\0' || errno != 0 || number < 1 || number > most)
        return error_set(error, "--%s %s: must be a number from 1 to %u", option, text, most);
    *number_r = (unsigned)number;
    return 0;
}

static int take_server(const char *option, const char *text, struct host_port *server,
                       struct error *error)
{
    if (host_port_parse(server, text) == 0)
        return 0;
    return error_set(error, "--%s %s: must be HOST[:PORT]", option, text);
}

static int take_tls(const char *option, const char *text, enum compare_tls *tls_r,
                    struct error *error)
{
    for (size_t i = 0; i < sizeof(tls_words) / sizeof(tls_words[0]); i++)
        if (strcmp(text, tls_words[i]) == 0) {
            *tls_r = (enum compare_tls)i;
            if (i != COMPARE_TLS_NO && !tls_is_built_in())
                return error_set(error, "--%s %s: this pop3.proxy was built without TLS", option, text);
            return 0;
        }
    return error_set(error, "--%s %s: must be no, stls or implicit", option, text);
}

static int take_option(struct compare_options *options, int value, const char *name,
                       struct error *error)
{
    unsigned seconds;

    switch ((enum option_value)value) {
    case NO_OPTION:
        break;
    case OLD:
        return take_server(name, optarg, &options->old, error);
    case NEW:
        return take_server(name, optarg, &options->new, error);
    case TLS:
        if (take_tls(name, optarg, &options->old_tls, error) == -1)
            return -1;
        options->new_tls = options->old_tls;
        return 0;
    case OLD_TLS:
        return take_tls(name, optarg, &options->old_tls, error);
    case NEW_TLS:
        return take_tls(name, optarg, &options->new_tls, error);
    case CA:
        options->ca = optarg;
        return 0;
    case NO_VERIFY:
        options->is_unverified = true;
        return 0;
    case USERS:
        options->users = optarg;
        return 0;
    case HASHES:
        options->with_hashes = true;
        return 0;
    case JOBS:
        return take_number(name, optarg, JOBS_MAX, &options->jobs, error);
    case TIMEOUT:
        if (take_number(name, optarg, TIMEOUT_MAX_S, &seconds, error) == -1)
            return -1;
        options->timeout_ms = 1000 * (int64_t)seconds;
        return 0;
    case JSON:
        options->as_json = true;
        return 0;
    case HELP:
        options->is_help = true;
        return 0;
    }
    return -1;
}

static void set_port(struct host_port *server, enum compare_tls tls)
{
    if (server->port == 0)
        server->port = tls == COMPARE_TLS_IMPLICIT ? POP3S_PORT : POP3_PORT;
}

/* What no single option decides. */
static int finish(struct compare_options *options, bool has_operand, struct error *error)
{
    if (has_operand)
        return error_set(error, "compare: unexpected argument: options come with two hyphens, and "
                                "passwords only from the file of users");
    if (options->old.host[0] == '\0' || options->new.host[0] == '\0')
        return error_set(error, "compare needs %s HOST[:PORT]; see pop3.proxy compare --help",
                         options->old.host[0] == '\0' ? "--old" : "--new");
    set_port(&options->old, options->old_tls);
    set_port(&options->new, options->new_tls);
    return 0;
}

int compare_options_parse(struct compare_options *options, int argc, char *const argv[],
                          struct error *error)
{
    enum compare_tls tls = tls_is_built_in() ? COMPARE_TLS_STLS : COMPARE_TLS_NO;
    int index = 0, value;

    *options = (struct compare_options){
        .old_tls = tls, .new_tls = tls, .jobs = JOBS_DEFAULT, .timeout_ms = 1000 * TIMEOUT_DEFAULT_S};
    opterr = 0;
    optind = 1;
    while (!options->is_help &&
           (value = getopt_long(argc, argv, "+:", longs, &index)) != -1) {
        const char *word = optind > 0 ? argv[optind - 1] : "";

        if (value == ':')
            return error_set(error, "%s needs a value; see pop3.proxy compare --help", word);
        if (value == '?')
            return error_set(error, "compare: unknown option %.*s; see pop3.proxy compare --help",
                             (int)strcspn(word, "="), word);
        if (take_option(options, value, longs[index].name, error) == -1)
            return -1;
    }
    return options->is_help ? 0 : finish(options, optind < argc, error);
}
