/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Socket addresses and the "host:port" texts that name them. Knows no resolver: everything here
 * is pure text and numbers.
 */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
    ADDRESS_HOST_SIZE = 256, /* a host name of 253 octets, a NUL, and room to spare */
    ADDRESS_TEXT_SIZE = 128, /* "[v6%scope]:port" or a UNIX path, and a NUL */
    HOST_PORT_TEXT_SIZE = ADDRESS_HOST_SIZE + sizeof("[]:65535") - 1, /* with its NUL */
};

/* One socket address. sa.sa_family is AF_UNSPEC while it is unset (all zero octets do). */
struct address {
    union {
        struct sockaddr sa;
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
        struct sockaddr_un local;
        struct sockaddr_storage storage;
    };
    socklen_t length;
};

/* A network in CIDR notation: the first `bits` bits of `base`. IPv4 and IPv6 do not mix; an
 * IPv4-mapped IPv6 address is compared as IPv4. */
struct address_network {
    struct address base;
    unsigned bits;
};

/* A host and a port as text and number, before any lookup. port is 0 where none was written. */
struct host_port {
    char host[ADDRESS_HOST_SIZE]; /* without brackets; a name, an IPv4 or an IPv6 literal */
    uint16_t port;
    bool is_bracketed; /* the text had [ ] round the host: it must be an IPv6 literal */
};

/*
 * Splits "host", "host:port", "[v6]" or "[v6]:port". A bare IPv6 literal without brackets
 * ("::1") is taken whole, without a port. Host octets must be letters, digits, '-', '_', '.',
 * (and ':' '%' in an IPv6 literal). Returns 0, or -1 when the text is none of these, the host is
 * empty, too long or starts with '-', or the port is not 1..65535 in plain decimal digits without
 * leading zeros. `*hp` is all zero after a failure.
 */
int host_port_parse(struct host_port *hp, const char *text);

/* Writes "host:port", with brackets around a host that has a colon (an IPv6 literal), and a NUL.
 * `host` is shorter than ADDRESS_HOST_SIZE. Returns `text`. */
const char *host_port_text(const char *host, uint16_t port, char text[HOST_PORT_TEXT_SIZE]);

/* Fills `address` from a numeric host (no lookup) and a port. Returns 0, or -1 when `host` is not
 * an IPv4 or IPv6 literal. IPv6 scopes ("fe80::1%eth0", "fe80::1%2") are understood on link-local
 * addresses and refused on all others, where the kernel would ignore them. */
int address_from_literal(struct address *address, const char *host, uint16_t port);

/* Parses a listening address: "ADDR:PORT", "[V6]:PORT", "*:PORT" (IPv4 any), or an absolute path
 * (UNIX socket). Returns 0 or -1. Port 0 is accepted here: the kernel chooses. */
int address_parse_listen(struct address *address, const char *text);

/* Parses "10.0.0.0/8", "2001:db8::/32" or a single address (all bits). -1 when it is neither,
 * when bits behind the prefix are set, or when it has a scope. "::ffff:10.0.0.0/104" is taken as
 * 10.0.0.0/8. */
int address_network_parse(struct address_network *network, const char *text);

/* True when `a` lies in the network. UNIX sockets and unset addresses lie in none; "::/0" holds no
 * IPv4 address. */
bool address_network_contains(const struct address_network *network, const struct address *a);

/* The address without its port as text, an IPv4-mapped IPv6 address as IPv4, a scope as its
 * number ("fe80::1%2"); "" for a UNIX socket or an unset one. Returns `text`. */
const char *address_host_text(const struct address *address, char text[ADDRESS_TEXT_SIZE]);

/* Address and port as text, "[::1]:110"; the path for a UNIX socket, "@name" for an abstract one;
 * "" for an unnamed UNIX socket or an unset address. Returns `text`. */
const char *address_text(const struct address *address, char text[ADDRESS_TEXT_SIZE]);

/* Port in host byte order; 0 for a UNIX socket or an unset address. */
uint16_t address_port(const struct address *address);

/* Sets the port, in host byte order; nothing happens to a UNIX socket or an unset address. */
void address_set_port(struct address *address, uint16_t port);

/* Turns an IPv4-mapped IPv6 address into plain IPv4; leaves every other as it is. */
void address_unmap(struct address *address);

/* The address of a socket's own end, or of its other end. Returns false, and leaves `address`
 * unset, where the descriptor is not a socket that has one. */
bool address_of_own_end(int fd, struct address *address);
bool address_of_other_end(int fd, struct address *address);

/* Same family, address, scope and port (IPv4-mapped counts as IPv4). Unset addresses and unnamed
 * UNIX sockets equal nothing, not even each other. */
bool address_is_equal(const struct address *a, const struct address *b);

/* A listener on `listener` receives connections to `a`: equal, or the listener is the wildcard
 * address on the same port. [::] covers IPv4 too. Where `a` itself is the wildcard it stands for
 * the loopback address, since that is where connect() takes it. Used against loops. */
bool address_is_covered_by(const struct address *a, const struct address *listener);

/* The key under which caps and failed logins are counted: an IPv4 address, or the first 64 bits of
 * an IPv6 address (one customer has at least these). Never 0 for an IP address, and never the same
 * for an IPv4 and an IPv6 one; 0 for UNIX sockets and unset addresses. */
uint64_t address_account_key(const struct address *address);

#endif
