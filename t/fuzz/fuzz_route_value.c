/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz target for the value language: the input is a value. Besides memory errors it checks that a
 * malformed value is never half an answer, that an answer has nothing that no session may use, that
 * it stays the same when it is written as a value again, and where the login and the server of a
 * plain target end.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "answers.h"
#include "route/route_value.h"

/* Not assert(): these checks remain with NDEBUG. */
#define CHECK(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A failure leaves no octet of the value in memory, and says in one line what is wrong. */
static void check_failure(const struct route_answer *answer, const struct error *error)
{
    CHECK(answer->result == ROUTE_FAILED && answer->length == 0);
    for (size_t i = 0; i < sizeof(answer->memory); i++)
        CHECK(answer->memory[i] == '\0');
    CHECK(error->text[0] != '\0' && strchr(error->text, '\n') == NULL);
}

/* Is it "login@host", without a port and without what could be a field? */
static int is_plain_target(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (strchr(" \t=:", text[i]) != NULL)
            return 0;
    return memchr(text, '@', length) != NULL;
}

/* The login ends at the last @. */
static void check_target(const struct route_answer *answer, const char *text, size_t length)
{
    const char *login = answer->fields[ROUTE_FIELD_LOGIN];
    size_t at = length;

    while (text[at - 1] != '@')
        at--;
    CHECK(login != NULL && strlen(login) == at - 1 && memcmp(login, text, at - 1) == 0);
    CHECK(answer->fields[ROUTE_FIELD_HOST] != NULL);
    CHECK(strlen(answer->fields[ROUTE_FIELD_HOST]) <= length - at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    static struct route_answer answer;
    struct error error = {.text = ""};

    if (data == NULL)
        return 0;
    memset(answer.memory, 0, sizeof(answer.memory));
    if (route_value_parse(&answer, text, size, &error) == -1) {
        check_failure(&answer, &error);
        return 0;
    }
    CHECK(answer.result == ROUTE_FOUND || answer.result == ROUTE_REFUSED);
    answers_check(&answer);
    answers_write_again(&answer);
    if (is_plain_target(text, size))
        check_target(&answer, text, size);
    route_answer_wipe(&answer);
    return 0;
}
