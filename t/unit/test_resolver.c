/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cache of names, over a resolver and a clock that the test plays: what sessions are told when
 * one family is late, fails or is never answered, after the TTL, and when the name servers change.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "helper/job.h"
#include "helper/lookup.h"
#include "helper/resolver.h"

enum { LOOKUPS_OF_ONE = 64, QUESTIONS_MAX = 3 * LOOKUPS_OF_ONE, TTL_S = 60, SECOND = 1000 };

/* ---- the resolver and the clock ---- */

struct question {
    char name[LOOKUP_NAME_SIZE];
    int family;
    unsigned changes;
    bool is_silent;            /* it is answered at the end only */
    lookup_answered *answered; /* NULL: it is answered */
    void *context;
};

static struct ev_loop *loop;
static struct question questions[QUESTIONS_MAX];
static size_t asked;
static unsigned changes;
static struct lookup_order order;
static const char *in_hosts;
static const char *search;
static int64_t now_ms;
static unsigned log_lines;
static unsigned orders_asked;
static bool is_ipv6_first;

int64_t __wrap_clock_now_ms(void);
void __wrap_log_end(struct log_line *line);

int64_t __wrap_clock_now_ms(void)
{
    return now_ms;
}

bool __wrap_name_order_is_ipv6_first(const struct address *ipv4, const struct address *ipv6);

bool __wrap_name_order_is_ipv6_first(const struct address *ipv4, const struct address *ipv6)
{
    assert_int_equal(ipv4->sa.sa_family, AF_INET);
    assert_int_equal(ipv6->sa.sa_family, AF_INET6);
    orders_asked++;
    return is_ipv6_first;
}

void __wrap_log_end(struct log_line *line)
{
    log_lines += line->event == EVENT_RESOLVE_FAILED;
}

int lookup_init(struct ev_loop *used)
{
    (void)used;
    return 0;
}

unsigned lookup_follow_conf(void)
{
    return changes;
}

struct lookup_order lookup_order(void)
{
    return order;
}

bool lookup_candidate(const char *host, size_t index, char name[LOOKUP_NAME_SIZE])
{
    if (index == 0)
        snprintf(name, LOOKUP_NAME_SIZE, "%s.", host);
    else if (search != NULL)
        snprintf(name, LOOKUP_NAME_SIZE, "%s.%s.", host, search);
    return index == 0 || (index == 1 && search != NULL);
}

static struct address some_address(int family)
{
    struct address address;

    assert_int_equal(address_from_literal(&address, family == AF_INET ? "127.0.0.1" : "::1", 0), 0);
    return address;
}

void lookup_ask_hosts(const char *host, lookup_answered *answered, void *context)
{
    struct address address = some_address(AF_INET);
    struct lookup_answer answer = {.status = LOOKUP_NONE};

    if (in_hosts != NULL && strcmp(host, in_hosts) == 0)
        answer = (struct lookup_answer){.status = LOOKUP_FOUND, .count = 1, .list = &address};
    answered(context, &answer);
}

void lookup_ask(const char *name, int family, lookup_answered *answered, void *context)
{
    struct question *question = &questions[asked++];

    assert_true(asked < QUESTIONS_MAX);
    *question = (struct question){
        .family = family, .changes = changes, .answered = answered, .context = context};
    snprintf(question->name, sizeof(question->name), "%s", name);
}

/* Answers the oldest open question about a family. */
static void answer_as(int family, enum lookup_status status, int64_t ttl_s)
{
    struct address address = some_address(family);
    struct lookup_answer answer = {.status = status, .error = "no answer", .ttl_s = ttl_s};

    for (size_t i = 0; i < asked; i++) {
        struct question *question = &questions[i];
        lookup_answered *answered = question->answered;

        if (question->family != family || question->is_silent || answered == NULL)
            continue;
        answer.is_old = question->changes != changes;
        if (status == LOOKUP_FOUND) {
            answer.count = 1;
            answer.list = &address;
        }
        question->answered = NULL;
        answered(question->context, &answer);
        return;
    }
    fail_msg("nobody has asked");
}

