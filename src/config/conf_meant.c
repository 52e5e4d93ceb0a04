/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The distance between words, and the names that other programs use for our keys.
 */
#include "config/conf_meant.h"

#include <stddef.h>
#include <string.h>

#include "config/conf_keys.h"

enum { WORD_BYTES = 32 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many letters to change, add, drop or swap with their neighbour to make `b` of `a`
 * (Damerau and Levenshtein); WORD_BYTES for words that are too long to be a name of ours. */
static size_t distance(const char *a, const char *b)
{
    size_t table[WORD_BYTES + 1][WORD_BYTES + 1] = {{0}};
    size_t height = strlen(a);
    size_t width = strlen(b);

    if (height > WORD_BYTES || width > WORD_BYTES)
        return WORD_BYTES;
    for (size_t i = 0; i <= height; i++) {
        for (size_t j = 0; j <= width; j++) {
            if (i == 0 || j == 0) {
                table[i][j] = i + j;
                continue;
            }
            table[i][j] = least(least(table[i - 1][j], table[i][j - 1]) + 1,
                                table[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                table[i][j] = least(table[i][j], table[i - 2][j - 2] + 1);
        }
    }
    return table[height][width];
}

bool conf_is_near(const char *word, const char *wanted)
{
    size_t limit = strlen(wanted) / 3;

    return distance(word, wanted) <= (limit > 0 ? limit : 1);
}

/* What other programs, and our own options, call a key. */
static const char *synonym(const char *word)
{
    static const char *const pairs[][2] = {
        {"bind", "listen"},        {"address", "listen"},
        {"port", "listen"},        {"group", "user"},
        {"servers", "server"},     {"serverlist", "allow_servers"},
        {"charset", "delimiters"}, {"prefix", "acp_prefix"},
        {"pid", "pidfile"},        {"max_clients", "max_workers"},
    };

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        if (strcmp(word, pairs[i][0]) == 0)
            return pairs[i][1];
    return NULL;
}

static const char *find_nearest(const char *word, bool is_in_group)
{
    const char *nearest = NULL;
    size_t best = WORD_BYTES;

    for (int key = 0; key < CONF_KEY_COUNT; key++) {
        const char *name = conf_key_info((enum conf_key)key)->name;

        if (conf_key_is_of_group((enum conf_key)key) != is_in_group || !conf_is_near(word, name) ||
            distance(word, name) > best)
            continue;
        nearest = name;
        best = distance(word, name);
    }
    return nearest;
}

const char *conf_key_meant(const char *word)
{
    const char *known = synonym(word);

    return known != NULL ? known : find_nearest(word, false);
}

const char *conf_key_meant_in_group(const char *word)
{
    return find_nearest(word, true);
}
