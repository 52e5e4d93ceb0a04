/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the log tells of people: networks for addresses, and hashes with a secret key for names. The
 * hash is compared with values of SipHash-2-4 from elsewhere. Includes the module, to set its key.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../src/base/log_privacy.c"

static char text[LOG_PRIVATE_SIZE];

static int forget(void **unused)
{
    (void)unused;
    memset(&state, 0, sizeof(state));
    return 0;
}

/* The key of the reference: the octets 00 01 .. 0f. */
static void use_reference_key(void)
{
    state.key[0] = UINT64_C(0x0706050403020100);
    state.key[1] = UINT64_C(0x0f0e0d0c0b0a0908);
    state.has_key = true;
    state.privacy = LOG_PRIVACY_HASHED;
}

/* The empty input is the first vector of the reference implementation. Its other inputs hold a
 * zero, which no name does: those of names come from `openssl mac ... SIPHASH`. */
static void test_siphash(void **unused)
{
    static const struct {
        const char *name, *hash;
    } rows[] = {
        {"a", "~2ba3e8e9a71148ca"},
        {"1234567", "~6ef942de1d1a4d4b"},
        {"abcdefgh", "~c329dda391d44470"},
        {"joe@example.net", "~1a1420510a2cdd59"},
        {"a-name-of-more-than-sixteen-octets", "~cb76ead9ab7cca75"},
    };

    (void)unused;
    use_reference_key();
    assert_true(hash_name("") == UINT64_C(0x726fdb47dd0e0e31));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(log_private("user", rows[i].name, text), rows[i].hash);
}

static void test_addresses(void **unused)
{
    static const char *const rows[][2] = {
        {"192.0.2.255", "192.0.2.0/24"},
        {"10.1.2.3", "10.1.2.0/24"},
        {"2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"},
        {"::1", "::/48"},
        {"/run/pop3", "/run/pop3"},
        {"-", "-"},
        {"", ""},
    };

    (void)unused;
    for (int privacy = LOG_PRIVACY_SHORT; privacy <= LOG_PRIVACY_HASHED; privacy++) {
        log_privacy_set((enum log_privacy)privacy);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
            assert_string_equal(log_private("client", rows[i][0], text), rows[i][1]);
    }
    assert_null(log_private("client", NULL, text));
}

static void test_which_keys(void **unused)
{
    static const char *const names[] = {"user", "certificate", "key"};

    (void)unused;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        log_privacy_set(LOG_PRIVACY_FULL);
        assert_string_equal(log_private(names[i], "joe", text), "joe");
        log_privacy_set(LOG_PRIVACY_SHORT);
        assert_string_equal(log_private(names[i], "joe", text), "joe");
        log_privacy_set(LOG_PRIVACY_HASHED);
        assert_int_equal(log_private(names[i], "joe", text)[0], '~');
    }
    assert_string_equal(log_private("server", "joe", text), "joe");
    assert_string_equal(log_private("server", "192.0.2.255", text), "192.0.2.255");
    log_privacy_set(LOG_PRIVACY_FULL);
    assert_string_equal(log_private("client", "192.0.2.255", text), "192.0.2.255");
}

/* A user, the words, and what a line tells of them. */
static void test_words(void **unused)
{
    static const char *const rows[][3] = {
        {"joe@example.net", "no joe@example.net, no JOE@example.NET", "no ~, no ~"},
        {"joe@example.net", "/mail/joe: joel has it", "/mail/~: joel has it"},
        {"anna", "lock.anna: x_anna2 Hannah", "lock.~: x_~ H~"},
        {"anna@example.net", "the words end in anna@exam", "the words end in ~"},
        {"", "192.0.2.7 192.0.2.71 1192.0.2.7", "192.0.2.0/24 192.0.2.71 1192.0.2.7"},
        {"", "::ffff:192.0.2.7:110, 192.0.2.7.", "::ffff:192.0.2.0/24:110, 192.0.2.0/24."},
        {NULL, "none", "none"},
    };
    char words[LOG_WORDS_SIZE];

    (void)unused;
    state.privacy = LOG_PRIVACY_HASHED; /* without a key a name is ~ alone */
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(log_private_words(rows[i][1], rows[i][0], "192.0.2.7", words),
                            rows[i][2]);
    assert_string_equal(log_private_words("from [2001:DB8:0:0::5].", "", "2001:db8::5", words),
                        "from [2001:db8::/48].");
    assert_string_equal(log_private_words("from -", "", "-", words), "from -");
    state.privacy = LOG_PRIVACY_SHORT;
    assert_string_equal(log_private_words("joe at 192.0.2.7", "joe", "192.0.2.7", words),
                        "joe at 192.0.2.0/24");
    state.privacy = LOG_PRIVACY_FULL;
    assert_string_equal(log_private_words("joe at 192.0.2.7", "joe", "192.0.2.7", words),
                        "joe at 192.0.2.7");
}

/* Whatever the words are, they end in their room. */
static void test_words_are_cut(void **unused)
{
    char words[2048];
    char to[LOG_WORDS_SIZE];

    (void)unused;
    state.privacy = LOG_PRIVACY_HASHED;
    memset(words, '1', sizeof(words) - 1);
    words[sizeof(words) - 1] = '\0';
    assert_in_range(strlen(log_private_words(words, "joe", "192.0.2.7", to)), 320, sizeof(to) - 1);
    for (size_t i = 0; i < sizeof(words) - 10; i += 10)
        memcpy(words + i, "192.0.2.7 ", 10);
    assert_in_range(strlen(log_private_words(words, "joe", "192.0.2.7", to)), 320, sizeof(to) - 1);
}

/* One name has one hash, in upper and lower case; other names and other keys have others. */
static void test_matching(void **unused)
{
    char first[LOG_PRIVATE_SIZE];

    log_privacy_set(LOG_PRIVACY_HASHED);
    strcpy(first, log_private("user", "joe@example.net", text));
    assert_int_equal(strlen(first), 17);
    assert_string_equal(log_private("user", "Joe@EXAMPLE.net", text), first);
    assert_string_not_equal(log_private("user", "jof@example.net", text), first);
    log_privacy_set(LOG_PRIVACY_HASHED); /* a reload */
    assert_string_equal(log_private("user", "joe@example.net", text), first);
    forget(unused);
    log_privacy_set(LOG_PRIVACY_HASHED); /* a restart: a new key */
    assert_string_not_equal(log_private("user", "joe@example.net", text), first);
}

static void test_next_binary_has_the_key(void **unused)
{
    char first[LOG_PRIVATE_SIZE];

    log_privacy_set(LOG_PRIVACY_HASHED);
    strcpy(first, log_private("user", "joe", text));
    log_privacy_pass();
    forget(unused);
    log_privacy_inherit();
    assert_null(getenv(PASSED));
    log_privacy_set(LOG_PRIVACY_HASHED);
    assert_string_equal(log_private("user", "joe", text), first);
    forget(unused);
    log_privacy_inherit(); /* only once */
    assert_false(state.has_key);
}

static void test_no_randomness(void **unused)
{
    (void)unused;
    state.privacy = LOG_PRIVACY_HASHED;
    assert_string_equal(log_private("user", "joe", text), "~");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_siphash, forget),
        cmocka_unit_test_setup(test_addresses, forget),
        cmocka_unit_test_setup(test_which_keys, forget),
        cmocka_unit_test_setup(test_words, forget),
        cmocka_unit_test_setup(test_words_are_cut, forget),
        cmocka_unit_test_setup(test_matching, forget),
        cmocka_unit_test_setup(test_next_binary_has_the_key, forget),
        cmocka_unit_test_setup(test_no_randomness, forget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
