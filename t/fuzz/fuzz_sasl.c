/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz target for SASL: the input is read as a line of base64 and as a decoded message of every
 * mechanism. Besides memory errors it checks that no message has two encodings, no credential has a
 * control octet, and a message that is written again stays the same.
 */
#include "pop3/sasl.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Not assert(): these checks remain with NDEBUG. */
#define CHECK(condition) ((condition) ? (void)0 : abort())

enum { NAME_SIZE = 256 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Says again what a credential is, so that a mistake in sasl_credential_check() shows. */
static void check_credential(const char *text)
{
    CHECK(*text != '\0');
    for (; *text != '\0'; text++)
        CHECK((uint8_t)*text >= ' ' && *text != 0x7f);
}

static void fuzz_plain(const char *message, size_t length)
{
    char user[NAME_SIZE], password[NAME_SIZE], user2[NAME_SIZE], password2[NAME_SIZE];
    char text[SASL_BASE64_SIZE(2 * NAME_SIZE)], again[2 * NAME_SIZE];
    size_t text_length, again_length;

    if (sasl_plain_decode(message, length, user, sizeof(user), password, sizeof(password)) !=
        SASL_OK) {
        CHECK(user[0] == '\0' && password[0] == '\0');
        return;
    }
    check_credential(user);
    check_credential(password);
    CHECK(sasl_plain_encode("", user, password, text, sizeof(text), &text_length) == SASL_OK);
    CHECK(sasl_base64_decode(text, text_length, again, sizeof(again), &again_length) == SASL_OK);
    CHECK(sasl_plain_decode(again, again_length, user2, sizeof(user2), password2,
                            sizeof(password2)) == SASL_OK);
    CHECK(strcmp(user, user2) == 0 && strcmp(password, password2) == 0);
}

static void fuzz_single(const char *message, size_t length)
{
    char user[NAME_SIZE];

    if (sasl_login_decode(message, length, user, sizeof(user)) == SASL_OK) {
        check_credential(user);
        CHECK(strlen(user) == length && memcmp(user, message, length) == 0);
    }
    if (sasl_external_decode(message, length, user, sizeof(user)) == SASL_OK && length > 0)
        check_credential(user);
}

/* The token goes into a message of the other mechanism, and comes out the same. */
static void convert(enum sasl_mechanism mechanism, const char *message, size_t length)
{
    static char token[SASL_DATA_MAX + 1], token2[SASL_DATA_MAX + 1], other[SASL_DATA_MAX + SASL_TOKEN_EXTRA];
    enum sasl_mechanism to = mechanism == SASL_MECHANISM_XOAUTH2 ? SASL_MECHANISM_OAUTHBEARER
                                                                 : SASL_MECHANISM_XOAUTH2;
    size_t other_length;

    CHECK(sasl_token_value(mechanism, message, length, token, sizeof(token)) == SASL_OK);
    other_length = sasl_token_make(to, token, other, sizeof(other));
    CHECK(other_length > 0 && other_length < length + SASL_TOKEN_EXTRA);
    CHECK(sasl_token_value(to, other, other_length, token2, sizeof(token2)) == SASL_OK);
    CHECK(strcmp(token, token2) == 0);
}

/* Written again with a name, the message must be well-formed and give that name. */
static size_t write_again(enum sasl_mechanism mechanism, const char *message, size_t length,
                          const char *user, char again[SASL_DATA_MAX])
{
    static char text[SASL_BASE64_BUFFER_SIZE];
    char user2[NAME_SIZE];
    size_t text_length, again_length;

    if (sasl_token_encode(mechanism, message, length, user, text, sizeof(text), &text_length) !=
        SASL_OK) {
        CHECK(text_length == 0 && text[0] == '\0');
        return 0;
    }
    CHECK(sasl_base64_decode(text, text_length, again, SASL_DATA_MAX, &again_length) == SASL_OK);
    CHECK(sasl_token_user(mechanism, again, again_length, user2, sizeof(user2)) == SASL_OK);
    CHECK(strcmp(user, user2) == 0);
    return again_length;
}

static void fuzz_token(enum sasl_mechanism mechanism, const char *message, size_t length)
{
    static char again[SASL_DATA_MAX];
    char user[NAME_SIZE];
    size_t again_length;

    if (sasl_token_user(mechanism, message, length, user, sizeof(user)) != SASL_OK) {
        CHECK(user[0] == '\0');
        return;
    }
    check_credential(user);
    convert(mechanism, message, length);
    again_length = write_again(mechanism, message, length, user, again);
    if (mechanism == SASL_MECHANISM_XOAUTH2 && again_length > 0)
        CHECK(again_length == length && memcmp(again, message, length) == 0);
    write_again(mechanism, message, length, "other, =name", again);
}

static void fuzz_message(const char *message, size_t length)
{
    fuzz_plain(message, length);
    fuzz_single(message, length);
    fuzz_token(SASL_MECHANISM_XOAUTH2, message, length);
    fuzz_token(SASL_MECHANISM_OAUTHBEARER, message, length);
}

static void fuzz_line(const char *line, size_t length)
{
    static char data[SASL_DATA_MAX], text[SASL_BASE64_BUFFER_SIZE];
    size_t data_length, text_length;

    if (sasl_initial_decode(line, length, data, sizeof(data), &data_length) != SASL_OK) {
        CHECK(data_length == 0);
        return;
    }
    fuzz_message(data, data_length);
    CHECK(sasl_base64_encode(data, data_length, text, sizeof(text), &text_length) == SASL_OK);
    if (data_length > 0)
        CHECK(text_length == length && memcmp(text, line, length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;

    if (data == NULL)
        return 0;
    fuzz_line(text, size);
    fuzz_message(text, size);
    return 0;
}
