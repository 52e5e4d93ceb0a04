/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SASL messages: strict base64, and for each mechanism what is accepted and what is refused.
 * Messages are in blocks of exactly their size, so that a sanitizer sees a read beyond them.
 */
#include "pop3/sasl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A string constant with NULs inside, as pointer and length. */
#define MESSAGE(literal) literal, sizeof(literal) - 1

enum { BUFFER_SIZE = 64 };

static char *exact_copy(const char *data, size_t length)
{
    char *copy = malloc(length > 0 ? length : 1);

    assert_non_null(copy);
    memcpy(copy, data, length);
    return copy;
}

/* ---- the table ---- */

static void mechanisms(void **state)
{
    static const struct {
        const char *name;
        enum sasl_mechanism mechanism;
        const char *feature;
        bool is_token;
    } rows[] = {
        {"PLAIN", SASL_MECHANISM_PLAIN, "auth-plain", false},
        {"LOGIN", SASL_MECHANISM_LOGIN, "auth-login", false},
        {"XOAUTH2", SASL_MECHANISM_XOAUTH2, "xoauth2", true},
        {"OAUTHBEARER", SASL_MECHANISM_OAUTHBEARER, "oauthbearer", true},
        {"EXTERNAL", SASL_MECHANISM_EXTERNAL, "auth-external", false},
    };

    (void)state;
    assert_int_equal(COUNT(rows) + 1, SASL_MECHANISM_COUNT);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct sasl_mechanism_info *info = sasl_mechanism_info(rows[i].mechanism);

        assert_int_equal(sasl_mechanism_find(rows[i].name), rows[i].mechanism);
        assert_non_null(info);
        assert_string_equal(info->name, rows[i].name);
        assert_string_equal(info->feature, rows[i].feature);
        assert_int_equal(info->is_token, rows[i].is_token);
    }
}

static void mechanism_names(void **state)
{
    static const char *const unknown[] = {
        "", " ", "PLAI", "PLAINX", "PLAIN ", " PLAIN", "CRAM-MD5", "XOAUTH", "OAUTH", "*", "="};

    (void)state;
    assert_int_equal(sasl_mechanism_find("plain"), SASL_MECHANISM_PLAIN);
    assert_int_equal(sasl_mechanism_find("oAuthBearer"), SASL_MECHANISM_OAUTHBEARER);
    for (size_t i = 0; i < COUNT(unknown); i++)
        if (sasl_mechanism_find(unknown[i]) != SASL_MECHANISM_NONE)
            fail_msg("found: \"%s\"", unknown[i]);
    assert_null(sasl_mechanism_info(SASL_MECHANISM_NONE));
    assert_null(sasl_mechanism_info(SASL_MECHANISM_COUNT));
}

static void result_words(void **state)
{
    static const char *const words[] = {"ok",        "cancelled",   "bad-base64", "bad-message",
                                        "bad-octet", "bad-authzid", "empty",      "too-long"};

    (void)state;
    assert_int_equal(COUNT(words), SASL_TOO_LONG + 1);
    for (size_t i = 0; i < COUNT(words); i++)
        assert_string_equal(sasl_result_word((enum sasl_result)i), words[i]);
}

/* ---- base64 ---- */

static enum sasl_result decode(const char *text, char *data, size_t size, size_t *length_r)
{
    char *copy = exact_copy(text, strlen(text));
    char *room = exact_copy(data, size);
    enum sasl_result result = sasl_base64_decode(copy, strlen(text), room, size, length_r);

    memcpy(data, room, size);
    free(room);
    free(copy);
    return result;
}

static void base64_vectors(void **state)
{
    static const struct {
        const char *data;
        size_t length;
        const char *text;
    } rows[] = {
        {MESSAGE(""), ""},
        {MESSAGE("f"), "Zg=="},
        {MESSAGE("fo"), "Zm8="},
        {MESSAGE("foo"), "Zm9v"},
        {MESSAGE("foob"), "Zm9vYg=="},
        {MESSAGE("fooba"), "Zm9vYmE="},
        {MESSAGE("foobar"), "Zm9vYmFy"},
        {MESSAGE("\0"), "AA=="},
        {MESSAGE("\0\0"), "AAA="},
        {MESSAGE("\0\0\0"), "AAAA"},
        {MESSAGE("\xff"), "/w=="},
        {MESSAGE("\xff\xff\xff"), "////"},
        {MESSAGE("\xfb\xef\xbe"), "++++"},
        {MESSAGE("\x00\x10\x83\x10\x51\x87\x20\x92\x8b\x30\xd3\x8f\x41\x14\x93\x51\x55\x97\x61\x96"
                 "\x9b\x71\xd7\x9f\x82\x18\xa3\x92\x59\xa7\xa2\x9a\xab\xb2\xdb\xaf\xc3\x1c\xb3\xd3"
                 "\x5d\xb7\xe3\x9e\xbb\xf3\xdf\xbf"),
         "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"},
        {MESSAGE("Username:"), SASL_LOGIN_USERNAME},
        {MESSAGE("Password:"), SASL_LOGIN_PASSWORD},
        {MESSAGE("\x01"), SASL_OAUTHBEARER_DUMMY},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[128], data[128] = {0};
        size_t length = 99;

        assert_int_equal(
            sasl_base64_encode(rows[i].data, rows[i].length, text, sizeof(text), &length), SASL_OK);
        assert_string_equal(text, rows[i].text);
        assert_int_equal(length, strlen(rows[i].text));
        assert_int_equal(decode(rows[i].text, data, rows[i].length, &length), SASL_OK);
        assert_int_equal(length, rows[i].length);
        assert_memory_equal(data, rows[i].data, rows[i].length);
    }
}

