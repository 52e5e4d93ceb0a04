/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLS between two of our streams: session tickets across processes, changes of keys and reloads,
 * how long a server's certificate is trusted without being seen, and truncated connections.
 * openssl(1) makes the certificate. The test sets the wall clock that our code sees; OpenSSL uses
 * the real one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "tls/tls.h"

enum { LIMIT_MS = 10000, CERTIFICATE_DAYS = 30, DAY_S = 24 * 3600 };

static int64_t ahead_s; /* of the real time */

int64_t __wrap_clock_wall_s(void);

int64_t __wrap_clock_wall_s(void)
{
    return (int64_t)time(NULL) + ahead_s;
}

static char certificate[64];
static char directory[] = "/tmp/test_tls_XXXXXX";

/* Without openssl(1) there is no certificate. */
static int make_certificate(void **state)
{
    char command[512];

    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(certificate, sizeof(certificate), "%s/pem", directory);
    snprintf(command, sizeof(command),
             "openssl req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -days %d "
             "-subj /CN=localhost -keyout %s -out %s.crt >/dev/null 2>&1 && cat %s.crt >>%s",
             CERTIFICATE_DAYS, certificate, certificate, certificate, certificate);
    if (system(command) != 0)
        certificate[0] = '\0';
    return 0;
}

static int remove_certificate(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    return system(command) == 0 ? 0 : -1;
}

static struct tls_context *new_acceptor(const struct tls_ticket_keys *keys)
{
    const struct tls_clients_settings settings = {.name = "test", .certificates = certificate};
    struct error error;
    struct tls_context *context;

    if (certificate[0] == '\0')
        skip();
    context = tls_context_for_clients(&settings, &error);
    assert_non_null(context);
    if (keys != NULL)
        tls_context_use_tickets(context, keys);
    return context;
}

static struct tls_context *new_connector(bool verify)
{
    const struct tls_servers_settings settings = {.ca = certificate, .verify = verify};
    struct error error;
    struct tls_context *context = tls_context_for_servers(&settings, &error);

    assert_non_null(context);
    return context;
}

/* The accepting end, in a process of its own: one line, and an end with or without goodbye. */
static void accept_one(const struct tls_context *context, int fd, bool is_rude)
{
    struct stream stream;
    int64_t deadline_ms = clock_after_ms(LIMIT_MS);

    stream_open_socket(&stream, fd);
    if (stream_tls_accept(&stream, context, false, deadline_ms) != IO_OK)
        _exit(1);
    stream_put_text(&stream, "+OK\r\n");
    (void)stream_flush(&stream, false, deadline_ms);
    if (is_rude)
        _exit(0);
    stream_close(&stream);
    _exit(0);
}

static struct stream connect_one(const struct tls_context *acceptor, struct tls_context *connector,
                                 bool is_rude)
{
    struct stream stream;
    int64_t deadline_ms = clock_after_ms(LIMIT_MS);
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    if (fork() == 0) {
        close(pair[0]);
        accept_one(acceptor, pair[1], is_rude);
    }
    close(pair[1]);
    stream_open_socket(&stream, pair[0]);
    assert_int_equal(stream_tls_connect(&stream, connector, "localhost", 995, deadline_ms), IO_OK);
    assert_true(stream_is_tls(&stream));
    while (buffer_length(&stream.in) < 5)
        assert_int_equal(stream_fill(&stream, 5, deadline_ms), IO_OK);
    assert_memory_equal(buffer_data(&stream.in), "+OK\r\n", 5);
    return stream;
}

static bool is_resumed(const struct tls_context *acceptor, struct tls_context *connector)
{
    struct stream stream = connect_one(acceptor, connector, false);
    struct tls_facts facts;

    stream_tls_facts(&stream, &facts);
    stream_close(&stream);
    (void)wait(NULL);
    return facts.is_resumed;
}

static struct tls_ticket_keys *new_keys(void)
{
    struct tls_ticket_keys *keys =
        mmap(NULL, sizeof(*keys), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(keys, MAP_FAILED);
    assert_int_equal(tls_ticket_keys_rotate(keys), 0);
    return keys;
}

struct ends {
    struct tls_ticket_keys *keys;
    struct tls_context *acceptor;
    struct tls_context *connector;
};

static struct ends new_ends(bool verify)
{
    struct ends ends = {.keys = new_keys()};

