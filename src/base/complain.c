/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One form for all messages on standard error.
 */
#include "base/complain.h"

#include <stdarg.h>
#include <stdio.h>

void complain(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("pop3.proxy: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

void complain_text(void *unused, const char *text)
{
    (void)unused;
    complain("%s", text);
}
