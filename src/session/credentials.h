/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a client has given to log in with. All texts lie in one buffer that is wiped: once the login
 * has been answered, or when another USER, AUTH or STLS makes them void.
 */
#ifndef SESSION_CREDENTIALS_H
#define SESSION_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "pop3/sasl.h"

struct credentials {
    struct buffer memory;          /* holds the texts; secret */
    enum sasl_mechanism mechanism; /* NONE: USER and PASS */
    bool is_client_token;          /* the client has sent a token; a routing table may replace it */
    const char *message;           /* of a token mechanism, as the client sent it */
    size_t message_length;
    char *user;       /* for the server */
    char *password;   /* "" where the mechanism has none */
    char *proxy_user; /* for the acp; NULL without proxy authentication */
    char *proxy_password;
};

/* Keeps a copy of `length` octets, with a NUL. Returns NULL when there is no memory: the buffer
 * holds several of the longest lines. */
char *credentials_keep(struct credentials *credentials, const char *text, size_t length);

/* Room for `size` octets in the same buffer, or NULL. */
char *credentials_room(struct credentials *credentials, size_t size);

/* Wipes all that was added after the buffer had `length` octets, and takes it out. */
void credentials_give_back(struct credentials *credentials, size_t length);

/* True for every mechanism that has a password. False for a token or a certificate. */
bool credentials_have_password(const struct credentials *credentials);

void credentials_wipe(struct credentials *credentials);

#endif