static void answer(int family, enum lookup_status status)
{
    answer_as(family, status, TTL_S);
}

void lookup_end(void)
{
    static const struct lookup_answer ended = {.status = LOOKUP_FAILED};

    for (size_t i = 0; i < asked; i++)
        if (questions[i].answered != NULL)
            questions[i].answered(questions[i].context, &ended);
}

/* ---- parts of the helper that ask ---- */

struct told {
    unsigned times;
    struct helper_addresses addresses;
};

static void take(void *context, const struct helper_addresses *addresses)
{
    struct told *told = context;

    assert_non_null(addresses);
    told->addresses = *addresses;
    told->times++;
}

static void call_for(const char *host, struct told *told)
{
    *told = (struct told){0};
    resolver_call("s", host, take, told);
}

static void call(struct told *told)
{
    call_for("pop.example", told);
}

/* The timer is the only thing that the loop waits for. */
static void wait_for_answer(const struct told *told)
{
    while (told->times == 0)
        ev_run(loop, EVRUN_ONCE);
}

static bool has(const struct told *told, int family)
{
    for (size_t i = 0; i < told->addresses.count; i++)
        if (told->addresses.list[i].sa.sa_family == family)
            return true;
    return false;
}

static void expect(const struct told *told, bool has_ipv4, bool has_ipv6, bool is_partial)
{
    assert_int_equal(told->times, 1);
    assert_int_equal(has(told, AF_INET), has_ipv4);
    assert_int_equal(has(told, AF_INET6), has_ipv6);
    assert_int_equal(told->addresses.is_partial, is_partial);
}

static int setup(void **state)
{
    (void)state;
    loop = ev_loop_new(EVFLAG_AUTO);
    asked = 0;
    changes = 0;
    log_lines = 0;
    orders_asked = 0;
    in_hosts = search = NULL;
    order = (struct lookup_order){.is_hosts_first = true, .is_dns = true};
    now_ms = 1000 * SECOND;
    if (loop == NULL)
        return -1;
    job_init(1024, 1024);
    channel_init(loop, job_most(), channel_end);
    return resolver_init(loop);
}

static int teardown(void **state)
{
    (void)state;
    resolver_end();
    ev_loop_destroy(loop);
    return 0;
}

/* ---- one family late, failing or silent ---- */

static int other_of(int family)
{
    return family == AF_INET ? AF_INET6 : AF_INET;
}

static void test_both(void **state)
{
    static struct told told; /* what is open is answered at the end */

    (void)state;
    call(&told);
    assert_int_equal(asked, 2);
    answer(AF_INET6, LOOKUP_FOUND);
    assert_int_equal(told.times, 0); /* the other family has a moment */
    answer(AF_INET, LOOKUP_FOUND);
    expect(&told, true, true, false);
    call(&told);
    expect(&told, true, true, false);
    assert_int_equal(asked, 2);
}

/* The kernel is asked for the order of the families once, and again after a while or an answer. */
static void test_order(void **state)
{
    static struct told told; /* what is open is answered at the end */

    (void)state;
    is_ipv6_first = true;
    call(&told);
    answer(AF_INET6, LOOKUP_FOUND);
    answer(AF_INET, LOOKUP_FOUND);
    for (int i = 0; i < 100; i++) {
        call(&told);
        assert_int_equal(told.addresses.list[0].sa.sa_family, AF_INET6);
    }
    assert_int_equal(orders_asked, 1);
    is_ipv6_first = false; /* this machine has lost its IPv6 address */
    now_ms += 1 * SECOND;
    call(&told);
    assert_int_equal(told.addresses.list[0].sa.sa_family, AF_INET);
    assert_int_equal(orders_asked, 2);
    now_ms += (TTL_S - 1) * SECOND;
    call(&told);
    answer(AF_INET, LOOKUP_FOUND);
    is_ipv6_first = true;
    answer(AF_INET6, LOOKUP_FOUND);
    assert_int_equal(told.addresses.list[0].sa.sa_family, AF_INET6);
}

