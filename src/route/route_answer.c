/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Answers of routing tables as memory: a few texts in one block, wiped as a whole.
 */
#include "route/route_answer.h"

#include <string.h>

#include "base/octet.h"

void route_answer_init(struct route_answer *answer, enum route_result result)
{
    answer->result = result;
    answer->unknown = NULL;
    answer->length = 0;
    for (size_t i = 0; i < ROUTE_FIELD_COUNT; i++)
        answer->fields[i] = NULL;
}

static const char *keep(struct route_answer *answer, const char *text, size_t length)
{
    char *kept = answer->memory + answer->length;

    if (length >= sizeof(answer->memory) - answer->length)
        return NULL;
    memcpy(kept, text, length);
    kept[length] = '\0';
    answer->length += length + 1;
    return kept;
}

bool route_answer_set(struct route_answer *answer, enum route_field field, const char *text,
                      size_t length)
{
    answer->fields[field] = keep(answer, text, length);
    return answer->fields[field] != NULL;
}

bool route_answer_set_text(struct route_answer *answer, enum route_field field, const char *text,
                           size_t length)
{
    char *kept = answer->memory + answer->length;

    if (!route_answer_set(answer, field, text, length))
        return false;
    for (size_t i = 0; i < length; i++)
        if (octet_is_control(kept[i]))
            kept[i] = '?';
    return true;
}

static bool is_any_certificate(const char *value)
{
    return value != NULL && strcmp(value, "any-cert") == 0;
}

bool route_answer_takes_any_certificate(const char *const fields[ROUTE_FIELD_COUNT])
{
    return is_any_certificate(fields[ROUTE_FIELD_SSL]) ||
           is_any_certificate(fields[ROUTE_FIELD_STARTTLS]);
}

void route_answer_wipe(struct route_answer *answer)
{
    explicit_bzero(answer->memory, answer->length);
    route_answer_init(answer, ROUTE_FAILED);
}

const char *route_result_word(enum route_result result)
{
    switch (result) {
    case ROUTE_NOT_FOUND:
        return "not-found";
    case ROUTE_FOUND:
        return "found";
    case ROUTE_REFUSED:
        return "refused";
    case ROUTE_FAILED:
    case ROUTE_RESULT_COUNT:
        break;
    }
    return "failed";
}

const char *route_field_word(enum route_field field)
{
    static const char *const words[ROUTE_FIELD_COUNT] = {
#define ROUTE_FIELD(name, word, check) [ROUTE_FIELD_##name] = word,
#include "route/route_field.def"
#undef ROUTE_FIELD
    };

    return words[field];
}
