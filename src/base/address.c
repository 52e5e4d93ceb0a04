/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parses and writes addresses. Nothing here may look up a name or open a socket. The system is
 * asked only for the number of an interface in an IPv6 scope, and for the ends of a socket.
 */
#include "base/address.h"

#include <arpa/inet.h>
#include <assert.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "base/octet.h"

enum {
    V4_BITS = 32,
    V6_BITS = 128,
    V4_MAPPED_BITS = 96, /* the prefix ::ffff:0:0 */
    PORT_DIGITS_MAX = 5,
    IP_TEXT_SIZE = INET6_ADDRSTRLEN + sizeof("%4294967295"),
    LISTEN_TEXT_SIZE = ADDRESS_HOST_SIZE,
};

static bool is_name_octet(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || octet_is_digit(c) || c == '-' ||
           c == '_' || c == '.';
}

static bool is_name(const char *text)
{
    /* No host name starts with a hyphen (RFC 1123 2.1). The programs that an acp script calls would
     * take one that does for an option. */
    if (*text == '\0' || *text == '-')
        return false;
    while (is_name_octet(*text))
        text++;
    return *text == '\0';
}

/* A name without an empty label: ".a", "a..b" and "a." would be further spellings. */
static bool is_host_name(const char *text)
{
    size_t length = strlen(text);

    return is_name(text) && text[0] != '.' && text[length - 1] != '.' && strstr(text, "..") == NULL;
}

/* A number has one spelling only: no sign, no blank, no leading zero. */
static bool parse_decimal(const char *text, size_t digits_max, unsigned long max,
                          unsigned long *value_r)
{
    unsigned long value = 0;
    size_t n = 0;

    for (; n < digits_max && octet_is_digit(text[n]); n++)
        value = value * 10 + (unsigned long)(text[n] - '0');
    if (n == 0 || text[n] != '\0' || (n > 1 && text[0] == '0') || value > max)
        return false;
    *value_r = value;
    return true;
}

static bool parse_port(const char *text, uint16_t *port)
{
    unsigned long value;

    if (!parse_decimal(text, PORT_DIGITS_MAX, UINT16_MAX, &value))
        return false;
    *port = (uint16_t)value;
    return true;
}

/*
 * Checks an IPv6 literal; *scope_r becomes the text after its '%', or NULL. Only a link-local
 * address may have a scope: elsewhere the kernel ignores it, and "[::1%7]" would be a second name
 * of [::1] that passes the check against loops.
 */
static bool parse_v6(const char *text, struct in6_addr *v6, const char **scope_r)
{
    char literal[INET6_ADDRSTRLEN];
    const char *percent = strchr(text, '%');
    size_t length = percent == NULL ? strlen(text) : (size_t)(percent - text);

    *scope_r = NULL;
    if (length >= sizeof(literal))
        return false;
    memcpy(literal, text, length);
    literal[length] = '\0';
    if (inet_pton(AF_INET6, literal, v6) != 1)
        return false;
    if (percent == NULL)
        return true;
    *scope_r = percent + 1;
    return IN6_IS_ADDR_LINKLOCAL(v6) && is_name(percent + 1) && strlen(percent + 1) < IF_NAMESIZE;
}

/* Cuts `text`, which it changes, at the colon before the port. Returns the host, or NULL for a bad
 * text; *port_r is the port's text, or NULL where there is none. */
static char *cut_port(char *text, bool *is_bracketed_r, const char **port_r)
{
    char *colon = strchr(text, ':');
    char *end;

    *port_r = NULL;
    *is_bracketed_r = text[0] == '[';
    if (*is_bracketed_r) {
        end = strchr(text, ']');
        if (end == NULL || (end[1] != '\0' && end[1] != ':'))
            return NULL;
        if (end[1] == ':')
            *port_r = end + 2;
        *end = '\0';
        return text + 1;
    }
    if (colon == NULL || strchr(colon + 1, ':') != NULL)
        return text; /* no colon, or several: a bare IPv6 literal */
    *colon = '\0';
    *port_r = colon + 1;
    return text;
}

/* Makes the one form of an IPv6 literal. A literal whose scope is no interface is no host: it must
 * not go to the DNS as a name. */
static int take_v6(struct host_port *hp, const char *literal)
{
    char text[ADDRESS_TEXT_SIZE];
    struct address address;

    if (strchr(literal, ':') == NULL || address_from_literal(&address, literal, 0) == -1)
        return -1;
    snprintf(hp->host, sizeof(hp->host), "%s", address_host_text(&address, text));
    hp->is_literal = true;
    return 0;
}

