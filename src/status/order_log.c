/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Logs an order when it arrives, before the server carries it out. So the line comes before the lines
 * of the sessions that the order ends, and an order that fails has a line, too.
 */
#include "status/order_log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/address.h"
#include "base/log.h"
#include "base/octet.h"
#include "config/operator_command.h"

/* Adds the seconds that `text` begins with, and returns what follows them. If there are none, the
 * request is malformed, and all of it counts as the name. */
static const char *add_seconds(struct log_line *line, const char *text)
{
    char *name;
    long seconds = strtol(text, &name, 10);

    if (!octet_is_digit(text[0]) || *name != ' ')
        return text;
    log_add_number(line, "seconds", seconds);
    return name + 1;
}

static void add_name(struct log_line *line, const struct operator_order *order, const char *name)
{
    struct address address;
    bool is_client =
        strcmp(order->command, "trace") == 0 && address_from_literal(&address, name, 0) == 0;

    log_add(line, is_client ? "client" : order->key, name);
}

static void add_caller(struct log_line *line, int fd)
{
    struct ucred caller;
    socklen_t length = sizeof(caller);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &caller, &length) == 0)
        log_add_number(line, "uid", (int64_t)caller.uid);
    else
        log_add(line, "uid", NULL);
}

void order_log_write(const char *request, int fd)
{
    const struct operator_order *order = operator_order_find(request);
    struct log_line line;
    const char *name;

    if (order == NULL)
        return;
    name = request + strlen(order->command);
    name += *name == ' ';
    log_begin(&line, EVENT_ORDER);
    log_add(&line, "command", order->command);
    add_caller(&line, fd);
    if (order->has_seconds)
        name = add_seconds(&line, name);
    add_name(&line, order, name);
    log_end(&line);
}
