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
    uint64_t hash = secrets->seed;

    for (size_t i = 0; i < length; i++)
        hash = hash_add(hash, octet_lower(octets[i]));
    return (uint32_t)(hash_number(hash) >> (64 - HASH_BITS));
}

void secret_begin(struct secret_prints *secrets, const char *id)
{
    *secrets = (struct secret_prints){.seed = hash_text(id)};
}

void secret_note(struct secret_prints *secrets, const char *secret, size_t length)
{
    size_t printed = length < PRINTED_MAX ? length : PRINTED_MAX;
    unsigned at = secrets->count < SECRETS_MAX ? secrets->count : SECRETS_MAX - 1;

    if (length == 0)
        return;
    secrets->list[at].length = (uint8_t)printed;
    secrets->list[at].hash = print_of(secrets, secret, printed);
    secrets->count = at + 1;
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

static bool is_in(const struct secret_prints *secrets, unsigned which, const char *text)
{
    size_t width = secrets->list[which].length;
    size_t length = strlen(text);

    for (size_t at = 0; at + width <= length; at++)
        if (print_of(secrets, text + at, width) == secrets->list[which].hash &&
            (width >= SHORT || is_word(text, at, width)))
            return true;
    return false;
}

bool secret_is_in(const struct secret_prints *secrets, const char *text)
{
    for (unsigned i = 0; i < secrets->count; i++)
        if (is_in(secrets, i, text))
            return true;
    return false;
}
