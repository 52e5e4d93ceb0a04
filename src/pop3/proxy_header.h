/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The PROXY protocol header, versions 1 and 2, as HAProxy's proxy-protocol.txt describes it:
 * reading one from a load balancer before us and building one for a server behind us. Pure octets:
 * knows no socket, and not who may send a header.
 */
#ifndef POP3_PROXY_HEADER_H
#define POP3_PROXY_HEADER_H

#include "base/address.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    PROXY_HEADER_V1_MAX = 107,    /* octets of a version 1 line with its CRLF */
    PROXY_HEADER_MAX = 4096,      /* octets of a header we read: a buffer of this size is enough */
    PROXY_HEADER_BUILD_MAX = 512, /* octets of a header we build */
};

/* Which versions are taken. */
enum proxy_header_accept {
    PROXY_HEADER_ACCEPT_EITHER,
    PROXY_HEADER_ACCEPT_V1,
    PROXY_HEADER_ACCEPT_V2,
};

enum proxy_header_result {
    PROXY_HEADER_MORE, /* so far well-formed, not all there */
    PROXY_HEADER_COMPLETE,
    PROXY_HEADER_MALFORMED, /* not a header, or not of a version that is taken */
};

struct proxy_header {
    size_t length;      /* COMPLETE: octets the header has; what follows is the client's */
    size_t more;        /* MORE: so many octets, at least 1, are certainly still header */
    unsigned version;   /* COMPLETE: 1 or 2 */
    bool has_addresses; /* false for UNKNOWN, LOCAL and what is not TCP: the socket's own count */
    struct address source;
    struct address destination;
};

/*
 * Looks at the first `length` octets of a connection. Nothing is remembered between two calls: feed
 * the whole prefix again when there is more of it. A reader has two ways never to take an octet of
 * the client's along:
 * - read at most `more` octets at a time (15 to begin with, so call with length 0 first);
 * - or look with MSG_PEEK, and take `length` octets on COMPLETE or everything seen on MORE.
 *
 * What cannot become a header any more is MALFORMED at once, at the first wrong octet of a
 * signature already. Version 1: TCP4, TCP6 and UNKNOWN, printable ASCII, single blanks, at most
 * PROXY_HEADER_V1_MAX octets, decimal numbers without leading zeros; a CR or LF alone is malformed.
 * Version 2: LOCAL and PROXY; TCP over IPv4 or IPv6 gives addresses, every other combination the
 * specification knows is skipped, and one that it does not know is malformed, as is a length
 * without room for the family's addresses, a TLV that reaches beyond the header (in LOCAL and
 * AF_UNSPEC headers, which have no fixed layout, nothing is looked at) and a header of more than
 * PROXY_HEADER_MAX octets. IPv4-mapped addresses come out as IPv4.
 */
enum proxy_header_result proxy_header_parse(struct proxy_header *header,
                                            enum proxy_header_accept accept, const void *data,
                                            size_t length);

/* Whether the data begins with the whole signature of version 2. */
bool proxy_header_is_v2(const void *data, size_t length);

/*
 * Writes the version 1 line, CRLF and a NUL behind it, to `line` of `size` octets; "PROXY UNKNOWN"
 * where an address is not IP. Where one is IPv4 and the other IPv6, the IPv4 one is written mapped.
 * Returns the octets without the NUL; 0 when it does not fit: PROXY_HEADER_BUILD_MAX always does.
 */
size_t proxy_header_build_v1(char *line, size_t size, const struct address *source,
                             const struct address *destination);

/* What a version 2 header tells beyond the addresses. A text that is NULL or empty is left out. */
struct proxy_header_extras {
    bool is_tls;             /* the client speaks TLS: PP2_TYPE_SSL */
    const char *tls_version; /* "TLSv1.3"; at most 32 octets, with is_tls only */
    const char *server_name; /* SNI: PP2_TYPE_AUTHORITY, at most 255 octets */
    const char *session;     /* our session id: PP2_TYPE_UNIQUE_ID, at most 128 octets */
};

/*
 * Writes the version 2 header to `data` of `size` octets: a bare LOCAL where an address is not IP.
 * `extras` may be NULL. Mixed families as in version 1. Returns its octets; 0 when it does not fit
 * (PROXY_HEADER_BUILD_MAX always does) or when a text is longer than said above.
 */
size_t proxy_header_build_v2(void *data, size_t size, const struct address *source,
                             const struct address *destination,
                             const struct proxy_header_extras *extras);

#endif