static void base64_refuses(void **state)
{
    static const char *const rows[] = {
        "=",
        "==",
        "===",
        "====",
        "Z",
        "Zg",
        "Zg=",
        "Zg===",
        "Zg==Zg==",
        "Zg==Zm9v",
        "Zm8=Zm9v",
        "Zm8=Zg==",
        "Z===",
        "=Zg=",
        "Z=g=",
        "Zm=v",
        "Zm9v=",
        "Zm9v==",
        "Zm9v====",
        "Zm9vYg",
        "Zh==",
        "Zm9=",
        "/x==",
        "Zm9v\n",
        "Zm9v\r\n",
        " Zm9v",
        "Zm 9",
        "Zm9v    ",
        "Zm9-",
        "Zm9_",
        "Zm9.",
        "Zm9,",
        "Zm\x39\xf6",
        "*",
        "Zm9*",
        "Zm9@",
        "Zm9[",
        "Zm9`",
        "Zm9{",
        "Zm9:",
        "Zm9v\t\t\t\t",
        "AAAA\x01"
        "AAA",
        "=AAA",
        "==AA",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char data[32] = {0};
        size_t length = 99;

        if (decode(rows[i], data, sizeof(data), &length) != SASL_BAD_BASE64)
            fail_msg("taken: \"%s\"", rows[i]);
        assert_int_equal(length, 0);
        for (size_t j = 0; j < sizeof(data); j++)
            if (data[j] != 0)
                fail_msg("left something decoded in the buffer: \"%s\"", rows[i]);
    }
}

static void base64_refuses_nul(void **state)
{
    char data[8];
    size_t length;

    (void)state;
    assert_int_equal(sasl_base64_decode("Zm\0v", 4, data, sizeof(data), &length), SASL_BAD_BASE64);
}

/* Whatever two octets stand at the end, decoding and encoding again gives the same, or an error:
 * no message has two encodings. */
static void base64_is_canonical(void **state)
{
    unsigned good = 0;

    (void)state;
    for (unsigned n = 0; n < 0x10000; n++) {
        char text[4] = {'Z', 'm', (char)(n >> 8), (char)n};
        char data[3], again[8];
        size_t length;

        if (sasl_base64_decode(text, 4, data, sizeof(data), &length) != SASL_OK)
            continue;
        good++;
        assert_int_equal(sasl_base64_encode(data, length, again, sizeof(again), &length), SASL_OK);
        assert_memory_equal(again, text, 4);
    }
    /* 64 * 64 full quads; "Zm?=" with 16 letters whose last two bits are zero. "Zm==" has bits. */
    assert_int_equal(good, 64 * 64 + 16);
}

static void base64_round_trip(void **state)
{
    (void)state;
    for (size_t n = 0; n < 300; n++) {
        char data[300], text[SASL_BASE64_SIZE(300)];
        size_t length;

        for (size_t i = 0; i < n; i++)
            data[i] = (char)(i * 151 + n * 7);
        assert_int_equal(sasl_base64_encode(data, n, text, SASL_BASE64_SIZE(n), &length), SASL_OK);
        assert_int_equal(length, SASL_BASE64_SIZE(n) - 1);
        assert_int_equal(strlen(text), length);
        /* In place, as a session decodes a line in its own buffer. */
        assert_int_equal(sasl_base64_decode(text, length, text, n, &length), SASL_OK);
        assert_int_equal(length, n);
        assert_memory_equal(text, data, n);
    }
}

static void base64_sizes(void **state)
{
    char text[16] = "x", data[16];
    size_t length = 99;

    (void)state;
    assert_int_equal(decode("Zm9v", data, 2, &length), SASL_TOO_LONG);
    assert_int_equal(length, 0);
    assert_int_equal(decode("Zm8=", data, 1, &length), SASL_TOO_LONG);
    assert_int_equal(decode("Zm8=", data, 2, &length), SASL_OK);
    assert_int_equal(decode("", data, 0, &length), SASL_OK);
    length = 99;
    assert_int_equal(sasl_base64_encode("foo", 3, text, 4, &length), SASL_TOO_LONG);
    assert_int_equal(length, 0);
    assert_string_equal(text, "");
    assert_int_equal(sasl_base64_encode("foo", 3, text, 0, &length), SASL_TOO_LONG);
    assert_int_equal(sasl_base64_encode("foo", 3, text, 5, &length), SASL_OK);
    assert_int_equal(sasl_base64_encode("", 0, text, 0, &length), SASL_TOO_LONG);
    assert_int_equal(sasl_base64_encode("", 0, text, 1, &length), SASL_OK);
}

static void base64_limits(void **state)
{
    static char text[SASL_BASE64_MAX + 8], data[SASL_DATA_MAX + 8];
    size_t length;

    (void)state;
    memset(text, 'A', sizeof(text));
    assert_int_equal(sasl_base64_decode(text, SASL_BASE64_MAX, data, sizeof(data), &length),
                     SASL_OK);
    assert_int_equal(length, SASL_DATA_MAX);
    assert_int_equal(sasl_base64_decode(text, SASL_BASE64_MAX + 4, data, sizeof(data), &length),
                     SASL_TOO_LONG);
    assert_int_equal(
        sasl_base64_encode(data, SASL_DATA_MAX, text, SASL_BASE64_BUFFER_SIZE, &length), SASL_OK);
    assert_int_equal(length, SASL_BASE64_MAX);
    assert_int_equal(sasl_base64_encode(data, SASL_DATA_MAX + 1, text, sizeof(text), &length),
                     SASL_TOO_LONG);
    assert_int_equal(sasl_base64_encode(data, SIZE_MAX, text, sizeof(text), &length),
                     SASL_TOO_LONG);
}