/* `host` is changed. */
static int take_host(struct host_port *hp, char *host, bool is_bracketed)
{
    size_t length = strlen(host);
    struct in_addr v4;

    if (is_bracketed || strchr(host, ':') != NULL)
        return take_v6(hp, host);
    if (length > 1 && host[length - 1] == '.')
        host[--length] = '\0';
    if (length >= sizeof(hp->host) || !is_host_name(host))
        return -1;
    for (size_t i = 0; i <= length; i++)
        hp->host[i] = octet_lower(host[i]);
    hp->is_literal = inet_pton(AF_INET, host, &v4) == 1;
    return 0;
}

int host_port_parse(struct host_port *hp, const char *text)
{
    char copy[HOST_PORT_TEXT_SIZE + 1]; /* the dot at the end of a host is not kept */
    size_t length = strlen(text);
    const char *port;
    char *host;
    bool is_bracketed;
    uint16_t number = 0;

    memset(hp, 0, sizeof(*hp));
    if (length >= sizeof(copy))
        return -1;
    memcpy(copy, text, length + 1);
    host = cut_port(copy, &is_bracketed, &port);
    if (host == NULL || (port != NULL && (!parse_port(port, &number) || number == 0)) ||
        take_host(hp, host, is_bracketed) == -1)
        return -1;
    hp->port = number;
    return 0;
}

/* `text` has room for all of it and a NUL. */
static void put_host_port(const char *host, uint16_t port, char *text)
{
    size_t length = strlen(host);
    bool is_v6 = memchr(host, ':', length) != NULL;
    char *to = text;

    if (is_v6)
        *to++ = '[';
    memcpy(to, host, length);
    to += length;
    if (is_v6)
        *to++ = ']';
    *to++ = ':';
    to += number_put(to, port);
    *to = '\0';
}

const char *host_port_text(const char *host, uint16_t port, char text[HOST_PORT_TEXT_SIZE])
{
    assert(strlen(host) < ADDRESS_HOST_SIZE);
    put_host_port(host, port, text);
    return text;
}

static void set_v4(struct address *address, struct in_addr v4, uint16_t port)
{
    memset(address, 0, sizeof(*address));
    address->in4.sin_family = AF_INET;
    address->in4.sin_addr = v4;
    address->in4.sin_port = htons(port);
    address->length = sizeof(address->in4);
}

static void set_v6(struct address *address, const struct in6_addr *v6, uint32_t scope,
                   uint16_t port)
{
    memset(address, 0, sizeof(*address));
    address->in6.sin6_family = AF_INET6;
    address->in6.sin6_addr = *v6;
    address->in6.sin6_scope_id = scope;
    address->in6.sin6_port = htons(port);
    address->length = sizeof(address->in6);
}

/* The number of an interface; 0 where there is no such interface. */
static uint32_t scope_number(const char *scope)
{
    unsigned long value;

    if (parse_decimal(scope, 10, UINT32_MAX, &value))
        return (uint32_t)value;
    return if_nametoindex(scope);
}

int address_from_literal(struct address *address, const char *host, uint16_t port)
{
    struct in_addr v4;
    struct in6_addr v6;
    const char *scope;
    uint32_t number = 0;

    if (inet_pton(AF_INET, host, &v4) == 1) {
        set_v4(address, v4, port);
        return 0;
    }
    if (!parse_v6(host, &v6, &scope))
        return -1;
    if (scope != NULL) {
        number = scope_number(scope);
        if (number == 0)
            return -1;
    }
    set_v6(address, &v6, number, port);
    return 0;
}

static int parse_local(struct address *address, const char *path)
{
    size_t length = strlen(path);

    if (length >= sizeof(address->local.sun_path))
        return -1;
    memset(address, 0, sizeof(*address));
    address->local.sun_family = AF_UNIX;
    memcpy(address->local.sun_path, path, length + 1);
    address->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
    return 0;
}

int address_parse_listen(struct address *address, const char *text)
{
    char copy[LISTEN_TEXT_SIZE];
    const char *port;
    char *host;
    bool is_bracketed;
    uint16_t number;

    if (text[0] == '/')
        return parse_local(address, text);
    if (strlen(text) >= sizeof(copy))
        return -1;
    memcpy(copy, text, strlen(text) + 1);
    host = cut_port(copy, &is_bracketed, &port);
    if (host == NULL || port == NULL || !parse_port(port, &number))
        return -1;
    /* An IPv6 literal needs brackets to have a port, and nothing else may stand in brackets. */
    if (is_bracketed && strchr(host, ':') == NULL)
        return -1;
    if (!is_bracketed && strcmp(host, "*") == 0)
        return address_from_literal(address, "0.0.0.0", number);
    return address_from_literal(address, host, number);
}

void address_unmap(struct address *address)
{
    struct in_addr v4;

    if (address->sa.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&address->in6.sin6_addr))
        return;
    memcpy(&v4, &address->in6.sin6_addr.s6_addr[12], sizeof(v4));
    set_v4(address, v4, ntohs(address->in6.sin6_port));
}

