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

#include "base/complain.h"
#include "config/conf_ini.h"
#include "status/control_ask.h"
#include "status/top.h"

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

    if (conf_load(&conf, options->config_file, &options->section, complain_text, NULL) == -1)
        return EX_CONFIG;
    if (conf.proxy.values.control != NULL) {
        code = run_command(options, conf.proxy.values.control);
    } else {
        complain("%s: no control socket; set control = PATH under [proxy] and reload the server",
                 options->config_file);
        code = EX_CONFIG;
    }
    conf_free(&conf);
    return code;
}
