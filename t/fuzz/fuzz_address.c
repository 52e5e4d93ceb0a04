/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz target for addresses: the input is a text as a client or a configuration file may write it.
 * Besides memory errors it checks that a host is in its one form, that a list does not take a name
 * for an address, that the text of an address gives the same address, and that a network is its
 * base. A list must also survive that memory runs out.
 */
#include "base/address.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/host_list.h"
#include "base/list.h"
#include "shortage.h"

/* Not assert(): these checks remain with NDEBUG. */
#define CHECK(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *copy_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    CHECK(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

/* The one form of a host gives itself back, and is not longer than what was written; only an IPv6
 * address has a colon. */
static void fuzz_host_port(const char *text)
{
    static const char name_octets[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
    static const char v6_octets[] = "0123456789abcdef:.%";
    struct host_port hp;
    struct host_port again;
    char copy[HOST_PORT_TEXT_SIZE];

    if (host_port_parse(&hp, text) < 0) {
        CHECK(hp.host[0] == '\0' && hp.port == 0 && !hp.is_literal);
        return;
    }
    CHECK(hp.host[0] != '\0' && hp.host[0] != '-' && hp.host[0] != '.');
    CHECK(hp.host[strlen(hp.host) - 1] != '.' && strstr(hp.host, "..") == NULL);
    CHECK(hp.host[strspn(hp.host, strchr(hp.host, ':') == NULL ? name_octets : v6_octets)] == '\0');
    CHECK(hp.is_literal || strchr(hp.host, ':') == NULL);
    CHECK(host_port_parse(&again, host_port_text(hp.host, 1, copy)) == 0);
    CHECK(strcmp(again.host, hp.host) == 0 && again.is_literal == hp.is_literal);
}

/* A list takes an entry or says why not; an entry without wildcards matches itself. */
static void fuzz_entry(struct host_list *list, const char *text)
{
    struct host_port server;
    int result;
    bool is_short;

    shortage_begin();
    result = host_list_add(list, text);
    is_short = shortage_end();
    if (result == 0) {
        if (host_port_parse(&server, text) == 0)
            CHECK(host_list_is_match(list, &server, server.port == 0 ? 110 : server.port));
        if (host_port_parse(&server, "10.0.0.evil.test") == 0 && strspn(text, "0123456789.*?") == strlen(text) &&
            strpbrk(text, "0123456789") != NULL)
            CHECK(!host_list_is_match(list, &server, 110));
    } else {
        CHECK(errno == EINVAL || (errno == ENOMEM && is_short));
    }
}

/* Asks for hosts that only an entry with wildcards matches. "*:*" matches every one. */
static void ask_others(const struct host_list *list, bool is_for_all)
{
    static const char *const hosts[] = {"a.mail.test", "10.0.0.7:111", "[2001:db8::1]:1"};

    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        struct host_port server;

        CHECK(host_port_parse(&server, hosts[i]) == 0);
        CHECK(host_list_is_match(list, &server, 110) || !is_for_all);
    }
}

/* The entries of a list match themselves. */
static void fuzz_entries(struct host_list *list, const char *csv)
{
    struct list_entry entry;
    int result;
    bool is_short;
    bool is_for_all = false;

    shortage_begin();
    result = host_list_add_csv(list, csv);
    is_short = shortage_end();
    CHECK(result == 0 || errno == EINVAL || (errno == ENOMEM && is_short));
    while (result == 0 && list_next(&csv, &entry)) {
        char text[HOST_PORT_TEXT_SIZE];
        struct host_port server;

        CHECK(list_copy(text, sizeof(text), &entry));
        is_for_all |= strcmp(text, "*:*") == 0;
        if (host_port_parse(&server, text) == 0)
            CHECK(host_list_is_match(list, &server, server.port == 0 ? 110 : server.port));
    }
    ask_others(list, is_for_all);
}

static void fuzz_list(const uint8_t *data, size_t size)
{
    char *text = copy_text(data, size);
    struct host_list *list[2];
    bool is_short;

    shortage_begin();
    list[0] = host_list_new();
    list[1] = host_list_new();
    is_short = shortage_end();
    CHECK((list[0] != NULL && list[1] != NULL) || is_short);
    if (list[0] != NULL)
        fuzz_entry(list[0], text);
    if (list[1] != NULL)
        fuzz_entries(list[1], text);
    host_list_free(list[0]);
    host_list_free(list[1]);
    free(text);
}

/* An address covers itself, and the wildcard address with its port covers all of its family. */
static void check_cover(const struct address *address)
{
    struct address any;

    CHECK(address_is_covered_by(address, address));
    CHECK(address_from_literal(&any, "::", address_port(address)) == 0);
    CHECK(address_is_covered_by(address, &any) == (address->sa.sa_family != AF_UNIX));
    address_set_port(&any, address_port(address) ^ 1);
    CHECK(!address_is_covered_by(address, &any));
    CHECK(address_from_literal(&any, "0.0.0.0", address_port(address)) == 0);
    if (address->sa.sa_family == AF_INET)
        CHECK(address_is_covered_by(address, &any));
}

static void check_port(const struct address *address)
{
    struct address other = *address;
    bool has_port = address->sa.sa_family != AF_UNIX;

    address_set_port(&other, address_port(address) ^ 1);
    CHECK(address_is_equal(address, &other) == !has_port);
    CHECK(address_is_loopback(address) == address_is_loopback(&other));
    address_set_port(&other, address_port(address));
    CHECK(address_is_equal(address, &other));
}

static void check_address(const struct address *address)
{
    struct address again;
    char text[ADDRESS_TEXT_SIZE];
    bool is_local = address->sa.sa_family == AF_UNIX;

    address_text(address, text);
    CHECK(text[0] != '\0' && strlen(text) < sizeof(text));
    CHECK((address_account_key(address) == 0) == is_local);
    CHECK(address_is_equal(address, address));
    check_cover(address);
    check_port(address);
    /* A scope where the kernel ignores it would hide a loop. */
    CHECK(address->sa.sa_family != AF_INET6 || address->in6.sin6_scope_id == 0 ||
          IN6_IS_ADDR_LINKLOCAL(&address->in6.sin6_addr));
    if (is_local)
        return; /* octets that cannot be printed are not in the text */
    CHECK(address_parse_listen(&again, text) == 0);
    CHECK(address_is_equal(address, &again));
    CHECK(address_account_key(address) == address_account_key(&again));
}

static void fuzz_network(const char *text)
{
    struct address_network network;

    if (address_network_parse(&network, text) < 0)
        return;
    CHECK(network.bits <= (network.base.sa.sa_family == AF_INET ? 32 : 128));
    CHECK(address_network_contains(&network, &network.base));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = copy_text(data, size);
    struct address address;

    fuzz_host_port(text);
    shortage_run(fuzz_list, data, size);
    fuzz_network(text);
    if (address_from_literal(&address, text, 110) == 0)
        check_address(&address);
    if (address_parse_listen(&address, text) == 0)
        check_address(&address);
    free(text);
    return 0;
}
