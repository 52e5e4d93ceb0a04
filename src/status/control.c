/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds the path of the control socket in the file, asks there and prints the answer.
 */
#include "status/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/complain.h"
#include "config/conf_ini.h"
#include "config/operator_command.h"
#include "status/control_ask.h"
#include "status/explain_command.h"
#include "status/route_command.h"
#include "status/top.h"
#include "status/trace_command.h"

static int print_answer(const char *path, const char *request)
{
    struct error error;
    size_t length;
    char *answer;
    int code;

    if (control_ask(path, request, &answer, &length, &code, &error) == -1) {
        complain("%s", error.text);
        return code;
    }
    code = EX_OK;
    if (fwrite(answer, 1, length, stdout) != length || fflush(stdout) != 0) {
        complain("standard output: %s", strerror(errno));
        code = EX_IOERR;
    }
    free(answer);
    return code;
}

/* A command that changes something: a word, a number where it has one, and the name. */
static int give_order(const char *path, const struct options *options)
{
    char request[CONTROL_REQUEST_MAX];
    const char *word = operator_command_word(options->action);

    if (options->action == OPTIONS_HOLD)
        snprintf(request, sizeof(request), "%s %lld %s", word, (long long)options->seconds,
                 options->name);
    else
        snprintf(request, sizeof(request), "%s %s", word, options->name);
    return print_answer(path, request);
}

static int run_command(const struct options *options, const char *path)
{
    switch (options->action) {
    case OPTIONS_STATUS:
        return print_answer(path, options->as_json ? "status --json" : "status");
    case OPTIONS_METRICS:
    case OPTIONS_SERVERS:
        return print_answer(path, operator_command_word(options->action));
    case OPTIONS_TOP:
        return top_run(path);
    case OPTIONS_TRACE:
        return trace_command_run(path, options);
    default:
        return give_order(path, options);
    }
}

/* The control socket that the command line names, or else the file. Returns 0, or -1 with `error`
 * set. The caller frees *path_r. */
static int find_path(const struct options *options, char **path_r, struct error *error)
{
    const char *given = options->section.values.control;

    *path_r = given == NULL ? NULL : strdup(given);
    if (*path_r != NULL)
        return 0;
    if (given != NULL)
        return error_set(error, "out of memory");
    if (conf_load_control(path_r, options->config_file, error) == -1)
        return -1;
    if (*path_r != NULL)
        return 0;
    return error_set(error,
                     "%s: no control socket; set control = PATH under [proxy] and reload the "
                     "server, or name the socket with --control PATH",
                     options->config_file);
}

int control_run(const struct options *options)
{
    struct error error;
    char *path;
    int code;

    if (options->action == OPTIONS_ROUTE)
        return route_command_run(options);
    if (options->action == OPTIONS_EXPLAIN)
        return explain_command_run(options->name);
    if (find_path(options, &path, &error) == -1) {
        complain("%s", error.text);
        return EX_CONFIG;
    }
    code = run_command(options, path);
    free(path);
    return code;
}