static void check_silent(int silent)
{
    static struct told told; /* what is open is answered at the end */

    call(&told);
    answer(other_of(silent), LOOKUP_FOUND);
    wait_for_answer(&told);
    expect(&told, silent != AF_INET, silent != AF_INET6, true);
    call(&told); /* while the question is still open */
    expect(&told, silent != AF_INET, silent != AF_INET6, true);
    answer(silent, LOOKUP_FAILED);
    call(&told);
    expect(&told, silent != AF_INET, silent != AF_INET6, true);
    assert_int_equal(asked, 2);
    assert_int_equal(log_lines, 1);
}

static void test_silent(void **state)
{
    check_silent(AF_INET6);
    teardown(state);
    setup(state);
    check_silent(AF_INET);
}

static void test_late(void **state)
{
    static struct told told; /* what is open is answered at the end */

    (void)state;
    call(&told);
    answer(AF_INET6, LOOKUP_FOUND);
    wait_for_answer(&told);
    answer(AF_INET, LOOKUP_FOUND);
    call(&told);
    expect(&told, true, true, false);
}

static void check_nothing_first(enum lookup_status status)
{
    static struct told told; /* what is open is answered at the end */

    call(&told);
    answer(AF_INET6, status);
    assert_int_equal(told.times, 0);
    answer(AF_INET, LOOKUP_FOUND);
    expect(&told, true, false, status == LOOKUP_FAILED);
}

static void test_nothing_first(void **state)
{
    check_nothing_first(LOOKUP_NONE);
    teardown(state);
    setup(state);
    check_nothing_first(LOOKUP_FAILED);
}

static void test_neither(void **state)
{
    static const enum lookup_status statuses[] = {LOOKUP_NONE, LOOKUP_FAILED};
    static struct told told; /* what is open is answered at the end */

    for (size_t i = 0; i < 4; i++) {
        bool has_failed = i != 0;

        call(&told);
        answer(AF_INET, statuses[i % 2]);
        answer(AF_INET6, statuses[i / 2]);
        expect(&told, false, false, has_failed);
        assert_int_equal(log_lines, has_failed ? 1 : 0);
        call(&told);
        assert_int_equal(asked, has_failed ? 4 - (i != 3) : 2); /* what failed is asked again */
        teardown(state);
        setup(state);
    }
}

/* A family that fails while the other works is asked again after a while, and told once. */
static void test_retry(void **state)
{
    static struct told told; /* what is open is answered at the end */

    (void)state;
    for (int i = 0; i < 3; i++) {
        call(&told);
        if (i == 0)
            answer_as(AF_INET, LOOKUP_FOUND, 3600);
        answer(AF_INET6, LOOKUP_FAILED);
        expect(&told, true, false, true);
        call(&told);
        expect(&told, true, false, true);
        assert_int_equal(asked, 2 + i);
        now_ms += 31 * SECOND;
    }
    assert_int_equal(log_lines, 1);
    call(&told);
    answer(AF_INET6, LOOKUP_FOUND);
    expect(&told, true, true, false);
}

/* A name without an address of one family is not asked for it before the other one's TTL. */
static void test_one_family_only(void **state)
{
    static struct told told; /* what is open is answered at the end */

    (void)state;
    call(&told);
    answer(AF_INET, LOOKUP_FOUND);
    answer(AF_INET6, LOOKUP_NONE);
    now_ms += (TTL_S - 1) * SECOND;
    call(&told);
    expect(&told, true, false, false);
    assert_int_equal(asked, 2);
    now_ms += 2 * SECOND;
    call(&told);
    assert_int_equal(asked, 4);
}

/* ---- after the TTL ---- */

static void test_ttl(void **state)
{
    static struct told told; /* what is open is answered at the end */

    (void)state;
    call(&told);
    answer_as(AF_INET, LOOKUP_FOUND, 10);
    answer_as(AF_INET6, LOOKUP_FOUND, 20);
    now_ms += 11 * SECOND;
    call(&told);
    assert_int_equal(asked, 3);
    assert_int_equal(questions[2].family, AF_INET);
    answer(AF_INET, LOOKUP_NONE); /* the name has changed */
    expect(&told, false, true, false);
}