static void responses(void **state)
{
    char data[8];
    size_t length = 99;

    (void)state;
    assert_int_equal(sasl_response_decode("*", 1, data, sizeof(data), &length), SASL_CANCELLED);
    assert_int_equal(length, 0);
    assert_int_equal(sasl_response_decode("", 0, data, sizeof(data), &length), SASL_OK);
    assert_int_equal(length, 0);
    assert_int_equal(sasl_response_decode("Zm9v", 4, data, sizeof(data), &length), SASL_OK);
    assert_int_equal(length, 3);
    assert_int_equal(sasl_response_decode("**", 2, data, sizeof(data), &length), SASL_BAD_BASE64);
    assert_int_equal(sasl_response_decode("=", 1, data, sizeof(data), &length), SASL_BAD_BASE64);
}

static void initial_responses(void **state)
{
    char data[8];
    size_t length = 99;

    (void)state;
    assert_int_equal(sasl_initial_decode("=", 1, data, sizeof(data), &length), SASL_OK);
    assert_int_equal(length, 0);
    length = 99;
    assert_int_equal(sasl_initial_decode("", 0, data, sizeof(data), &length), SASL_BAD_BASE64);
    assert_int_equal(length, 0);
    assert_int_equal(sasl_initial_decode("Zm9v", 4, data, sizeof(data), &length), SASL_OK);
    assert_int_equal(length, 3);
    assert_int_equal(sasl_initial_decode("*", 1, data, sizeof(data), &length), SASL_BAD_BASE64);
    assert_int_equal(sasl_initial_decode("==", 2, data, sizeof(data), &length), SASL_BAD_BASE64);
}

/* ---- credentials ---- */

static void credentials(void **state)
{
    (void)state;
    assert_int_equal(sasl_credential_check("", 0), SASL_EMPTY);
    assert_int_equal(sasl_credential_check(" ", 1), SASL_OK);
    for (unsigned c = 0; c < 256; c++) {
        char text[3] = {'a', (char)c, 'b'};
        enum sasl_result expected = c < 0x20 || c == 0x7f ? SASL_BAD_OCTET : SASL_OK;

        assert_int_equal(sasl_credential_check(text, 3), expected);
        assert_int_equal(sasl_credential_check(text + 1, 1), expected);
    }
}

static enum sasl_result plain_decode(const char *message, size_t length, char *user,
                                     size_t user_size, char *password, size_t password_size)
{
    char *copy = exact_copy(message, length);
    enum sasl_result result =
        sasl_plain_decode(copy, length, user, user_size, password, password_size);

    free(copy);
    return result;
}

