/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Formats the text. The part that a user typed may hold a line break; the message may not.
 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/octet.h"

int error_set(struct error *error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error->text, sizeof(error->text), format, arguments);
    va_end(arguments);
    octets_make_line(error->text);
    return -1;
}
