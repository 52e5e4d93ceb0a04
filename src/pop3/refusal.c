/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looks for the rows of refusal_words.def in a text.
 */
#include "pop3/refusal.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/octet.h"
#include "pop3/reply.h"

static const struct {
    enum refusal kind;
    const char *words;
} rows[] = {
#define REFUSAL_WORD(kind, words, servers) {REFUSAL_##kind, words},
#include "pop3/refusal_words.def"
#undef REFUSAL_WORD
};

static bool is_letter(char octet)
{
    return octet_lower(octet) >= 'a' && octet_lower(octet) <= 'z';
}

/* The words are in the text, at the beginning of a word. */
static bool has_words(const char *text, const char *words)
{
    size_t width = strlen(words);

    for (const char *at = text; *at != '\0'; at++)
        if ((at == text || !is_letter(at[-1])) && strncasecmp(at, words, width) == 0)
            return true;
    return false;
}

/* Anywhere: a server may repeat a part of what it was sent. */
static bool is_from_client(const char *given, const char *words)
{
    return given != NULL && strcasestr(given, words) != NULL;
}

enum refusal refusal_judge(const char *text, const char *user, const char *password)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (!has_words(text, rows[i].words))
            continue;
        if (rows[i].kind == REFUSAL_CREDENTIALS)
            return REFUSAL_CREDENTIALS;
        if (!is_from_client(user, rows[i].words) && !is_from_client(password, rows[i].words))
            return rows[i].kind;
    }
    return REFUSAL_CREDENTIALS;
}

const char *refusal_code(enum refusal refusal)
{
    static const char *const codes[] = {
        [REFUSAL_CREDENTIALS] = "AUTH",
        [REFUSAL_IN_USE] = "IN-USE",
        [REFUSAL_TEMPORARY] = "SYS/TEMP",
        [REFUSAL_MAILBOX] = NULL,
    };

    return codes[refusal];
}

void refusal_write(char *line, const char *code, const char *text)
{
    const size_t size = REPLY_LINE_BYTES - 2 + 1; /* CRLF follows in place of the NUL */

    if (code == NULL)
        snprintf(line, size, "-ERR %s", text);
    else
        snprintf(line, size, "-ERR [%s] %s", code, text);
}
