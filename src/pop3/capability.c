/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of capabilities, and the rules by which a line of a CAPA list is ours, is passed on, or
 * is left out. Pure.
 */
#include "pop3/capability.h"

#include <string.h>
#include <strings.h>

#include "base/octet.h"

enum source { SOURCE_OURS, SOURCE_LOGIN, SOURCE_SASL, SOURCE_STLS, SOURCE_SERVERS };

static const struct {
    const char *word;
    enum source source;
} rows[CAPABILITY_COUNT] = {
#define CAPABILITY(name, word, source) {word, SOURCE_##source},
#include "pop3/capability.def"
#undef CAPABILITY
};

const char *capability_word(enum capability capability)
{
    return rows[capability].word;
}

enum capability capability_find(const char *word, size_t length)
{
    int i = 0;

    while (i < CAPABILITY_COUNT &&
           (rows[i].source == SOURCE_SERVERS || strlen(rows[i].word) != length ||
            strncasecmp(rows[i].word, word, length) != 0))
        i++;
    return (enum capability)i;
}

bool capability_is_ours(enum capability capability, const struct capability_view *view)
{
    if ((view->shown >> capability & 1) == 0)
        return false;
    switch (rows[capability].source) {
    case SOURCE_OURS:
        return true;
    case SOURCE_LOGIN:
        return view->may_log_in;
    case SOURCE_SASL:
        return view->may_log_in && view->has_mechanisms;
    case SOURCE_STLS:
        return view->may_stls;
    case SOURCE_SERVERS:
        break;
    }
    return false;
}

bool capability_is_relayed(const char *line, size_t length)
{
    const char *blank = memchr(line, ' ', length);
    size_t width = blank == NULL ? length : (size_t)(blank - line);

    if (!octets_are_printable(line, length))
        return false;
    for (int i = 0; i < CAPABILITY_COUNT; i++)
        if (rows[i].source == SOURCE_SERVERS && strlen(rows[i].word) == width &&
            strncasecmp(rows[i].word, line, width) == 0)
            return true;
    return false;
}
