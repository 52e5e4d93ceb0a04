/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz target for addresses: the input is a text as a client or a configuration file may write it.
 * Besides memory errors it checks that a host is in its one form, that a list does not take a name
 * for an address, that the text of an address gives the same address, and that a network is its
 * base.
 */
#include "base/address.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/host_list.h"

/* Not assert(): these checks remain with NDEBUG. */
#define CHECK(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
static void fuzz_list(const char *text)
{
    struct host_list *list = host_list_new();
    struct host_port server;

    CHECK(list != NULL);
    if (host_list_add(list, text) == 0) {
        if (host_port_parse(&server, text) == 0)
            CHECK(host_list_is_match(list, &server, server.port == 0 ? 110 : server.port));
        if (host_port_parse(&server, "10.0.0.evil.test") == 0 && strspn(text, "0123456789.*?") == strlen(text) &&
            strpbrk(text, "0123456789") != NULL)
            CHECK(!host_list_is_match(list, &server, 110));
    } else {
        CHECK(errno == EINVAL);
    }
    host_list_free(list);
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
    CHECK(address_is_covered_by(address, address));
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
    char *text = malloc(size + 1);
    struct address address;

    if (text == NULL)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    fuzz_host_port(text);
    fuzz_list(text);
    fuzz_network(text);
    if (address_from_literal(&address, text, 110) == 0)
        check_address(&address);
    if (address_parse_listen(&address, text) == 0)
        check_address(&address);
    free(text);
    return 0;
}
