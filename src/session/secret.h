/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds a password in the words of a server, also when the password itself is wiped already. The
 * log shows such words, and no password may get there.
 *
 * What is kept of a secret is the length of its beginning and 24 bits of a hash of it. That is
 * enough to find the beginning in a line, and too little to find the password.
 */
#ifndef SESSION_SECRET_H
#define SESSION_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SECRETS_MAX = 4 };

/* Small, because every session holds it to its end. */
struct secret_prints {
    uint32_t seed;              /* another one for each session */
    uint32_t list[SECRETS_MAX]; /* the length in the high 8 bits, then the hash; 0: none */
};

/* Forgets all prints and begins again. `id` is the session's. */
void secret_begin(struct secret_prints *secrets, const char *id);

/* Keeps a print of a secret that the server is sent. With SECRETS_MAX prints, the last one is
 * replaced. */
void secret_note(struct secret_prints *secrets, const char *secret, size_t length);

/* True if the text has the beginning of a secret in it, in any case. A secret of less than 4 octets
 * is found only as a word of its own: it may be in any text. */
bool secret_is_in(const struct secret_prints *secrets, const char *text);

#endif