static const uint8_t *ip_octets(const struct address *address)
{
    if (address->sa.sa_family == AF_INET)
        return (const uint8_t *)&address->in4.sin_addr;
    return address->in6.sin6_addr.s6_addr;
}

/* True when the first `bits` bits of `a` and `b` are the same. */
static bool is_same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8;
    unsigned rest = bits % 8;

    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

static bool is_zero_after(const uint8_t *octets, unsigned bits, unsigned total)
{
    for (unsigned i = bits; i < total; i++)
        if ((octets[i / 8] >> (7 - i % 8)) & 1)
            return false;
    return true;
}

/* Parses a literal without a scope. *total_r: how many bits an address has. */
static bool parse_base(struct address *base, const char *text, unsigned *total_r)
{
    if (strchr(text, '%') != NULL || address_from_literal(base, text, 0) < 0)
        return false;
    *total_r = base->sa.sa_family == AF_INET ? V4_BITS : V6_BITS;
    return true;
}

int address_network_parse(struct address_network *network, const char *text)
{
    char copy[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    size_t length = slash == NULL ? strlen(text) : (size_t)(slash - text);
    unsigned total;
    unsigned long bits;

    memset(network, 0, sizeof(*network));
    if (length >= sizeof(copy))
        return -1;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (!parse_base(&network->base, copy, &total))
        return -1;
    bits = total;
    if (slash != NULL && !parse_decimal(slash + 1, 3, total, &bits))
        return -1;
    if (!is_zero_after(ip_octets(&network->base), (unsigned)bits, total))
        return -1;
    address_unmap(&network->base);
    /* The last of the V4_MAPPED_BITS is set in a mapped base, so the prefix is not shorter. */
    if (total == V6_BITS && network->base.sa.sa_family == AF_INET)
        bits -= V4_MAPPED_BITS;
    network->bits = (unsigned)bits;
    return 0;
}

bool address_network_contains(const struct address_network *network, const struct address *a)
{
    struct address plain = *a;
    sa_family_t family = network->base.sa.sa_family;

    address_unmap(&plain);
    if (plain.sa.sa_family != family || (family != AF_INET && family != AF_INET6))
        return false;
    return is_same_prefix(ip_octets(&network->base), ip_octets(&plain), network->bits);
}

bool address_is_in_networks(const struct address_network *networks, size_t count,
                            const struct address *a)
{
    for (size_t i = 0; i < count; i++)
        if (address_network_contains(&networks[i], a))
            return true;
    return false;
}

/* The length of the name in sun_path: 0 for an unnamed socket. The leading NUL of an abstract name
 * counts. */
static size_t local_length(const struct address *address)
{
    const char *path = address->local.sun_path;
    size_t size = 0;

    if ((size_t)address->length > offsetof(struct sockaddr_un, sun_path))
        size = (size_t)address->length - offsetof(struct sockaddr_un, sun_path);
    if (size > sizeof(address->local.sun_path))
        size = sizeof(address->local.sun_path);
    if (size > 0 && path[0] == '\0')
        return size > 1 ? size : 0;
    return strnlen(path, size);
}

static void ipv4_text(const struct in_addr *address, char text[IP_TEXT_SIZE])
{
    const unsigned char *octets = (const unsigned char *)address;
    size_t length = 0;

    for (size_t i = 0; i < sizeof(*address); i++) {
        length += number_put(text + length, octets[i]);
        text[length++] = '.';
    }
    text[length - 1] = '\0';
}

/* Writes "" where the address is not IP. */
static void ip_text(const struct address *address, char text[IP_TEXT_SIZE])
{
    struct address plain;

    if (address->sa.sa_family == AF_INET) {
        ipv4_text(&address->in4.sin_addr, text);
        return;
    }
    plain = *address;
    text[0] = '\0';
    address_unmap(&plain);
    if (plain.sa.sa_family != AF_INET && plain.sa.sa_family != AF_INET6)
        return;
    if (inet_ntop(plain.sa.sa_family, ip_octets(&plain), text, IP_TEXT_SIZE) == NULL)
        return;
    if (plain.sa.sa_family == AF_INET6 && plain.in6.sin6_scope_id != 0) {
        size_t used = strlen(text);

        /* The number of the interface: a worker in a sandbox may not ask for its name. */
        snprintf(text + used, IP_TEXT_SIZE - used, "%%%u", (unsigned)plain.in6.sin6_scope_id);
    }
}

const char *address_host_text(const struct address *address, char text[ADDRESS_TEXT_SIZE])
{
    char ip[IP_TEXT_SIZE];

    ip_text(address, ip);
    memcpy(text, ip, strlen(ip) + 1);
    return text;
}

/* An abstract name may hold any octet, and the text goes into log lines. */
static void local_text(const struct address *address, char text[ADDRESS_TEXT_SIZE])
{
    size_t length = local_length(address);

    for (size_t i = 0; i < length; i++) {
        char octet = address->local.sun_path[i];

        text[i] = octet_is_printable(octet) ? octet : '?';
    }
    if (length > 0 && address->local.sun_path[0] == '\0')
        text[0] = '@';
    text[length] = '\0';
}

const char *address_text(const struct address *address, char text[ADDRESS_TEXT_SIZE])
{
    char ip[IP_TEXT_SIZE];

    text[0] = '\0';
    ip_text(address, ip);
    if (address->sa.sa_family == AF_UNIX)
        local_text(address, text);
    else if (ip[0] != '\0')
        put_host_port(ip, address_port(address), text);
    return text;
}

uint16_t address_port(const struct address *address)
{
    if (address->sa.sa_family == AF_INET)
        return ntohs(address->in4.sin_port);
    if (address->sa.sa_family == AF_INET6)
        return ntohs(address->in6.sin6_port);
    return 0;
}

void address_set_port(struct address *address, uint16_t port)
{
    if (address->sa.sa_family == AF_INET)
        address->in4.sin_port = htons(port);
    else if (address->sa.sa_family == AF_INET6)
        address->in6.sin6_port = htons(port);
}

bool address_of_own_end(int fd, struct address *address)
{
    *address = (struct address){.length = sizeof(address->storage)};
    if (getsockname(fd, &address->sa, &address->length) == 0)
        return true;
    *address = (struct address){0};
    return false;
}

bool address_of_other_end(int fd, struct address *address)
{
    *address = (struct address){.length = sizeof(address->storage)};
    if (getpeername(fd, &address->sa, &address->length) == 0)
        return true;
    *address = (struct address){0};
    return false;
}

static bool is_equal_local(const struct address *a, const struct address *b)
{
    size_t length = local_length(a);

    return length > 0 && length == local_length(b) &&
           memcmp(a->local.sun_path, b->local.sun_path, length) == 0;
}

bool address_is_equal(const struct address *a, const struct address *b)
{
    struct address x = *a;
    struct address y = *b;

    address_unmap(&x);
    address_unmap(&y);
    if (x.sa.sa_family != y.sa.sa_family)
        return false;
    if (x.sa.sa_family == AF_UNIX)
        return is_equal_local(&x, &y);
    if (x.sa.sa_family == AF_INET)
        return x.in4.sin_port == y.in4.sin_port && x.in4.sin_addr.s_addr == y.in4.sin_addr.s_addr;
    return x.sa.sa_family == AF_INET6 && x.in6.sin6_port == y.in6.sin6_port &&
           x.in6.sin6_scope_id == y.in6.sin6_scope_id &&
           memcmp(&x.in6.sin6_addr, &y.in6.sin6_addr, sizeof(x.in6.sin6_addr)) == 0;
}

static bool is_wildcard(const struct address *address)
{
    if (address->sa.sa_family == AF_INET)
        return address->in4.sin_addr.s_addr == htonl(INADDR_ANY);
    return address->sa.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&address->in6.sin6_addr);
}

