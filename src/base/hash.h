/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hashes for tables in memory. They are not keyed: a table whose keys a stranger chooses must bound
 * the entries that it compares.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/octet.h"

/* FNV-1a of 64 bits: begin with HASH_SEED and add octet after octet. Use the low bits as an
 * index. */
#define HASH_SEED UINT64_C(14695981039346656037)

static inline uint64_t hash_add(uint64_t hash, char octet)
{
    return (hash ^ (unsigned char)octet) * UINT64_C(1099511628211);
}

static inline uint64_t hash_text(const char *text)
{
    uint64_t hash = HASH_SEED;

    for (; *text != '\0'; text++)
        hash = hash_add(hash, *text);
    return hash;
}

/* The same for all spellings of a text in upper and lower case. */
static inline uint64_t hash_text_nocase(const char *text)
{
    uint64_t hash = HASH_SEED;

    for (; *text != '\0'; text++)
        hash = hash_add(hash, octet_lower(*text));
    return hash;
}

/* Spreads a number over 64 bits (Fibonacci hashing). Use the high bits as an index. No two numbers
 * have the same hash. */
static inline uint64_t hash_number(uint64_t number)
{
    return number * UINT64_C(0x9e3779b97f4a7c15);
}

#endif
