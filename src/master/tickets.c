/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The next binary gets a copy of the keys through a pipe that it inherits: nothing of them is left
 * anywhere once it has read them. A copy of another size is that of another version, and an odd one
 * was taken in the middle of a change; neither is used: clients make one whole handshake more.
 */
#include "master/tickets.h"

#include <string.h>
#include <unistd.h>

#include "base/inherit.h"
#include "base/log.h"
#include "base/shared.h"

#define TICKETS "POP3_PROXY_TICKETS_FD" /* the name they are passed under: a pipe with the keys */

static struct tls_ticket_keys *keys; /* shared with the workers */

static void make_key(void)
{
    if (tls_ticket_keys_rotate(keys) == -1)
        log_message(EVENT_TLS, "no randomness for new ticket keys; the old ones stay");
}

const struct tls_ticket_keys *tickets_keys(void)
{
    if (keys == NULL && (keys = shared_new(sizeof(*keys))) != NULL)
        make_key();
    return keys;
}

void tickets_rotate(void)
{
    if (keys != NULL)
        make_key();
}

void tickets_inherit(void)
{
    int fd = inherit_take(TICKETS, NULL);
    struct tls_ticket_keys handed;

    if (fd == -1)
        return;
    if (read(fd, &handed, sizeof(handed)) == sizeof(handed) && handed.sequence % 2 == 0 &&
        (keys = shared_new(sizeof(*keys))) != NULL)
        memcpy(keys, &handed, sizeof(*keys));
    explicit_bzero(&handed, sizeof(handed));
    close(fd);
}

void tickets_pass(void)
{
    int fds[2];

    if (keys == NULL || pipe(fds) == -1)
        return;
    if (write(fds[1], keys, sizeof(*keys)) == sizeof(*keys))
        inherit_pass(TICKETS, fds[0], NULL);
    else
        close(fds[0]);
    close(fds[1]);
}
