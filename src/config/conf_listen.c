/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Listening addresses and this machine. The server and -T tell the same of them.
 */
#include "config/conf_listen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/file.h"

static const char *mend_for(const struct address *address, int error)
{
    switch (error) {
    case EADDRINUSE:
        return "another program listens there; stop it or choose another port";
    case EACCES:
    case EPERM:
        if (address->sa.sa_family == AF_UNIX)
            return "the directory must be writable, and only root may set listen_owner";
        return "ports below 1024 need root or CAP_NET_BIND_SERVICE";
    case EADDRNOTAVAIL:
        return "no interface of this machine has the address; choose another one";
    case EMFILE:
        return DESCRIPTORS_MEND;
    default:
        break;
    }
    return "choose another address";
}

const char *conf_listen_failure(const struct address *address, int error,
                                char text[CONF_LISTEN_FAILURE_SIZE])
{
    bool is_v6_missing = error == EAFNOSUPPORT && address->sa.sa_family == AF_INET6;

    if (!is_v6_missing)
        snprintf(text, CONF_LISTEN_FAILURE_SIZE, "%s: %s", strerror(error),
                 mend_for(address, error));
    else if (IN6_IS_ADDR_UNSPECIFIED(&address->in6.sin6_addr))
        snprintf(text, CONF_LISTEN_FAILURE_SIZE, "this machine has no IPv6; write *:%u",
                 (unsigned)address_port(address));
    else
        snprintf(text, CONF_LISTEN_FAILURE_SIZE,
                 "this machine has no IPv6; choose an IPv4 address");
    return text;
}

int conf_listen_try(const struct address *address)
{
    struct address any_port = *address;
    int fd = socket(address->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address_set_port(&any_port, 0);
    if (fd == -1 || bind(fd, &any_port.sa, any_port.length) == -1)
        return file_close_failed(fd);
    close(fd);
    return 0;
}
