/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a table that is a server listens.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/unix_socket.h"
#include "route/route_lanes.h"

enum { TEXT_SIZE = 512 };

static int parse_unix(struct route_place *place, const char *path, struct error *error)
{
    if (path[0] != '/' || address_parse_listen(&place->address, path) == -1)
        return error_set(error, "expected unix: and an absolute path of at most %zu octets",
                         sizeof(place->address.local.sun_path) - 1);
    return 0;
}

static int parse_inet(struct route_place *place, const char *text, struct error *error)
{
    struct host_port parsed;

    if (host_port_parse(&parsed, text) == -1 || parsed.port == 0)
        return error_set(error, "expected inet:HOST:PORT");
    place->port = parsed.port;
    if (address_from_literal(&place->address, parsed.host, parsed.port) == -1)
        memcpy(place->host, parsed.host, sizeof(place->host));
    return 0;
}

int route_place_parse(struct route_place *place, const char *text, size_t length,
                      struct error *error)
{
    char copy[TEXT_SIZE];

    *place = (struct route_place){.port = 0};
    if (length >= sizeof(copy))
        return error_set(error, "the name of the socket is too long");
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (strncmp(copy, "unix:", 5) == 0)
        return parse_unix(place, copy + 5, error);
    if (strncmp(copy, "inet:", 5) == 0)
        return parse_inet(place, copy + 5, error);
    return error_set(error, "expected unix:PATH or inet:HOST:PORT");
}

bool route_place_is_served(const struct route_place *place, struct error *error)
{
    enum unix_socket state;

    if (place->address.sa.sa_family != AF_UNIX)
        return true;
    state = unix_socket_check(&place->address);
    if (state == UNIX_SOCKET_SERVED)
        return true;
    error_set(error, "%s: %s", place->address.local.sun_path,
              state == UNIX_SOCKET_UNKNOWN ? strerror(errno)
              : state == UNIX_SOCKET_NOT_ONE ? "this is no socket"
                                             : "nobody listens on this socket");
    return false;
}
