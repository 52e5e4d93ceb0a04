/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tables of outcomes, and the parts of a login name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config/conf.h"
#include "pop3/reply.h"
#include "session/stages.h"

/* ---- outcomes ---- */

static void test_outcomes(void **state)
{
    (void)state;
    for (int i = OUTCOME_NONE + 1; i < OUTCOME_COUNT; i++) {
        const char *reason = outcome_reason((enum outcome)i);
        const char *reply = outcome_reply((enum outcome)i);

        assert_int_equal(strspn(reason, "abcdefghijklmnopqrstuvwxyz0123456789-"), strlen(reason));
        assert_true(reason[0] != '\0');
        for (int k = 0; k < i; k++)
            assert_string_not_equal(reason, outcome_reason((enum outcome)k));
        if (reply == NULL)
            continue;
        assert_memory_equal(reply, "-ERR ", 5);
        assert_true(strlen(reply) + 2 <= REPLY_LINE_BYTES);
        for (const char *c = reply; *c != '\0'; c++)
            assert_true(*c >= 0x20 && *c <= 0x7e);
    }
}

/* ---- selection ---- */

/* A session with these settings, KEY=VALUE separated by blanks, and a login name. */
static struct conf_instance instance;
static struct session_start start;
static struct session session;

static enum outcome select_as(const char *settings, const char *user, const char *password)
{
    struct conf_section section;
    struct error error;
    char text[200];
    char *next = text;

    snprintf(text, sizeof(text), "%s", settings);
    conf_section_init(&section, "test", "test");
    for (char *word; (word = strsep(&next, " ")) != NULL;) {
        char *value = strchr(word, '=');
        *value = '\0';
        if (conf_set(&section, conf_key_find(word), value + 1, "test", &error) == -1)
            fail_msg("%s", error.text);
    }
    if (conf_instance_init(&instance, &section, &error) == -1)
        fail_msg("%s", error.text);
    start = (struct session_start){.conf = &instance};
    session = (struct session){.start = &start, .values = instance.values};
    session.credentials.user = credentials_keep(&session.credentials, user, strlen(user));
    session.credentials.password =
        credentials_keep(&session.credentials, password, strlen(password));
    return select_run(&session);
}

static void done(void)
{
    credentials_wipe(&session.credentials);
    conf_instance_free(&instance);
}

static void check(const char *settings, const char *login, const char *user, const char *server)
{
    char text[SESSION_SERVER_SIZE];

    assert_int_equal(select_as(settings, login, "secret"), OUTCOME_NONE);
    assert_string_equal(session.credentials.user, user);
    assert_string_equal(session.user, user);
    assert_string_equal(session_server_text(&session, text), server);
    done();
}

static void check_refused(const char *settings, const char *login, enum outcome outcome)
{
    assert_int_equal(select_as(settings, login, "secret"), outcome);
    done();
}

static void test_select(void **state)
{
    (void)state;
    check("server=home", "joe@example.org", "joe@example.org", "home:110");
    check("server=home:1110 select_server=yes", "joe", "joe", "home:1110");
    check("server=home select_server=yes", "joe@there", "joe", "there:110");
    check("server=home select_server=yes", "joe@", "joe", "home:110");
    check("server=home select_server=yes", "joe@a.org@there:995", "joe@a.org", "there:995");
    check("server=home select_server=yes", "joe@[::1]:995", "joe", "[::1]:995");
    check("server=home select_server=yes delimiters=%", "joe@a.org%there", "joe@a.org",
          "there:110");
    check("server=home select_server=yes delimiters=@%", "joe%a@b", "joe%a", "b:110");
}

static void test_refused(void **state)
{
    (void)state;
    check_refused("server=- select_server=yes", "joe", OUTCOME_NO_SERVER);
    check_refused("server=home select_server=yes", "@there", OUTCOME_NO_USER);
    check_refused("server=home select_server=yes", "joe@-there", OUTCOME_BAD_SERVER_NAME);
    check_refused("server=home select_server=yes", "joe@there:0", OUTCOME_BAD_SERVER_NAME);
    check_refused("server=home select_server=yes", "joe@there:070", OUTCOME_BAD_SERVER_NAME);
    check_refused("server=home select_server=yes", "joe@../x", OUTCOME_BAD_SERVER_NAME);
}

static void test_allowed(void **state)
{
    static const char list[] = "server=home select_server=yes allow_servers=a.org,*.b.org,c:*";

    (void)state;
    check(list, "joe@a.org", "joe", "a.org:110");
    check(list, "joe@A.ORG", "joe", "a.org:110");
    check(list, "joe@x.b.org", "joe", "x.b.org:110");
    check(list, "joe@c:995", "joe", "c:995");
    check(list, "joe", "joe", "home:110"); /* the default server need not be on the list */
    check(list, "joe@a.org:110", "joe", "a.org:110");
    check(list, "joe@c", "joe", "c:110");
    check_refused(list, "joe@a.org:995", OUTCOME_SERVER_NOT_ALLOWED);
    check_refused(list, "joe@x.b.org:995", OUTCOME_SERVER_NOT_ALLOWED);
    check_refused(list, "joe@b.org", OUTCOME_SERVER_NOT_ALLOWED);
}

static void test_proxy_login(void **state)
{
    (void)state;
    assert_int_equal(select_as("server=home acp=/acp", "gate:joe", "one:two:three"), OUTCOME_NONE);
    assert_string_equal(session.credentials.proxy_user, "gate");
    assert_string_equal(session.credentials.user, "joe");
    assert_string_equal(session.credentials.proxy_password, "one");
    assert_string_equal(session.credentials.password, "two:three");
    done();
    /* Without an acp or a proxy user, a colon is part of the password. */
    assert_int_equal(select_as("server=home", "gate:joe", "one:two"), OUTCOME_NONE);
    assert_string_equal(session.credentials.user, "gate:joe");
    assert_string_equal(session.credentials.password, "one:two");
    done();
    assert_int_equal(select_as("server=home acp=/acp", "joe", "one:two"), OUTCOME_NONE);
    assert_string_equal(session.credentials.password, "one:two");
    done();
    check("server=home acp=/acp select_server=yes", "gate:joe@there", "joe", "there:110");
    check("server=home acp=/acp select_server=yes", "gate@a.org:joe", "joe", "home:110");
    check_refused("server=home acp=/acp", "gate:", OUTCOME_NO_USER);
}

/* The name in the log is cut; the one for the server is not. */
static void test_long_name(void **state)
{
    static char name[2000];

    (void)state;
    memset(name, 'x', sizeof(name) - 1);
    assert_int_equal(select_as("server=home", name, "secret"), OUTCOME_NONE);
    assert_string_equal(session.credentials.user, name);
    assert_int_equal(strlen(session.user), SESSION_USER_SIZE - 1);
    done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outcomes),    cmocka_unit_test(test_select),
        cmocka_unit_test(test_refused),     cmocka_unit_test(test_allowed),
        cmocka_unit_test(test_proxy_login), cmocka_unit_test(test_long_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
