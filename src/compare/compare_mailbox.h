/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads what one server says of one user's mailbox: its messages with sizes, unique identities and,
 * if wanted, hashes of their octets. No message is deleted. A server may note that a message has been
 * read; it is asked to forget that again.
 */
#ifndef COMPARE_COMPARE_MAILBOX_H
#define COMPARE_COMPARE_MAILBOX_H

#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "tls/tls.h"

enum compare_tls { COMPARE_TLS_NO, COMPARE_TLS_STLS, COMPARE_TLS_IMPLICIT };

enum compare_failure {
    COMPARE_GOOD, /* the mailbox was read */
#define COMPARE_FAILURE(name, word, text) COMPARE_FAILURE_##name,
#include "compare/compare_failure.def"
#undef COMPARE_FAILURE
};

enum { COMPARE_ADDRESSES_MAX = 16, COMPARE_TEXT_SIZE = 256, COMPARE_MESSAGES_MAX = 1000000 };

/* A server that mailboxes are read from. */
struct compare_server {
    struct host_port name;
    struct address addresses[COMPARE_ADDRESSES_MAX];
    size_t address_count;
    enum compare_tls tls;
    struct tls_context *context; /* NULL: without TLS */
    int64_t timeout_ms;          /* for the connection, and for each reply */
};

struct compare_message {
    char *uidl; /* NULL until it is known */
    bool has_octets; /* LIST has named it */
    uint64_t octets;
    uint64_t hash;
};

struct compare_mailbox {
    enum compare_failure failure;
    char text[COMPARE_TEXT_SIZE]; /* the server's words or the system's, or "" */
    uint64_t octets;              /* of all messages, as STAT says */
    struct compare_message *messages;
    size_t count;
};

/* Who logs in. The texts may hold any octets but NUL, CR and LF. */
struct compare_login {
    const char *user;
    const char *password;
};

/* Fills `mailbox`; compare_mailbox_free() frees it, also after a failure. The server's words are kept
 * only if they do not repeat the password. May run in a task. */
void compare_mailbox_read(struct compare_mailbox *mailbox, const struct compare_server *server,
                          const struct compare_login *login, bool with_hashes);
void compare_mailbox_free(struct compare_mailbox *mailbox);

/* The word and the text of a failure. */
const char *compare_failure_word(enum compare_failure failure);
const char *compare_failure_text(enum compare_failure failure);

#endif
