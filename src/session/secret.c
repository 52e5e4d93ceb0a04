/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Prints of secrets, compared with every place of a text.
 */
#include "session/secret.h"

#include <string.h>

#include "base/hash.h"

enum {
    PRINTED_MAX = 16, /* octets of the beginning */
    SHORT = 4,
    HASH_BITS = 24,
};

static uint32_t print_of(const struct secret_prints *secrets, const char *octets, size_t length)
{
    uint64_t hash = hash_number(secrets->seed);

    for (size_t i = 0; i < length; i++)
        hash = hash_add(hash, octet_lower(octets[i]));
    return (uint32_t)(length << HASH_BITS | hash_number(hash) >> (64 - HASH_BITS));
}

void secret_begin(struct secret_prints *secrets, const char *id)
{
    *secrets = (struct secret_prints){.seed = (uint32_t)hash_text(id)};
}

void secret_note(struct secret_prints *secrets, const char *secret, size_t length)
{
    size_t at = 0;

    if (length == 0)
        return;
    while (at < SECRETS_MAX - 1 && secrets->list[at] != 0)
        at++;
    secrets->list[at] = print_of(secrets, secret, length < PRINTED_MAX ? length : PRINTED_MAX);
}

static bool is_word_octet(char octet)
{
    return octet_is_digit(octet) || (octet_lower(octet) >= 'a' && octet_lower(octet) <= 'z') ||
           (unsigned char)octet >= 0x80;
}

/* Before and after these octets the text goes on with something that is not of a word. */
static bool is_word(const char *text, size_t at, size_t length)
{
    return (at == 0 || !is_word_octet(text[at - 1])) && !is_word_octet(text[at + length]);
}

static bool is_in(const struct secret_prints *secrets, uint32_t print, const char *text)
{
    size_t width = print >> HASH_BITS;
    size_t length = strlen(text);

    for (size_t at = 0; at + width <= length; at++)
        if (print_of(secrets, text + at, width) == print &&
            (width >= SHORT || is_word(text, at, width)))
            return true;
    return false;
}

bool secret_is_in(const struct secret_prints *secrets, const char *text)
{
    for (size_t i = 0; i < SECRETS_MAX && secrets->list[i] != 0; i++)
        if (is_in(secrets, secrets->list[i], text))
            return true;
    return false;
}
