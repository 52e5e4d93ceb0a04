/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Socket addresses, networks, and the "host:port" texts that name servers. Looks up no names.
 */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
    ADDRESS_HOST_SIZE = 256, /* a host name of 253 octets and a NUL fit */
    ADDRESS_TEXT_SIZE = 128, /* "[v6%scope]:port" or a UNIX path, and a NUL */
    HOST_PORT_TEXT_SIZE = ADDRESS_HOST_SIZE + sizeof("[]:65535") - 1, /* with its NUL */
};

/* One socket address. All zero: unset (sa.sa_family is AF_UNSPEC then). */
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

/* A network in CIDR notation: the first `bits` bits of `base`. An IPv4 network holds IPv4 addresses
 * only, and so does IPv6; an IPv4-mapped IPv6 address counts as IPv4. */
struct address_network {
    struct address base;
    unsigned bits;
};

/* A host and a port as text and number, before any lookup. */
struct host_port {
    char host[ADDRESS_HOST_SIZE]; /* in one form, without brackets */
    uint16_t port;                /* 0 where none was written */
    bool is_literal;              /* the host is an IPv4 or IPv6 address, not a name */
};

/*
 * Splits "host", "host:port", "[v6]" or "[v6]:port". An IPv6 address without brackets ("::1") is
 * taken whole, without a port.
 *
 * However a host is written, one form of it results, so that the allow list, the access control
 * program, caches and TLS all decide about the same text: a name or IPv4 address in lower case and
 * without a dot at its end, an IPv6 address as address_host_text() writes it (so ::ffff:10.0.0.1 is
 * 10.0.0.1).
 *
 * Returns 0, or -1 when the text is none of these: a name has letters, digits, '-', '_' and '.', no
 * empty label, no '-' at its beginning and at most 255 octets; a host with a colon is an IPv6
 * address; a port is 1 to 65535 in decimal digits without leading zeros. `*hp` is all zero after a
 * failure.
 */
int host_port_parse(struct host_port *hp, const char *text);

/* Writes "host:port", with brackets around a host that has a colon (an IPv6 literal), and a NUL.
 * `host` is shorter than ADDRESS_HOST_SIZE. Returns `text`. */
const char *host_port_text(const char *host, uint16_t port, char text[HOST_PORT_TEXT_SIZE]);

/* Fills `address` from an IPv4 or IPv6 literal and a port. Returns 0, or -1 where `host` is not a
 * literal. A link-local address may have a scope ("fe80::1%eth0", "fe80::1%2"); on every other
 * address the kernel would ignore it, so it is refused. */
int address_from_literal(struct address *address, const char *host, uint16_t port);

/* Parses a listening address: "ADDR:PORT", "[V6]:PORT", "*:PORT" (IPv4 any), or an absolute path
 * (UNIX socket). Returns 0 or -1. Port 0 is allowed: the kernel chooses one. */
int address_parse_listen(struct address *address, const char *text);

/* Parses "10.0.0.0/8", "2001:db8::/32" or a single address (all bits). Returns 0, or
 * -1 where it is neither, has a bit set after the prefix, or has a scope. "::ffff:10.0.0.0/104" is
 * 10.0.0.0/8. */
int address_network_parse(struct address_network *network, const char *text);

/* Whether `a` is in the network. A UNIX socket or an unset address is in none, and an IPv4 address
 * is not in "::/0". */
bool address_network_contains(const struct address_network *network, const struct address *a);

/* Whether `a` is in one of the networks. */
bool address_is_in_networks(const struct address_network *networks, size_t count,
                            const struct address *a);

/* Writes the address without its port: an IPv4-mapped IPv6 address as IPv4, a scope as a number
 * ("fe80::1%2"), "" for a UNIX socket or an unset address. Returns `text`. */
const char *address_host_text(const struct address *address, char text[ADDRESS_TEXT_SIZE]);

/* Writes address and port ("[::1]:110"), the path of a UNIX socket, "@name" for an abstract one, or
 * "" for an unnamed or an unset one. Returns `text`. */
const char *address_text(const struct address *address, char text[ADDRESS_TEXT_SIZE]);

/* The port in host byte order; 0 for a UNIX socket or an unset address. */
uint16_t address_port(const struct address *address);

/* Sets the port, given in host byte order. A UNIX socket or an unset address stays as it is. */
void address_set_port(struct address *address, uint16_t port);

/* Whether the address is of this machine alone: 127.0.0.0/8 or ::1. */
bool address_is_loopback(const struct address *address);

/* Turns an IPv4-mapped IPv6 address into IPv4; every other address stays as it is. */
void address_unmap(struct address *address);

/* The address of a socket's own end, or of its other end. Returns false, and leaves `address`
 * unset, where the descriptor is not a socket that has one. */
bool address_of_own_end(int fd, struct address *address);
bool address_of_other_end(int fd, struct address *address);

/* Whether family, address, scope and port are the same (IPv4-mapped counts as IPv4). An unset
 * address or an unnamed UNIX socket equals nothing, not even itself. */
bool address_is_equal(const struct address *a, const struct address *b);

/* Whether a connection to `a` arrives at a socket that listens on `listener`: both are equal, or
 * the listener has the wildcard address and the same port ([::] takes IPv4 too). A wildcard as `a`
 * stands for the loopback address, because connect() takes it as that. Finds loops. */
bool address_is_covered_by(const struct address *a, const struct address *listener);

/* The key under which sessions and failed logins are counted: an IPv4 address, or the first 64 bits
 * of an IPv6 address, because one customer has at least a /64. It is never 0 for an IP address, and
 * never the same for IPv4 and IPv6; it is 0 for a UNIX socket or an unset address. */
uint64_t address_account_key(const struct address *address);

#endif