static void test_stale(void **state)
{
    static struct told told; /* what is open is answered at the end */

    (void)state;
    call(&told);
    answer(AF_INET, LOOKUP_FOUND);
    answer(AF_INET6, LOOKUP_NONE);
    now_ms += (TTL_S + 3599) * SECOND;
    call(&told);
    assert_int_equal(told.times, 0);
    wait_for_answer(&told);
    expect(&told, true, false, true);
    call(&told); /* while it is still asked anew */
    expect(&told, true, false, true);
    answer(AF_INET, LOOKUP_FAILED);
    answer(AF_INET6, LOOKUP_FAILED);
    assert_int_equal(log_lines, 1);
    now_ms += 2 * SECOND;
    call(&told);
    answer(AF_INET, LOOKUP_FAILED);
    answer(AF_INET6, LOOKUP_FAILED);
    expect(&told, false, false, true); /* too old by now */
}

static void test_stale_is_replaced(void **state)
{
    static struct told told; /* what is open is answered at the end */

    (void)state;
    call(&told);
    answer(AF_INET, LOOKUP_FOUND);
    answer(AF_INET6, LOOKUP_NONE);
    now_ms += (TTL_S + 1) * SECOND;
    call(&told);
    answer(AF_INET, LOOKUP_NONE);
    answer(AF_INET6, LOOKUP_NONE);
    expect(&told, false, false, false); /* the name is gone: nothing old serves */
}

/* ---- the hosts file and the search list ---- */

static void test_hosts(void **state)
{
    static struct told told; /* what is open is answered at the end */

    (void)state;
    in_hosts = "pop.example";
    call(&told);
    expect(&told, true, false, false);
    assert_int_equal(asked, 0);
    order = (struct lookup_order){.is_hosts_last = true, .is_dns = true};
    in_hosts = "other.example";
    call_for("other.example", &told);
    answer(AF_INET, LOOKUP_NONE);
    answer(AF_INET6, LOOKUP_NONE);
    expect(&told, true, false, false);
    order = (struct lookup_order){.is_hosts_first = true};
    call_for("third.example", &told);
    expect(&told, false, false, false);
    assert_int_equal(asked, 2);
}

static void test_localhost(void **state)
{
    static struct told told; /* what is open is answered at the end */

    (void)state;
    order = (struct lookup_order){.is_dns = true};
    in_hosts = "localhost";
    call_for("localhost", &told);
    expect(&told, true, false, false);
    assert_int_equal(asked, 0);
}

/* A family that the name lacks must not be taken from another name of the search list. */
static void test_search(void **state)
{
    static struct told told; /* what is open is answered at the end */

    (void)state;
    search = "corp.example";
    call(&told);
    answer(AF_INET6, LOOKUP_NONE);
    assert_int_equal(asked, 2);
    answer(AF_INET, LOOKUP_FOUND);
    expect(&told, true, false, false);
    call_for("mail", &told);
    answer(AF_INET6, LOOKUP_NONE);
    answer(AF_INET, LOOKUP_NONE);
    assert_int_equal(asked, 6);
    assert_string_equal(questions[5].name, "mail.corp.example.");
    answer(AF_INET6, LOOKUP_FOUND);
    answer(AF_INET, LOOKUP_NONE);
    expect(&told, false, true, false);
}

/* ---- other name servers ---- */

static void test_change(void **state)
{
    static struct told first, second;

    (void)state;
    call(&first);
    changes++;
    call(&second);
    assert_int_equal(asked, 4); /* what was under way is asked again, once */
    assert_int_equal(questions[3].changes, changes);
    questions[0].is_silent = questions[1].is_silent = true;
    answer(AF_INET, LOOKUP_FOUND);
    answer(AF_INET6, LOOKUP_NONE);
    expect(&first, true, false, false);
    expect(&second, true, false, false);
}

static void test_change_with_late_answers(void **state)
{
    static struct told told, other; /* what is open is answered at the end */

    (void)state;
    call(&told);
    changes++;
    call_for("other.example", &other);
    answer(AF_INET, LOOKUP_NONE); /* the old ones: they may not know the name */
    answer(AF_INET6, LOOKUP_FOUND);
    assert_int_equal(told.times, 0);
    answer(AF_INET, LOOKUP_FOUND);
    expect(&told, true, true, false);
}

