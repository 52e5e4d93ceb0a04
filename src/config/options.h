/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command line. Every key of the configuration is a long option as well; the short options
 * come from the same table.
 */
#ifndef CONFIG_OPTIONS_H
#define CONFIG_OPTIONS_H

#include "config/conf.h"

enum options_action {
    OPTIONS_SESSION, /* one session on descriptors 0 and 1 */
    OPTIONS_SERVER,  /* a server, from `config_file` or on `listens` */
    OPTIONS_TEST,    /* check the settings of a session or a server */
    OPTIONS_HELP,    /* print the help */
    OPTIONS_VERSION, /* print version and features */
    /* Commands for operators. */
#define OPERATOR_COMMAND(name, word, arguments, help, order) OPTIONS_##name,
#include "config/operator_command.def"
#undef OPERATOR_COMMAND
};

/* options_free() frees what it points to. */
struct options {
    enum options_action action;
    struct conf_section section; /* the settings given; with a file, those that override it */
    char *config_file;           /* absolute; NULL without -f */
    char **listens;              /* each checked; none together with a file */
    size_t listen_count;
    bool is_daemon;
    /* Of commands for operators; the texts are those of argv. */
    bool as_json;
    const char *name; /* a user, a session, what --help explains; NULL: none */
    int64_t seconds;
    const char *output; /* a file; NULL: standard output */
    const char *client; /* address of the client; NULL: not given */
    const char *sni;    /* name that the client asks for with TLS; NULL: it does not use TLS */
};

/* Parses argv. The first operand ends the options (getopt does not permute). Returns 0, or -1 with
 * `error` set: a mistake of the user, exit code 64. Paths in the result are absolute. */
int options_parse(struct options *options, int argc, char *const argv[], struct error *error);
void options_free(struct options *options);

void options_print_version(void);

/*
 * -T: prints every mistake of the settings to standard error, then the warnings. If there is no
 * mistake, prints to standard output that the settings are ok and how many instances they have.
 * Takes the options' section over. Returns the exit code, 0 or 78.
 */
int options_test(struct options *options);

#endif
