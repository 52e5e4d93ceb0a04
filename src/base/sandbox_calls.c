/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of system calls. The numbers of those in the table are looked up before they are needed,
 * because the handler of a forbidden call cannot use libseccomp, which allocates memory.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/sandbox_parts.h"

#ifdef HAVE_SECCOMP

#include <seccomp.h>

static struct {
    const char *name;
    int number; /* negative: this processor, or libseccomp, does not have it */
} calls[] = {
#define CALL(name, groups)   {#name, -1},
#define DANGER(name, groups) {#name, -1},
#define NEVER(name)          {#name, -1},
#define PARTLY(name)         {#name, -1},
#include "base/sandbox_calls.def"
#undef CALL
#undef DANGER
#undef NEVER
#undef PARTLY
};
enum { CALL_COUNT = sizeof(calls) / sizeof(calls[0]) };

void sandbox_calls_prepare(void)
{
    static bool is_done;

    for (size_t i = 0; i < CALL_COUNT && !is_done; i++)
        calls[i].number = seccomp_syscall_resolve_name(calls[i].name);
    is_done = true;
}

const char *sandbox_call_word(long number)
{
    for (size_t i = 0; i < CALL_COUNT; i++)
        if (calls[i].number >= 0 && calls[i].number == number)
            return calls[i].name;
    return NULL;
}

static char *new_name(long number)
{
    return number < 0 || number > INT32_MAX
               ? NULL
               : seccomp_syscall_resolve_num_arch(seccomp_arch_native(), (int)number);
}

#else

void sandbox_calls_prepare(void)
{
}

const char *sandbox_call_word(long number)
{
    (void)number;
    return NULL;
}

static char *new_name(long number)
{
    (void)number;
    return NULL;
}

#endif

void sandbox_call_name(long number, char name[SANDBOX_CALL_SIZE])
{
    const char *word = sandbox_call_word(number);
    char *known = word == NULL ? new_name(number) : NULL;

    if (word != NULL || known != NULL)
        snprintf(name, SANDBOX_CALL_SIZE, "%s", word != NULL ? word : known);
    else
        snprintf(name, SANDBOX_CALL_SIZE, "number %ld", number);
    free(known);
}