    ends.acceptor = new_acceptor(ends.keys);
    ends.connector = new_connector(verify);
    return ends;
}

static void free_ends(struct ends *ends)
{
    tls_context_free(ends->acceptor);
    tls_context_free(ends->connector);
    munmap(ends->keys, sizeof(*ends->keys));
    ahead_s = 0;
}

static bool are_resumed(const struct ends *ends)
{
    return is_resumed(ends->acceptor, ends->connector);
}

static void sessions_are_resumed_by_any_process(void **state)
{
    struct ends ends = new_ends(false);

    (void)state;
    assert_false(are_resumed(&ends));
    assert_true(are_resumed(&ends));
    assert_true(are_resumed(&ends));
    free_ends(&ends);
}

/* Each resumption brings a new ticket: they must not make one look at the certificate last for
 * ever. */
static void a_verified_certificate_is_trusted_for_an_hour(void **state)
{
    struct ends ends = new_ends(true);

    (void)state;
    assert_false(are_resumed(&ends));
    for (int round = 0; round < 2; round++) {
        ahead_s += TLS_TRUST_S / 2;
        assert_true(are_resumed(&ends));
        ahead_s += TLS_TRUST_S / 2 - 60;
        assert_true(are_resumed(&ends));
        ahead_s += 61;
        assert_false(are_resumed(&ends));
    }
    free_ends(&ends);
}

static void an_expired_certificate_is_not_trusted(void **state)
{
    struct ends ends = new_ends(true);

    (void)state;
    ahead_s = CERTIFICATE_DAYS * DAY_S - TLS_TRUST_S / 2;
    assert_false(are_resumed(&ends));
    assert_true(are_resumed(&ends));
    ahead_s = CERTIFICATE_DAYS * DAY_S + 1;
    assert_false(are_resumed(&ends));
    assert_false(are_resumed(&ends));
    free_ends(&ends);
}

/* A context that does not verify certificates has no reason to verify again. */
static void without_verification_nothing_ends(void **state)
{
    struct ends ends = new_ends(false);

    (void)state;
    assert_false(are_resumed(&ends));
    ahead_s = 2 * CERTIFICATE_DAYS * DAY_S;
    assert_true(are_resumed(&ends));
    free_ends(&ends);
}

static void tickets_outlive_a_reload_and_one_new_key(void **state)
{
    struct ends ends = new_ends(false);

    (void)state;
    assert_false(are_resumed(&ends));
    tls_context_free(ends.acceptor);
    ends.acceptor = new_acceptor(ends.keys);
    assert_true(are_resumed(&ends));
    tls_ticket_keys_rotate(ends.keys);
    assert_true(are_resumed(&ends));
    tls_ticket_keys_rotate(ends.keys);
    tls_ticket_keys_rotate(ends.keys);
    assert_false(are_resumed(&ends));
    free_ends(&ends);
}

static void no_tickets_without_keys(void **state)
{
    static struct tls_ticket_keys empty;
    struct tls_context *connector = new_connector(false);
    struct tls_context *acceptor = new_acceptor(NULL);

    (void)state;
    assert_false(is_resumed(acceptor, connector));
    assert_false(is_resumed(acceptor, connector));
    tls_context_free(acceptor);
    acceptor = new_acceptor(&empty);
    assert_false(is_resumed(acceptor, connector));
    assert_false(is_resumed(acceptor, connector));
    tls_context_free(acceptor);
    tls_context_free(connector);
}

/* ---- writes below TLS ---- */

static const struct stream_ops *plain_ops;
static char pushes[16]; /* for each write below TLS: '+' more follows at once, '.' that is all */

static enum io_status noted_write(struct stream *stream, const void *from, size_t length,
                                  bool has_more, size_t *moved_r)
{
    strncat(pushes, has_more ? "+" : ".", sizeof(pushes) - strlen(pushes) - 1);
    return plain_ops->write(stream, from, length, has_more, moved_r);
}

static void accept_noted(const struct tls_context *context, int fd, bool is_followed)
{
    struct stream_ops noted_ops;
    struct stream stream;
    int64_t deadline_ms = clock_after_ms(LIMIT_MS);

    stream_open_socket(&stream, fd);
    plain_ops = stream.ops;
    noted_ops = *plain_ops;
    noted_ops.write = noted_write;
    stream.ops = &noted_ops;
    if (stream_tls_accept(&stream, context, is_followed, deadline_ms) != IO_OK)
        _exit(1);
    stream_put_text(&stream, "+OK\r\n");
    (void)stream_flush(&stream, false, deadline_ms);
    _exit(strcmp(pushes, is_followed ? ".+." : "...") == 0 ? 0 : 2);
}

/* The handshake's answer, the ticket, the greeting: the last two are one segment. */
static void a_ticket_goes_along_with_what_follows(void **state)
{
    struct ends ends = new_ends(false);
    int64_t deadline_ms = clock_after_ms(LIMIT_MS);

    (void)state;
    for (int is_followed = 0; is_followed <= 1; is_followed++) {
        struct stream stream;
        int pair[2];
        int status;

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        if (fork() == 0) {
            close(pair[0]);
            accept_noted(ends.acceptor, pair[1], is_followed);
        }
        close(pair[1]);
        stream_open_socket(&stream, pair[0]);
        assert_int_equal(stream_tls_connect(&stream, ends.connector, "localhost", 995, deadline_ms),
                         IO_OK);
        while (buffer_length(&stream.in) < 5)
            assert_int_equal(stream_fill(&stream, 5, deadline_ms), IO_OK);
        stream_close(&stream);
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    free_ends(&ends);
}

static void an_end_is_an_end_only_with_goodbye(void **state)
{
    struct tls_context *acceptor = new_acceptor(NULL);
    struct tls_context *connector = new_connector(false);
    struct stream stream = connect_one(acceptor, connector, false);

    (void)state;
    assert_int_equal(stream_fill(&stream, 1, clock_after_ms(LIMIT_MS)), IO_EOF);
    assert_null(stream_tls_failure(&stream));
    stream_close(&stream);
    stream = connect_one(acceptor, connector, true);
    assert_int_equal(stream_fill(&stream, 1, clock_after_ms(LIMIT_MS)), IO_FAILED);
    assert_null(stream_tls_failure(&stream)); /* TLS itself did not fail */
    stream_close(&stream);
    while (wait(NULL) != -1)
        continue;
    tls_context_free(acceptor);
    tls_context_free(connector);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_are_resumed_by_any_process),
        cmocka_unit_test(a_verified_certificate_is_trusted_for_an_hour),
        cmocka_unit_test(an_expired_certificate_is_not_trusted),
        cmocka_unit_test(without_verification_nothing_ends),
        cmocka_unit_test(tickets_outlive_a_reload_and_one_new_key),
        cmocka_unit_test(no_tickets_without_keys),
        cmocka_unit_test(a_ticket_goes_along_with_what_follows),
        cmocka_unit_test(an_end_is_an_end_only_with_goodbye),
    };

    return cmocka_run_group_tests(tests, make_certificate, remove_certificate);
}