static void plain_takes(void **state)
{
    static const struct {
        const char *message;
        size_t length;
        const char *user;
        const char *password;
    } rows[] = {
        {MESSAGE("\0user\0pass"), "user", "pass"},
        {MESSAGE("user\0user\0pass"), "user", "pass"},
        {MESSAGE("\0u\0p"), "u", "p"},
        {MESSAGE("\0user@host\0 a b:c "), "user@host", " a b:c "},
        {MESSAGE("\0joerg\0stra\xc3\x9f"
                 "e"),
         "joerg",
         "stra\xc3\x9f"
         "e"},
        {MESSAGE("\0u s\0~\x80\xff"), "u s", "~\x80\xff"},
        {MESSAGE("\0j\xc3\xb6rg\0pass"), "j\xc3\xb6rg", "pass"},
        {MESSAGE("j\xf6rg\0j\xf6rg\0pass"), "j\xf6rg", "pass"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char user[BUFFER_SIZE] = "x", password[BUFFER_SIZE] = "x";

        assert_int_equal(plain_decode(rows[i].message, rows[i].length, user, sizeof(user), password,
                                      sizeof(password)),
                         SASL_OK);
        assert_string_equal(user, rows[i].user);
        assert_string_equal(password, rows[i].password);
    }
}

static void plain_refuses(void **state)
{
    static const struct {
        const char *message;
        size_t length;
        enum sasl_result result;
    } rows[] = {
        {MESSAGE(""), SASL_BAD_MESSAGE},
        {MESSAGE("user"), SASL_BAD_MESSAGE},
        {MESSAGE("\0"), SASL_BAD_MESSAGE},
        {MESSAGE("\0user"), SASL_BAD_MESSAGE},
        {MESSAGE("user\0pass"), SASL_BAD_MESSAGE},
        {MESSAGE("\0user\0pass\0"), SASL_BAD_MESSAGE},
        {MESSAGE("\0user\0pa\0ss"), SASL_BAD_MESSAGE},
        {MESSAGE("\0\0\0"), SASL_BAD_MESSAGE},
        {MESSAGE("\0\0"), SASL_EMPTY},
        {MESSAGE("\0user\0"), SASL_EMPTY},
        {MESSAGE("\0\0pass"), SASL_EMPTY},
        {MESSAGE("other\0user\0pass"), SASL_BAD_AUTHZID},
        {MESSAGE("use\0user\0pass"), SASL_BAD_AUTHZID},
        {MESSAGE("user2\0user\0pass"), SASL_BAD_AUTHZID},
        {MESSAGE("User\0user\0pass"), SASL_BAD_AUTHZID},
        {MESSAGE("user\0\0pass"), SASL_BAD_AUTHZID},
        {MESSAGE("u\nr\0u\nr\0pass"), SASL_BAD_OCTET},
        {MESSAGE("u\nr\0user\0pass"), SASL_BAD_OCTET},
        {MESSAGE("\0us\ner\0pass"), SASL_BAD_OCTET},
        {MESSAGE("\0user\0pa\r\nDELE 1"), SASL_BAD_OCTET},
        {MESSAGE("\0user\0\x7f"), SASL_BAD_OCTET},
        {MESSAGE("\0user\r\0pass"), SASL_BAD_OCTET},
        {MESSAGE("j\xc3\xb6rg\0user\0pass"), SASL_BAD_AUTHZID},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char user[BUFFER_SIZE] = "x", password[BUFFER_SIZE] = "x";
        enum sasl_result result = plain_decode(rows[i].message, rows[i].length, user, sizeof(user),
                                               password, sizeof(password));

        if (result != rows[i].result)
            fail_msg("row %zu: %s", i, sasl_result_word(result));
        assert_string_equal(user, "");
        assert_string_equal(password, "");
    }
}

static void plain_every_octet(void **state)
{
    (void)state;
    for (unsigned c = 1; c < 256; c++) {
        bool is_bad = c < 0x20 || c == 0x7f;

        for (size_t place = 0; place < 3; place++) {
            char message[] = "user\0user\0pass";
            char user[BUFFER_SIZE], password[BUFFER_SIZE];

            if (place == 2) {
                message[12] = (char)c;
            } else {
                message[2] = (char)c;
                message[7] = (char)c;
            }
            assert_int_equal(sasl_plain_decode(message + (place == 1 ? 4 : 0),
                                               sizeof(message) - 1 - (place == 1 ? 4 : 0), user,
                                               sizeof(user), password, sizeof(password)),
                             is_bad ? SASL_BAD_OCTET : SASL_OK);
        }
    }
}

static void plain_sizes(void **state)
{
    char user[5] = "x", password[5] = "x";

    (void)state;
    assert_int_equal(plain_decode(MESSAGE("\0user\0pass"), user, 5, password, 5), SASL_OK);
    assert_int_equal(plain_decode(MESSAGE("\0user\0pass"), user, 4, password, 5), SASL_TOO_LONG);
    assert_string_equal(user, "");
    assert_string_equal(password, "");
    assert_int_equal(plain_decode(MESSAGE("\0user\0pass"), user, 5, password, 4), SASL_TOO_LONG);
    assert_string_equal(user, "");
    assert_string_equal(password, "");
    assert_int_equal(plain_decode(MESSAGE("\0user\0pass"), user, 0, password, 5), SASL_TOO_LONG);
    assert_int_equal(plain_decode(MESSAGE("\0user\0pass"), user, 5, password, 0), SASL_TOO_LONG);
}

static void plain_encodes(void **state)
{
    char text[BUFFER_SIZE];
    char data[BUFFER_SIZE];
    size_t length = 0;

    (void)state;
    assert_int_equal(sasl_plain_encode("", "tim", "tanstaaftanstaaf", text, sizeof(text), &length),
                     SASL_OK);
    assert_string_equal(text, "AHRpbQB0YW5zdGFhZnRhbnN0YWFm");
    assert_int_equal(length, strlen(text));
    assert_int_equal(sasl_base64_decode(text, length, data, sizeof(data), &length), SASL_OK);
    assert_int_equal(length, 21);
    assert_memory_equal(data, "\0tim\0tanstaaftanstaaf", 21);
}

static void plain_encode_refuses(void **state)
{
    static const struct {
        const char *user;
        const char *password;
        size_t size;
        enum sasl_result result;
    } rows[] = {
        {"", "pass", BUFFER_SIZE, SASL_EMPTY},
        {"user", "", BUFFER_SIZE, SASL_EMPTY},
        {"us\ner", "p", BUFFER_SIZE, SASL_BAD_OCTET},
        {"user", "p\r", BUFFER_SIZE, SASL_BAD_OCTET},
        {"u", "p\xff", BUFFER_SIZE, SASL_OK},
        {"\xc3\xb6", "p", BUFFER_SIZE, SASL_OK},
        {"u", "pw", 8, SASL_TOO_LONG},
        {"u", "pw", 0, SASL_TOO_LONG},
        {"u", "pw", 9, SASL_OK},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[BUFFER_SIZE] = "x";
        size_t length = 99;
        enum sasl_result result =
            sasl_plain_encode("", rows[i].user, rows[i].password, text, rows[i].size, &length);

        if (result != rows[i].result)
            fail_msg("row %zu: %s", i, sasl_result_word(result));
        assert_int_equal(length, result == SASL_OK ? 8 : 0);
        if (rows[i].size > 0)
            assert_int_equal(strlen(text), length);
    }
}

static void login(void **state)
{
    char text[5] = "x";

    (void)state;
    assert_int_equal(sasl_login_decode(MESSAGE("user"), text, sizeof(text)), SASL_OK);
    assert_string_equal(text, "user");
    assert_int_equal(sasl_login_decode(MESSAGE(""), text, sizeof(text)), SASL_EMPTY);
    assert_string_equal(text, "");
    assert_int_equal(sasl_login_decode(MESSAGE("user1"), text, sizeof(text)), SASL_TOO_LONG);
    assert_string_equal(text, "");
    assert_int_equal(sasl_login_decode(MESSAGE("us\0r"), text, sizeof(text)),
                     SASL_BAD_OCTET);
    assert_int_equal(sasl_login_decode(MESSAGE("use\n"), text, sizeof(text)),
                     SASL_BAD_OCTET);
    assert_int_equal(sasl_login_decode(MESSAGE("user\0"), text, sizeof(text)),
                     SASL_BAD_OCTET);
    assert_string_equal(text, "");
    assert_int_equal(sasl_login_decode(MESSAGE("pa\xff"), text, 5), SASL_OK);
    assert_string_equal(text, "pa\xff");
}

static void external(void **state)
{
    char user[5] = "x";

    (void)state;
    assert_int_equal(sasl_external_decode(MESSAGE(""), user, sizeof(user)), SASL_OK);
    assert_string_equal(user, "");
    assert_int_equal(sasl_external_decode(MESSAGE("user"), user, sizeof(user)), SASL_OK);
    assert_string_equal(user, "user");
    assert_int_equal(sasl_external_decode(MESSAGE("user1"), user, sizeof(user)), SASL_TOO_LONG);
    assert_string_equal(user, "");
    assert_int_equal(sasl_external_decode(MESSAGE("a\0"), user, sizeof(user)), SASL_BAD_OCTET);
    assert_int_equal(sasl_external_decode(MESSAGE("a\r\n"), user, sizeof(user)), SASL_BAD_OCTET);
    assert_string_equal(user, "");
    assert_int_equal(sasl_external_decode(MESSAGE("a\xff"), user, sizeof(user)), SASL_OK);
    assert_string_equal(user, "a\xff");
}

/* ---- tokens ---- */

static enum sasl_result token_user(enum sasl_mechanism mechanism, const char *message,
                                   size_t length, char *user, size_t size)
{
    char *copy = exact_copy(message, length);
    enum sasl_result result = sasl_token_user(mechanism, copy, length, user, size);

    free(copy);
    return result;
}

struct token_row {
    const char *message;
    size_t length;
    const char *user; /* NULL if the message is refused */
    enum sasl_result result;
};

#define TAKEN(literal, user)                                                                       \
    {                                                                                              \
        literal, sizeof(literal) - 1, user, SASL_OK                                                \
    }
#define REFUSED(literal, result)                                                                   \
    {                                                                                              \
        literal, sizeof(literal) - 1, NULL, result                                                 \
    }

/* A message that is refused is also refused when it is to be written again. */
static void check_rows(enum sasl_mechanism mechanism, const struct token_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char user[BUFFER_SIZE] = "x";
        char text[1024] = "x";
        size_t length = 99;
        enum sasl_result result =
            token_user(mechanism, rows[i].message, rows[i].length, user, sizeof(user));

        if (result != rows[i].result)
            fail_msg("row %zu: %s", i, sasl_result_word(result));
        assert_string_equal(user, rows[i].user != NULL ? rows[i].user : "");
        assert_int_equal(sasl_token_value(mechanism, rows[i].message, rows[i].length, text,
                                          sizeof(text)),
                         rows[i].result);
        assert_int_equal(text[0] != '\0', result == SASL_OK);
        assert_int_equal(sasl_token_encode(mechanism, rows[i].message, rows[i].length, "new", text,
                                           sizeof(text), &length),
                         rows[i].result);
        assert_int_equal(strlen(text), length);
        assert_int_equal(length != 0, result == SASL_OK);
    }
}

