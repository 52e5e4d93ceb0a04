/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz target for addresses: the input is a text as a client or a configuration file may write it.
 * Besides memory errors it checks that a host has only octets that a name may have, that the text
 * of an address gives the same address, and that a network is its base.
 */
#include "base/address.h"

#include <stdlib.h>
#include <string.h>

/* Not assert(): these checks remain with NDEBUG. */
#define CHECK(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_host_port(const char *text)
{
    static const char octets[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    struct host_port hp;

    if (host_port_parse(&hp, text) < 0) {
        CHECK(hp.host[0] == '\0' && hp.port == 0 && !hp.is_bracketed);
        return;
    }
    CHECK(hp.host[0] != '\0' && hp.host[0] != '-');
    if (hp.is_bracketed || strchr(hp.host, ':') != NULL)
        CHECK(hp.host[strspn(hp.host, "0123456789abcdefABCDEF:.")] == '\0' ||
              strchr(hp.host, '%') != NULL);
    else
        CHECK(hp.host[strspn(hp.host, octets)] == '\0');
    CHECK(strncmp(text + hp.is_bracketed, hp.host, strlen(hp.host)) == 0);
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
    fuzz_network(text);
    if (address_from_literal(&address, text, 110) == 0)
        check_address(&address);
    if (address_parse_listen(&address, text) == 0)
        check_address(&address);
    free(text);
    return 0;
}
