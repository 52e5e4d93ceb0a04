/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The header of the PROXY protocol, versions 1 and 2, as HAProxy's proxy-protocol.txt describes it:
 * parses one from a load balancer and builds one for a server. Pure: knows no socket, and does not
 * decide who may send a header.
 */
#ifndef POP3_PROXY_HEADER_H
#define POP3_PROXY_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/address.h"

enum {
    PROXY_HEADER_V1_MAX = 107,    /* octets of a version 1 line with its CRLF */
    PROXY_HEADER_MAX = 4096,      /* octets of a header we read: a buffer of this size is enough */
    PROXY_HEADER_BUILD_MAX = 512, /* octets of a header we build */
};

/* The versions that are accepted. */
enum proxy_header_accept {
    PROXY_HEADER_ACCEPT_EITHER,
    PROXY_HEADER_ACCEPT_V1,
    PROXY_HEADER_ACCEPT_V2,
};

enum proxy_header_result {
    PROXY_HEADER_MORE, /* well-formed so far, but not complete */
    PROXY_HEADER_COMPLETE,
    PROXY_HEADER_MALFORMED, /* not a header, or not of an accepted version */
};

struct proxy_header {
    size_t length;      /* COMPLETE: octets of the header; the client's octets follow */
    size_t more;        /* MORE: so many octets, 1 or more, certainly still belong to the header */
    unsigned version;   /* COMPLETE: 1 or 2 */
    bool has_addresses; /* false for UNKNOWN, LOCAL and all but TCP: use those of the socket */
    struct address source;
    struct address destination;
};

/*
 * Parses the first `length` octets of a connection. Nothing is remembered between two calls: pass
 * the whole prefix again when there is more of it. A reader must not take octets of the client,
 * which follow the header. It has two ways:
 * - read at most `more` octets at a time; call with length 0 first to learn how many;
 * - or peek (MSG_PEEK), and then take `length` octets on COMPLETE, or all octets seen on MORE.
 *
 * Octets that cannot become a header are MALFORMED at once, at the first wrong octet.
 * Version 1: TCP4, TCP6 or UNKNOWN; printable ASCII; single blanks; decimal numbers without leading
 * zeros; at most PROXY_HEADER_V1_MAX octets. A CR or LF alone is malformed.
 * Version 2: LOCAL or PROXY. TCP over IPv4 or IPv6 gives addresses. Other combinations of family
 * and protocol are skipped if the specification knows them, and malformed if it does not. Malformed
 * are also a length without room for the addresses, a TLV that reaches beyond the header, and a
 * header of more than PROXY_HEADER_MAX octets. What follows the fixed part of a LOCAL or AF_UNSPEC
 * header has no layout and is not parsed. IPv4-mapped addresses become IPv4.
 */
enum proxy_header_result proxy_header_parse(struct proxy_header *header,
                                            enum proxy_header_accept accept, const void *data,
                                            size_t length);

/* True if the data begins with the whole signature of version 2. */
bool proxy_header_is_v2(const void *data, size_t length);

/*
 * Writes the version 1 line with CRLF and NUL to `line` of `size` octets. If an address is not IP,
 * it is "PROXY UNKNOWN". If one is IPv4 and the other IPv6, the IPv4 one is written IPv4-mapped.
 * Returns the octets without the NUL, or 0 if they do not fit; they always fit in
 * PROXY_HEADER_BUILD_MAX.
 */
size_t proxy_header_build_v1(char *line, size_t size, const struct address *source,
                             const struct address *destination);

/* What a version 2 header tells besides the addresses. A text that is NULL or empty is left out. */
struct proxy_header_extras {
    bool is_tls;             /* the client speaks TLS: PP2_TYPE_SSL */
    const char *tls_version; /* "TLSv1.3"; at most 32 octets, with is_tls only */
    const char *server_name; /* SNI: PP2_TYPE_AUTHORITY, at most 255 octets */
    const char *session;     /* our session id: PP2_TYPE_UNIQUE_ID, at most 128 octets */
};

/*
 * Writes the version 2 header to `data` of `size` octets. If an address is not IP, it is a bare
 * LOCAL. Mixed families become IPv6 as in version 1. `extras` may be NULL. Returns the octets, or 0
 * if they do not fit (they always fit in PROXY_HEADER_BUILD_MAX) or if a text is longer than said
 * above.
 */
size_t proxy_header_build_v2(void *data, size_t size, const struct address *source,
                             const struct address *destination,
                             const struct proxy_header_extras *extras);

#endif
