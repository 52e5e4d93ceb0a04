/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The keys that tables are asked for, made of the login by the templates of `route_key`. Pure text.
 *
 *   \U the whole login          \u the part before the last delimiter    \D the delimiter
 *   \d the part after it        \i the client's address, \p its port     \\ a backslash
 *   \I our address, \P our port
 *
 * A login without a delimiter is all \u, and has neither \d nor \D. Keys are in lower case.
 */
#ifndef ROUTE_ROUTE_KEY_H
#define ROUTE_ROUTE_KEY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum { ROUTE_KEY_SIZE = 1024 }; /* a longer key is in no table */

/* What a key is made of. */
struct route_key_parts {
    const char *login;
    const char *delimiters; /* the characters that separate user and domain */
    const char *client;     /* address and port of the client, as texts; "" if unknown */
    const char *client_port;
    const char *local; /* our end of the connection */
    const char *local_port;
};

/* Checks one template. Returns 0, or -1 with `error` set: an unknown escape, nothing at all, or a
 * blank or control octet. */
int route_key_check(const char *template, size_t length, struct error *error);

/* Makes the key. Returns false, and no key, when a part that the template names is missing, or when
 * the key would be empty or longer than ROUTE_KEY_SIZE - 1: then no table is asked for it. */
bool route_key_make(const char *template, size_t length, const struct route_key_parts *parts,
                    char key[ROUTE_KEY_SIZE]);

#endif