/* ---- jobs ---- */

static int sessions[LOOKUPS_OF_ONE + 1];

static void ask_as_session(size_t i, const char *host, enum helper_extent extent)
{
    char memory[512];
    struct message request;
    struct job_origin origin = {.account = 7, .session = "s"};
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    origin.channel = channel_open(pair[1], 1);
    assert_non_null(origin.channel);
    channel_begin(origin.channel, 0);
    sessions[i] = pair[0];
    message_begin(&request, memory, sizeof(memory), MESSAGE_RESOLVE);
    message_put(&request, host);
    message_put_number(&request, extent);
    message_open(&request, memory, request.length);
    if (!resolver_answer_known(host, extent, origin.channel))
        assert_non_null(job_new(JOB_LOOKUP, &origin, &request, resolver_start));
    (void)job_start_waiting();
}

static bool is_answered(size_t i, struct helper_addresses *addresses)
{
    char data[MESSAGE_HEAD_BYTES + sizeof(*addresses)];
    ssize_t length = recv(sessions[i], data, sizeof(data), MSG_DONTWAIT);

    if (length < 0)
        return false;
    assert_int_equal(length, sizeof(data));
    memcpy(addresses, data + MESSAGE_HEAD_BYTES, sizeof(*addresses));
    close(sessions[i]);
    return true;
}

static void test_thorough(void **state)
{
    struct helper_addresses addresses;

    (void)state;
    ask_as_session(0, "pop.example", HELPER_SOON);
    answer(AF_INET6, LOOKUP_FOUND);
    while (!is_answered(0, &addresses))
        ev_run(loop, EVRUN_ONCE);
    assert_int_equal(addresses.count, 1);
    assert_true(addresses.is_partial);
    ask_as_session(0, "pop.example", HELPER_ALL);
    ev_run(loop, EVRUN_NOWAIT);
    assert_false(is_answered(0, &addresses));
    answer(AF_INET, LOOKUP_FOUND);
    assert_true(is_answered(0, &addresses));
    assert_int_equal(addresses.count, 2);
    assert_false(addresses.is_partial);
    assert_int_equal(job_count(), 0);
}

/* Questions that nobody answers count for the address that caused them, also once its sessions are
 * answered. */
static void test_open_questions_count(void **state)
{
    struct helper_addresses addresses;
    char host[32];

    (void)state;
    for (size_t i = 0; i <= LOOKUPS_OF_ONE; i++) {
        snprintf(host, sizeof(host), "n%zu.example", i);
        ask_as_session(i, host, HELPER_SOON);
    }
    for (size_t i = 0; i < LOOKUPS_OF_ONE; i++)
        answer(AF_INET, LOOKUP_FOUND);
    for (size_t i = 0; i < LOOKUPS_OF_ONE; i++)
        while (!is_answered(i, &addresses))
            ev_run(loop, EVRUN_ONCE);
    assert_int_equal(job_count(), 1);
    assert_false(job_start_waiting());
    answer(AF_INET6, LOOKUP_FAILED);
    assert_true(job_start_waiting());
    assert_int_equal(asked, 2 * (LOOKUPS_OF_ONE + 1));
    close(sessions[LOOKUPS_OF_ONE]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_both, setup, teardown),
        cmocka_unit_test_setup_teardown(test_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_silent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_late, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_neither, setup, teardown),
        cmocka_unit_test_setup_teardown(test_retry, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_family_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ttl, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stale, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stale_is_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hosts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_localhost, setup, teardown),
        cmocka_unit_test_setup_teardown(test_search, setup, teardown),
        cmocka_unit_test_setup_teardown(test_change, setup, teardown),
        cmocka_unit_test_setup_teardown(test_change_with_late_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_thorough, setup, teardown),
        cmocka_unit_test_setup_teardown(test_open_questions_count, setup, teardown),
    };

    return cmocka_run_group_tests_name("resolver", tests, NULL, NULL);
}
