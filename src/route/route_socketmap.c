/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading socketmap's answers.
 */
#include "route/route_socketmap.h"

#include <stdbool.h>
#include <string.h>

#include "base/octet.h"

enum { ANSWER_MAX = ROUTE_VALUE_MAX + 16, REASON_MAX = 200 };

ssize_t route_netstring_read(const char *data, size_t length, const char **text_r,
                             size_t *length_r)
{
    size_t size = 0;
    size_t i = 0;

    for (; i < length && octet_is_digit(data[i]); i++) {
        size = size * 10 + (size_t)(data[i] - '0');
        if (size > ANSWER_MAX || (i == 1 && data[0] == '0'))
            return -1;
    }
    if (i == length)
        return 0;
    if (i == 0 || data[i] != ':')
        return -1;
    i++;
    if (length - i <= size)
        return 0;
    if (data[i + size] != ',')
        return -1;
    *text_r = data + i;
    *length_r = size;
    return (ssize_t)(i + size + 1);
}

/* The text after the word and a blank, if the answer begins with the word. */
static bool begins_with(const char *text, size_t length, const char *word, const char **rest_r,
                        size_t *rest_length_r)
{
    size_t word_length = strlen(word);

    if (length < word_length || memcmp(text, word, word_length) != 0)
        return false;
    if (length > word_length && text[word_length] != ' ')
        return false;
    *rest_r = text + word_length + (length > word_length);
    *rest_length_r = length - (size_t)(*rest_r - text);
    return true;
}

static void reply_refused(const char *reason, size_t length, route_reply *reply, void *context)
{
    struct route_answer answer;

    route_answer_init(&answer, ROUTE_REFUSED);
    if (length > 0)
        (void)route_answer_set_text(&answer, ROUTE_FIELD_REASON, reason, length);
    reply(context, &answer, "");
    route_answer_wipe(&answer);
}

static void reply_failed(const char *reason, size_t length, route_reply *reply, void *context)
{
    char why[REASON_MAX + 1];

    if (length > REASON_MAX)
        length = REASON_MAX;
    for (size_t i = 0; i < length; i++)
        why[i] = octet_is_control(reason[i]) ? '?' : reason[i];
    why[length] = '\0';
    route_reply_failed(reply, context, length == 0 ? "the table fails for now" : why);
}

void route_socketmap_answer(const char *text, size_t length, route_reply *reply, void *context)
{
    const char *rest;
    size_t left;

    if (begins_with(text, length, "OK", &rest, &left))
        route_reply_value(reply, context, rest, left);
    else if (begins_with(text, length, "NOTFOUND", &rest, &left))
        route_reply_not_found(reply, context);
    else if (begins_with(text, length, "PERM", &rest, &left))
        reply_refused(rest, left, reply, context);
    else if (begins_with(text, length, "TEMP", &rest, &left) ||
             begins_with(text, length, "TIMEOUT", &rest, &left))
        reply_failed(rest, left, reply, context);
    else
        route_reply_failed(reply, context, "the table answers with an unknown word");
}