static void xoauth2(void **state)
{
    static const struct token_row rows[] = {
        TAKEN("user=someuser@example.com\1auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGE\1\1",
              "someuser@example.com"),
        TAKEN("user=u\1auth=Bearer t\1\1", "u"),
        TAKEN("user=u\1auth=bearer t\1\1", "u"),
        TAKEN("user=a=b,c d\1auth=Bearer !~a+/=\1\1", "a=b,c d"),
        TAKEN("user=j\xc3\xb6rg\1auth=Bearer t\1\1", "j\xc3\xb6rg"),
        REFUSED("", SASL_BAD_MESSAGE),
        REFUSED("\1", SASL_BAD_MESSAGE),
        REFUSED("user", SASL_BAD_MESSAGE),
        REFUSED("user=", SASL_BAD_MESSAGE),
        REFUSED("user=u", SASL_BAD_MESSAGE),
        REFUSED("user=u\1", SASL_BAD_MESSAGE),
        REFUSED("user=u\1\1", SASL_BAD_MESSAGE),
        REFUSED("User=u\1auth=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED(" user=u\1auth=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("user=u\1auth=Bearer t", SASL_BAD_MESSAGE),
        REFUSED("user=u\1auth=Bearer t\1", SASL_BAD_MESSAGE),
        REFUSED("user=u\1auth=Bearer t\1\1\1", SASL_BAD_MESSAGE),
        REFUSED("user=u\1auth=Bearer t\1\1x", SASL_BAD_MESSAGE),
        REFUSED("user=u\1auth=Bearer t\1x\1", SASL_BAD_MESSAGE),
        REFUSED("user=u\1auth=Bearer t\1\1\n", SASL_BAD_MESSAGE),
        REFUSED("user=u\1\1auth=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("user=u\1auth=Bearer t\1auth=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("user=u\1host=h\1auth=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("user=u\1auth=Bearer t\1host=h\1\1", SASL_BAD_MESSAGE),
        REFUSED("user=u\1auth=Basic t\1\1", SASL_BAD_MESSAGE),
        REFUSED("user=u\1auth=Bearer\1\1", SASL_BAD_MESSAGE),
        REFUSED("user=u\1auth=Bearert\1\1", SASL_BAD_MESSAGE),
        REFUSED("user=u\1auth= Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("user=u\1Auth=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("user=u\1auths=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("user=u\1aut=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("user=u\1=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("user=u\1auth\1\1", SASL_BAD_MESSAGE),
        REFUSED("user=u\1auth=\1\1", SASL_BAD_MESSAGE),
        REFUSED("n,a=u,\1auth=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("user=u\1auth=Bearer \1\1", SASL_EMPTY),
        REFUSED("user=\1auth=Bearer t\1\1", SASL_EMPTY),
        REFUSED("user=u\1auth=Bearer  t\1\1", SASL_BAD_OCTET),
        REFUSED("user=u\1auth=Bearer t t\1\1", SASL_BAD_OCTET),
        REFUSED("user=u\1auth=Bearer t\n\1\1", SASL_BAD_OCTET),
        REFUSED("user=u\1auth=Bearer t\0\1\1", SASL_BAD_OCTET),
        REFUSED("user=u\1auth=Bearer t\x7f\1\1", SASL_BAD_OCTET),
        REFUSED("user=u\1auth=Bearer t\xc3\xb6\1\1", SASL_BAD_OCTET),
        REFUSED("user=u\r\nDELE 1\1auth=Bearer t\1\1", SASL_BAD_OCTET),
        REFUSED("user=u\0v\1auth=Bearer t\1\1", SASL_BAD_OCTET),
        REFUSED("user=u\x7f\1auth=Bearer t\1\1", SASL_BAD_OCTET),
    };

    (void)state;
    check_rows(SASL_MECHANISM_XOAUTH2, rows, COUNT(rows));
}

static void oauthbearer(void **state)
{
    static const struct token_row rows[] = {
        TAKEN("n,a=user@example.com,\1host=server.example.com\1port=143\1auth=Bearer "
              "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\1\1",
              "user@example.com"),
        TAKEN("n,a=u,\1auth=Bearer t\1\1", "u"),
        TAKEN("y,a=u,\1auth=Bearer t\1\1", "u"),
        TAKEN("n,a=u,\1auth=Bearer t\1host=h\1\1", "u"),
        TAKEN("n,a=a=2Cb=3Dc,\1auth=Bearer t\1\1", "a,b=c"),
        TAKEN("n,a==2c=3d,\1auth=Bearer t\1\1", ",="),
        TAKEN("n,a==3D2C,\1auth=Bearer t\1\1", "=2C"),
        TAKEN("n,a=j\xc3\xb6rg,\1auth=Bearer t\1\1", "j\xc3\xb6rg"),
        TAKEN("n,a=u,\1qs=a b\t\r\n~\1auth=Bearer t\1\1", "u"),
        TAKEN("n,a=u,\1user=\1auth=bEARER t\1\1", "u"),
        TAKEN("n,a=u,\1AUTH=x\1azAZ=\1auth=Bearer t\1\1", "u"),
        REFUSED("", SASL_BAD_MESSAGE),
        REFUSED("\1", SASL_BAD_MESSAGE),
        REFUSED("n", SASL_BAD_MESSAGE),
        REFUSED("n,", SASL_BAD_MESSAGE),
        REFUSED("n,a", SASL_BAD_MESSAGE),
        REFUSED("n,a=", SASL_BAD_MESSAGE),
        REFUSED("n,a=u", SASL_BAD_MESSAGE),
        REFUSED("n,a=u,", SASL_BAD_MESSAGE),
        REFUSED("n,a=u,\1", SASL_BAD_MESSAGE),
        REFUSED("n,a=u,\1\1", SASL_BAD_MESSAGE),
        REFUSED("n,a=u\1auth=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("n,a=u,auth=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("n,a=u,x\1auth=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("n,u,\1auth=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("N,a=u,\1auth=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("n,A=u,\1auth=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("F,n,a=u,\1auth=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("p=tls-unique,a=u,\1auth=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("user=u\1auth=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("n,a=u,\1auth=Bearer t", SASL_BAD_MESSAGE),
        REFUSED("n,a=u,\1auth=Bearer t\1", SASL_BAD_MESSAGE),
        REFUSED("n,a=u,\1auth=Bearer t\1\1\1", SASL_BAD_MESSAGE),
        REFUSED("n,a=u,\1auth=Bearer t\1\1x", SASL_BAD_MESSAGE),
        REFUSED("n,a=u,\1auth=Bearer t\1x\1", SASL_BAD_MESSAGE),
        REFUSED("n,a=u,\1host=h\1\1", SASL_BAD_MESSAGE),
        REFUSED("n,a=u,\1host=h\1\1auth=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("n,a=u,\1auth=Bearer t\1auth=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("n,a=u,\1host\1auth=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("n,a=u,\1=h\1auth=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("n,a=u,\1ho1t=h\1auth=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("n,a=u,\1ho@t=h\1auth=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("n,a=u,\1[=h\1auth=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("n,a=u,\1`=h\1auth=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("n,a=u,\1{=h\1auth=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("n,a=u,\1auth=Basic t\1\1", SASL_BAD_MESSAGE),
        REFUSED("n,a=a=,\1auth=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("n,a=a=2,\1auth=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("n,a=a=2D,\1auth=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("n,a=a=3C,\1auth=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("n,a=a=20b,\1auth=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("n,a==,\1auth=Bearer t\1\1", SASL_BAD_MESSAGE),
        REFUSED("n,,\1auth=Bearer t\1\1", SASL_EMPTY),
        REFUSED("n,a=,\1auth=Bearer t\1\1", SASL_EMPTY),
        REFUSED("n,a=u,\1auth=Bearer \1\1", SASL_EMPTY),
        REFUSED("n,a=u\n,\1auth=Bearer t\1\1", SASL_BAD_OCTET),
        REFUSED("n,a=u\0,\1auth=Bearer t\1\1", SASL_BAD_OCTET),
        REFUSED("n,a=u\1v,\1auth=Bearer t\1\1", SASL_BAD_OCTET),
        REFUSED("n,a=u,\1auth=Bearer t\r\n\1\1", SASL_BAD_OCTET),
        REFUSED("n,a=u,\1host=h\0\1auth=Bearer t\1\1", SASL_BAD_OCTET),
        REFUSED("n,a=u,\1host=h\x7f\1auth=Bearer t\1\1", SASL_BAD_OCTET),
        REFUSED("n,a=u,\1host=\x1f\1auth=Bearer t\1\1", SASL_BAD_OCTET),
        REFUSED("n,a=u,\1host=\xc3\xb6\1auth=Bearer t\1\1", SASL_BAD_OCTET),
    };

    (void)state;
    check_rows(SASL_MECHANISM_OAUTHBEARER, rows, COUNT(rows));
}

static void tokens_of_other_mechanisms(void **state)
{
    static const char message[] = "user=u\1auth=Bearer t\1\1";
    char user[BUFFER_SIZE], text[BUFFER_SIZE];
    size_t length;

    (void)state;
    for (unsigned i = 0; i <= SASL_MECHANISM_COUNT; i++) {
        enum sasl_mechanism mechanism = (enum sasl_mechanism)i;
        enum sasl_result expected =
            mechanism == SASL_MECHANISM_XOAUTH2 ? SASL_OK : SASL_BAD_MESSAGE;

        assert_int_equal(token_user(mechanism, MESSAGE(message), user, sizeof(user)), expected);
        assert_int_equal(
            sasl_token_encode(mechanism, MESSAGE(message), "v", text, sizeof(text), &length),
            expected);
    }
}

static void token_user_sizes(void **state)
{
    char user[5] = "x";

    (void)state;
    assert_int_equal(
        token_user(SASL_MECHANISM_XOAUTH2, MESSAGE("user=four\1auth=Bearer t\1\1"), user, 5),
        SASL_OK);
    assert_int_equal(
        token_user(SASL_MECHANISM_XOAUTH2, MESSAGE("user=fives\1auth=Bearer t\1\1"), user, 5),
        SASL_TOO_LONG);
    assert_string_equal(user, "");
    assert_int_equal(token_user(SASL_MECHANISM_OAUTHBEARER,
                                MESSAGE("n,a==2C=2C=2C=2C,\1auth=Bearer t\1\1"), user, 5),
                     SASL_OK);
    assert_string_equal(user, ",,,,");
    assert_int_equal(
        token_user(SASL_MECHANISM_OAUTHBEARER, MESSAGE("n,a=fives,\1auth=Bearer t\1\1"), user, 5),
        SASL_TOO_LONG);
    assert_string_equal(user, "");
    assert_int_equal(
        token_user(SASL_MECHANISM_OAUTHBEARER, MESSAGE("n,a=u,\1auth=Bearer t\1\1"), user, 0),
        SASL_TOO_LONG);
}

static void check_encoded(enum sasl_mechanism mechanism, const char *message, size_t length,
                          const char *user, const char *expected, size_t expected_length)
{
    char *copy = exact_copy(message, length);
    char text[256], data[256];
    size_t text_length, data_length;

    assert_int_equal(
        sasl_token_encode(mechanism, copy, length, user, text, sizeof(text), &text_length),
        SASL_OK);
    assert_int_equal(strlen(text), text_length);
    assert_int_equal(sasl_base64_decode(text, text_length, data, sizeof(data), &data_length),
                     SASL_OK);
    assert_int_equal(data_length, expected_length);
    assert_memory_equal(data, expected, expected_length);
    free(copy);
}

static void tokens_written_again(void **state)
{
    (void)state;
    check_encoded(SASL_MECHANISM_XOAUTH2, MESSAGE("user=u@server\1auth=Bearer a.b=\1\1"), "u",
                  MESSAGE("user=u\1auth=Bearer a.b=\1\1"));
    check_encoded(SASL_MECHANISM_XOAUTH2, MESSAGE("user=u\1auth=bearer t\1\1"), "longer,=name",
                  MESSAGE("user=longer,=name\1auth=bearer t\1\1"));
    check_encoded(SASL_MECHANISM_OAUTHBEARER,
                  MESSAGE("n,a=u@server,\1host=h\1port=110\1auth=Bearer t\1\1"), "u",
                  MESSAGE("n,a=u,\1host=h\1port=110\1auth=Bearer t\1\1"));
    check_encoded(SASL_MECHANISM_OAUTHBEARER, MESSAGE("y,a=u,\1auth=Bearer t\1\1"), "a,b=c",
                  MESSAGE("y,a=a=2Cb=3Dc,\1auth=Bearer t\1\1"));
    check_encoded(SASL_MECHANISM_OAUTHBEARER, MESSAGE("n,a==2Cx,\1auth=Bearer t\1\1"), "jo",
                  MESSAGE("n,a=jo,\1auth=Bearer t\1\1"));
}

static void tokens_written_again_refuse(void **state)
{
    static const char message[] = "n,a=u,\1auth=Bearer t\1\1";
    char text[SASL_BASE64_SIZE(sizeof(message) - 1)] = "x";
    size_t length = 99;

    (void)state;
    assert_int_equal(sasl_token_encode(SASL_MECHANISM_OAUTHBEARER, MESSAGE(message), "", text,
                                       sizeof(text), &length),
                     SASL_EMPTY);
    assert_int_equal(length, 0);
    assert_string_equal(text, "");
    assert_int_equal(sasl_token_encode(SASL_MECHANISM_OAUTHBEARER, MESSAGE(message), "u\1", text,
                                       sizeof(text), &length),
                     SASL_BAD_OCTET);
    assert_int_equal(sasl_token_encode(SASL_MECHANISM_OAUTHBEARER, MESSAGE(message), "v", text,
                                       sizeof(text), &length),
                     SASL_OK);
    assert_int_equal(sasl_token_encode(SASL_MECHANISM_OAUTHBEARER, MESSAGE(message), "v", text,
                                       sizeof(text) - 1, &length),
                     SASL_TOO_LONG);
    assert_string_equal(text, "");
    assert_int_equal(sasl_token_encode(SASL_MECHANISM_OAUTHBEARER, MESSAGE(message), "===", text,
                                       sizeof(text), &length),
                     SASL_TOO_LONG);
    assert_int_equal(length, 0);
}

/* A token comes with one mechanism and goes on with the other. */
static void tokens_are_converted(void **state)
{
    char token[64], message[64 + SASL_TOKEN_EXTRA];
    size_t length;

    (void)state;
    assert_int_equal(sasl_token_value(SASL_MECHANISM_OAUTHBEARER,
                                      MESSAGE("n,a=auth=2Cx,\1host=h\1auth=bearer a.b==\1port=110\1\1"),
                                      token, sizeof(token)),
                     SASL_OK);
    assert_string_equal(token, "a.b==");
    length = sasl_token_make(SASL_MECHANISM_XOAUTH2, token, message, sizeof(message));
    assert_int_equal(length, strlen("user=x\1auth=Bearer a.b==\1\1"));
    assert_memory_equal(message, "user=x\1auth=Bearer a.b==\1\1", length);
    assert_int_equal(sasl_token_value(SASL_MECHANISM_XOAUTH2, message, length, token, 5),
                     SASL_TOO_LONG);
    assert_string_equal(token, "");
    assert_int_equal(sasl_token_value(SASL_MECHANISM_XOAUTH2, message, length, token, 6), SASL_OK);
    assert_string_equal(token, "a.b==");
    assert_int_equal(sasl_token_value(SASL_MECHANISM_PLAIN, message, length, token, sizeof(token)),
                     SASL_BAD_MESSAGE);
}

/* A token that fills the line: the same name fits, a longer one does not. */
static void tokens_at_the_limit(void **state)
{
    static char message[SASL_DATA_MAX], text[SASL_BASE64_BUFFER_SIZE], again[SASL_DATA_MAX];
    static const char head[] = "user=u\1auth=Bearer ";
    size_t length;

    (void)state;
    memset(message, 't', sizeof(message));
    memcpy(message, head, sizeof(head) - 1);
    memset(message + sizeof(message) - 2, 1, 2);
    assert_int_equal(sasl_token_encode(SASL_MECHANISM_XOAUTH2, message, sizeof(message), "u", text,
                                       sizeof(text), &length),
                     SASL_OK);
    assert_int_equal(length, SASL_BASE64_MAX);
    assert_int_equal(sasl_base64_decode(text, length, again, sizeof(again), &length), SASL_OK);
    assert_int_equal(length, sizeof(message));
    assert_memory_equal(again, message, sizeof(message));
    assert_int_equal(sasl_token_encode(SASL_MECHANISM_XOAUTH2, message, sizeof(message), "uu", text,
                                       sizeof(text), &length),
                     SASL_TOO_LONG);
    assert_int_equal(length, 0);
}

/* A buffer without room is not changed; one with room for a NUL becomes "". */
static void no_room(void **state)
{
    char text[2] = "x";
    size_t length;

    (void)state;
    assert_int_equal(sasl_login_decode(MESSAGE("u"), text, 0), SASL_TOO_LONG);
    assert_int_equal(sasl_external_decode(MESSAGE(""), text, 0), SASL_EMPTY);
    assert_int_equal(sasl_base64_encode("", 0, text, 0, &length), SASL_TOO_LONG);
    assert_string_equal(text, "x");
    assert_int_equal(sasl_external_decode(MESSAGE(""), text, 1), SASL_OK);
    assert_string_equal(text, "");
    text[0] = 'x';
    assert_int_equal(sasl_login_decode(MESSAGE("u"), text, 1), SASL_TOO_LONG);
    assert_string_equal(text, "");
}

/* The sizes that the header promises are exactly enough. */
static void exact_room(void **state)
{
    static const char message[] = "n,a=u,\1auth=Bearer 1234\1\1";
    char text[SASL_BASE64_SIZE(sizeof(message) - 1 + 2)];
    size_t length;

    (void)state;
    assert_int_equal(sasl_plain_encode("", "u", "pwd", text, SASL_BASE64_SIZE(6), &length), SASL_OK);
    assert_int_equal(sasl_token_encode(SASL_MECHANISM_OAUTHBEARER, MESSAGE(message), ",", text,
                                       sizeof(text), &length),
                     SASL_OK);
    assert_int_equal(length, sizeof(text) - 1);
    assert_int_equal((sizeof(message) - 1 + 2) % 3, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mechanisms),
        cmocka_unit_test(mechanism_names),
        cmocka_unit_test(result_words),
        cmocka_unit_test(base64_vectors),
        cmocka_unit_test(base64_refuses),
        cmocka_unit_test(base64_refuses_nul),
        cmocka_unit_test(base64_is_canonical),
        cmocka_unit_test(base64_round_trip),
        cmocka_unit_test(base64_sizes),
        cmocka_unit_test(base64_limits),
        cmocka_unit_test(responses),
        cmocka_unit_test(initial_responses),
        cmocka_unit_test(credentials),
        cmocka_unit_test(plain_takes),
        cmocka_unit_test(plain_refuses),
        cmocka_unit_test(plain_every_octet),
        cmocka_unit_test(plain_sizes),
        cmocka_unit_test(plain_encodes),
        cmocka_unit_test(plain_encode_refuses),
        cmocka_unit_test(login),
        cmocka_unit_test(external),
        cmocka_unit_test(xoauth2),
        cmocka_unit_test(oauthbearer),
        cmocka_unit_test(tokens_are_converted),
        cmocka_unit_test(tokens_of_other_mechanisms),
        cmocka_unit_test(token_user_sizes),
        cmocka_unit_test(tokens_written_again),
        cmocka_unit_test(tokens_written_again_refuse),
        cmocka_unit_test(tokens_at_the_limit),
        cmocka_unit_test(no_room),
        cmocka_unit_test(exact_room),
    };

    return cmocka_run_group_tests_name("sasl", tests, NULL, NULL);
}
