/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The words of the orders and of their answers.
 */
#include "status/orders.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/number.h"
#include "base/octet.h"
#include "config/operator_command.h"
#include "pool/hold.h"
#include "pool/kick_relay.h"

static int master_fd = -1;

void orders_open(int wake_fd)
{
    master_fd = wake_fd;
    if (hold_descriptor() != -1)
        (void)hold_open_to_write(hold_descriptor()); /* else `hold` says that it is not possible */
    kick_relay_open(kick_relay_descriptor());
}

void orders_init(struct order *order)
{
    *order = (struct order){.relayed = -1};
}

void orders_drop(struct order *order)
{
    pool_kick_free(&order->kick);
    kick_relay_end(order->relayed);
    orders_init(order);
}

/* ---- kick ---- */

static void wake_master(void)
{
    uint64_t one = 1;

    (void)!write(master_fd, &one, sizeof(one));
}

static enum order_result take_kick(const char *name, const struct pool *pools, FILE *out,
                                   struct order *order)
{
    if (pool_kick_mark(&order->kick, pools, name) == -1) {
        fputs("error: out of memory\n", out);
        return ORDER_DONE;
    }
    order->name = name;
    order->relayed = master_fd == -1 ? -1 : kick_relay_ask(name, clock_now_ms());
    wake_master();
    return ORDER_PENDING;
}

bool orders_are_done(const struct order *order)
{
    struct kick_relayed relayed = kick_relay_read(order->relayed);

    return relayed.is_known && relayed.left == 0 && pool_kick_left(&order->kick) == 0;
}

void orders_finish(struct order *order, FILE *out)
{
    struct kick_relayed relayed = kick_relay_read(order->relayed);
    size_t count = order->kick.count + relayed.found;
    size_t left = pool_kick_left(&order->kick) + relayed.left;

    if (!relayed.is_known)
        fprintf(out,
                "error: %zu session%s ended; a previous program, replaced in an upgrade, does not "
                "answer and may have more\n",
                count - left, number_plural(count - left));
    else if (count == 0)
        fprintf(out, "error: %s has no session\n", order->name);
    else if (left > 0)
        fprintf(out, "error: %zu of %zu session%s %s not ended yet\n", left, count,
                number_plural(count), left == 1 ? "has" : "have");
    else
        fprintf(out, "%zu session%s ended\n", count, number_plural(count));
    orders_drop(order);
}

/* ---- hold and release ---- */

static void take_hold(const char *text, FILE *out)
{
    char *user;
    long seconds = strtol(text, &user, 10);
    int64_t now_ms = clock_now_ms();

    if (!octet_is_digit(text[0]) || seconds < 1 || seconds > OPERATOR_HOLD_MAX_S || *user != ' ' ||
        user[1] == '\0')
        fputs("error: malformed request; expected \"hold SECONDS USER\"\n", out);
    else if (hold_set(user + 1, now_ms + seconds * 1000, now_ms))
        fprintf(out, "logins of %s wait, for %ld s at most\n", user + 1, seconds);
    else
        fprintf(out, "error: cannot hold %s; at most %d users can be held\n", user + 1, HOLDS_MAX);
}

static void take_release(const char *user, FILE *out)
{
    if (hold_end(user, clock_now_ms()))
        fprintf(out, "logins of %s go on\n", user);
    else
        fprintf(out, "error: %s is not held\n", user);
}

/* ---- servers of groups ---- */

/* The server as its group lists it, or without the port. */
static bool is_named(const struct route_server *server, const char *name)
{
    return strcmp(server->text, name) == 0 || strcmp(server->name.host, name) == 0;
}

static void take_drained(const char *name, bool is_drained, const struct pool *pools, FILE *out)
{
    const struct conf_groups *groups = pools == NULL ? NULL : pools->generation->conf.groups;
    int64_t now_ms = clock_now_ms();
    size_t found = 0, fixed = 0;

    for (size_t i = 0; groups != NULL && i < groups->count; i++)
        for (size_t j = 0; j < groups->list[i].route.count; j++) {
            const struct route_server *server = &groups->list[i].route.servers[j];

            if (!is_named(server, name))
                continue;
            (void)server_state_set_drained(server->state, is_drained, now_ms);
            fixed += server->weight == 0;
            found++;
        }
    if (found == 0)
        fprintf(out, "error: no group has the server %s; see the command servers\n", name);
    else if (!is_drained && fixed > 0)
        fprintf(out, "error: %s has the weight 0 in the file; change it and reload\n", name);
    else
        fprintf(out, "%s %s\n", name, is_drained ? "gets no new users" : "takes users");
}

/* ---- all ---- */

/* What follows the word and a blank; NULL when the request begins in another way. */
static const char *after_word(const char *request, const char *word)
{
    size_t length = strlen(word);
    bool is_it = strncmp(request, word, length) == 0 && request[length] == ' ';

    return is_it && request[length + 1] != '\0' ? request + length + 1 : NULL;
}

enum order_result orders_take(const char *request, const struct pool *pools, FILE *out,
                              struct order *order)
{
    const char *argument;

    if ((argument = after_word(request, "kick")) != NULL)
        return take_kick(argument, pools, out, order);
    if ((argument = after_word(request, "hold")) != NULL)
        take_hold(argument, out);
    else if ((argument = after_word(request, "release")) != NULL)
        take_release(argument, out);
    else if ((argument = after_word(request, "drain")) != NULL)
        take_drained(argument, true, pools, out);
    else if ((argument = after_word(request, "ready")) != NULL)
        take_drained(argument, false, pools, out);
    else
        return ORDER_UNKNOWN;
    return ORDER_DONE;
}
