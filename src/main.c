/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pop3.proxy: parses the command line and runs what it asks for. Only this file and children after
 * a fork exit.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/complain.h"
#include "compare/compare.h"
#include "config/help.h"
#include "config/options.h"
#include "master/inetd.h"
#include "master/master.h"
#include "status/control.h"
#include "tls/tls.h"

/* Opens the standard descriptors that are closed: a log socket must not become one of them. */
static void fill_standard_descriptors(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

/* A full disk or a closed pipe must not look like success. */
static int finish_output(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    complain("standard output: %s", strerror(errno));
    return EX_IOERR;
}

int main(int argc, char *argv[])
{
    struct options options;
    struct error error;
    int code = EX_OK;

    fill_standard_descriptors();
    tls_init();
    if (argc > 2 && strcmp(argv[1], "compare") == 0) { /* alone it is a server */
        code = compare_run(argc - 1, argv + 1);
        return finish_output(EX_OK) == EX_OK ? code : COMPARE_EXIT_TROUBLE;
    }
    if (options_parse(&options, argc, argv, &error) == -1) {
        inetd_refuse(error.text);
        options_free(&options);
        return EX_USAGE;
    }
    switch (options.action) {
    case OPTIONS_HELP:
        help_print(options.name);
        code = finish_output(code);
        break;
    case OPTIONS_VERSION:
        options_print_version();
        code = finish_output(code);
        break;
    case OPTIONS_TEST:
        code = finish_output(options_test(&options));
        break;
    case OPTIONS_SESSION:
        code = inetd_run(&options.section);
        break;
    case OPTIONS_SERVER:
        code = master_run(&options, argv);
        break;
    default:
        code = finish_output(control_run(&options));
        break;
    }
    options_free(&options);
    return code;
}
