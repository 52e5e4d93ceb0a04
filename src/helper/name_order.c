/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * c-ares sorts the addresses of one family; between the families this decides. The kernel is asked
 * which of our own addresses it would use: connect() of a UDP socket sends nothing.
 */
#include "helper/name_order.h"

#include <sys/socket.h>
#include <unistd.h>

enum { ANY_PORT = 9 }; /* Linux refuses port 0 for some families; nothing is sent to it */

/* The prefixes whose addresses RFC 6724, section 2.1, puts in different groups. */
enum scope {
    SCOPE_LOOPBACK,
    SCOPE_LINK,
    SCOPE_PRIVATE,    /* unique local, site-local: less preferred than IPv4 */
    SCOPE_TRANSLATED, /* 6to4, Teredo, IPv4-mapped: the same */
    SCOPE_GLOBAL,
};

static enum scope scope_of(const struct in6_addr *ip)
{
    const unsigned char *octets = ip->s6_addr;

    if (IN6_IS_ADDR_LOOPBACK(ip))
        return SCOPE_LOOPBACK;
    if (IN6_IS_ADDR_LINKLOCAL(ip))
        return SCOPE_LINK;
    if ((octets[0] & 0xfe) == 0xfc || IN6_IS_ADDR_SITELOCAL(ip))
        return SCOPE_PRIVATE;
    if ((octets[0] == 0x20 && octets[1] == 0x02) || IN6_IS_ADDR_V4MAPPED(ip) ||
        (octets[0] == 0x20 && octets[1] == 0x01 && octets[2] == 0 && octets[3] == 0))
        return SCOPE_TRANSLATED;
    return SCOPE_GLOBAL;
}

/* Finds our own address for connections to `to`. Returns whether there is a way there. */
static bool find_source(const struct address *to, struct address *source)
{
    struct address with_port = *to;
    int fd = socket(to->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool has_way;

    if (fd == -1)
        return false;
    address_set_port(&with_port, ANY_PORT);
    has_way = connect(fd, &with_port.sa, with_port.length) == 0 && address_of_own_end(fd, source);
    close(fd);
    return has_way;
}

bool name_order_is_ipv6_first(const struct address *ipv4, const struct address *ipv6)
{
    struct address source, source4;
    enum scope scope;

    if (!find_source(ipv6, &source))
        return false;
    if (!find_source(ipv4, &source4))
        return true;
    scope = scope_of(&ipv6->in6.sin6_addr);
    return scope == scope_of(&source.in6.sin6_addr) && scope != SCOPE_PRIVATE &&
           scope != SCOPE_TRANSLATED;
}

size_t name_order_merge(const struct address *first, size_t first_count,
                        const struct address *second, size_t second_count, struct address *list,
                        size_t size)
{
    size_t count = 0;

    for (size_t i = 0; count < size && (i < first_count || i < second_count); i++) {
        if (i < first_count)
            list[count++] = first[i];
        if (i < second_count && count < size)
            list[count++] = second[i];
    }
    return count;
}
