/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the path of the control socket from the file, asks there and prints the answer.
 */
#include "status/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "config/conf_ini.h"
#include "status/control_ask.h"
#include "status/top.h"

static void report_to_stderr(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "pop3.proxy: %s\n", text);
}

static int print_answer(const char *path, const char *request)
{
    struct error error;
    size_t length;
    char *answer;
    int code;

    if (control_ask(path, request, &answer, &length, &code, &error) == -1) {
        fprintf(stderr, "pop3.proxy: %s\n", error.text);
        return code;
    }
    code = EX_OK;
    if (fwrite(answer, 1, length, stdout) != length || fflush(stdout) != 0) {
        fprintf(stderr, "pop3.proxy: standard output: %s\n", strerror(errno));
        code = EX_IOERR;
    }
    free(answer);
    return code;
}

static int run_command(const struct options *options, const char *path)
{
    switch (options->action) {
    case OPTIONS_STATUS:
        return print_answer(path, options->as_json ? "status --json" : "status");
    case OPTIONS_METRICS:
        return print_answer(path, "metrics");
    default:
        return top_run(path);
    }
}

int control_run(const struct options *options)
{
    struct conf conf;
    int code;

    if (conf_load(&conf, options->config_file, &options->section, report_to_stderr, NULL) == -1)
        return EX_CONFIG;
    if (conf.proxy.values.control != NULL) {
        code = run_command(options, conf.proxy.values.control);
    } else {
        fprintf(stderr,
                "pop3.proxy: %s: no control socket; give control = FILE under [proxy], and reload "
                "the server\n",
                options->config_file);
        code = EX_CONFIG;
    }
    conf_free(&conf);
    return code;
}