static void wildcard_to_loopback(struct address *address)
{
    if (!is_wildcard(address))
        return;
    if (address->sa.sa_family == AF_INET)
        address->in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else
        address->in6.sin6_addr = in6addr_loopback;
}

bool address_is_covered_by(const struct address *a, const struct address *listener)
{
    struct address from = *a;
    struct address to = *listener;

    address_unmap(&from);
    address_unmap(&to);
    wildcard_to_loopback(&from);
    if (!is_wildcard(&to))
        return address_is_equal(&from, &to);
    if (address_port(&from) != address_port(&to))
        return false;
    return from.sa.sa_family == to.sa.sa_family ||
           (from.sa.sa_family == AF_INET && to.sa.sa_family == AF_INET6);
}

uint64_t address_account_key(const struct address *address)
{
    struct address plain = *address;
    uint64_t key = 0;

    address_unmap(&plain);
    /* ffff:ffff::/32 is multicast and never a source address, and 0:0:0:1::/64 is not used either:
     * the first stands for IPv4, the second for ::1. */
    if (plain.sa.sa_family == AF_INET)
        return UINT64_C(0xffffffff00000000) | ntohl(plain.in4.sin_addr.s_addr);
    if (plain.sa.sa_family != AF_INET6)
        return 0;
    for (size_t i = 0; i < 8; i++)
        key = key << 8 | plain.in6.sin6_addr.s6_addr[i];
    return key == 0 ? 1 : key;
}

bool address_is_loopback(const struct address *address)
{
    if (address->sa.sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&address->in6.sin6_addr);
    return address->sa.sa_family == AF_INET &&
           ntohl(address->in4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}
