/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * JSON in ASCII alone, so that it survives every program between here and its reader. Characters of
 * UTF-8 become \uXXXX. An octet that is no UTF-8, which JSON cannot have, becomes the text \xHH.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { JSON_CHARACTER_MAX = 12 }; /* octets for one character: a pair of surrogates */

/* Writes what stands for a character inside a string. `character` is what utf8_decode() gives for the
 * text that begins with `octet`. Returns where the next one goes. */
char *json_put_character(char *to, unsigned character, char octet);

/* Prints a string with its quotes. */
void json_string(FILE *out, const char *text);

/* Prints "key":"text", and ,"key":value. Keys are words of ours. */
void json_text(FILE *out, const char *key, const char *text);
void json_number(FILE *out, const char *key, uint64_t value);

#endif
