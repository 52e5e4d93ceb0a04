/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A few orders in a file in memory. Each program has its own count of those that it knows.
 */
#include "pool/kick_relay.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/inherit.h"
#include "pool/pool_kick.h"

#define PASSED "POP3_PROXY_KICKS_FD" /* the name it is passed under */

enum {
    ORDERS_MAX = 32,
    NAME_SIZE = 2048,
    TAKEN_MAX_MS = 60000, /* the process that has an order for so long has died */
};

struct order {
    _Atomic int64_t taken_ms; /* monotonic: when the status process began it; 0: free */
    _Atomic uint32_t number;  /* that no other order has; 0: it is not complete */
    _Atomic uint32_t is_seen; /* the master has told the program before it, if there is one */
    _Atomic uint32_t told;    /* programs */
    _Atomic uint32_t answered;
    _Atomic uint32_t found; /* sessions of theirs */
    _Atomic uint32_t ended;
    char name[NAME_SIZE];
};

struct orders {
    _Atomic uint32_t last_number;
    struct order list[ORDERS_MAX];
};

static int own_fd = -1;
static struct orders *orders; /* NULL: there is no memory */

/* What this master knows of each order. */
static struct {
    uint32_t number; /* the last one that was here */
    size_t left;     /* sessions of this program that are marked for it */
} known[ORDERS_MAX];

/* ---- the memory ---- */

static struct orders *map(int fd)
{
    void *memory = fd == -1 ? MAP_FAILED
                            : mmap(NULL, sizeof(struct orders), PROT_READ | PROT_WRITE, MAP_SHARED,
                                   fd, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

/* Orders that were carried out before this program came are not new to it. */
static void know_all(void)
{
    for (size_t i = 0; orders != NULL && i < ORDERS_MAX; i++)
        known[i].number = atomic_load(&orders->list[i].number);
}

void kick_relay_prepare(void)
{
    if (own_fd != -1)
        return;
    own_fd = inherit_memory(PASSED, sizeof(struct orders));
    orders = map(own_fd);
    if (orders != NULL && madvise(orders, sizeof(*orders), MADV_DONTFORK) == -1) {
        munmap(orders, sizeof(*orders));
        orders = NULL;
    }
    know_all();
}

void kick_relay_pass(void)
{
    inherit_pass(PASSED, own_fd, NULL);
}

int kick_relay_descriptor(void)
{
    return own_fd;
}

/* The master's mapping is not in this process. */
void kick_relay_open(int fd)
{
    orders = map(fd);
}

/* ---- in masters ---- */

static size_t mark(const struct pool *pools, const char *name)
{
    struct pool_kick kick;
    size_t count;

    if (pool_kick_mark(&kick, pools, name) == -1)
        return 0;
    count = kick.count;
    pool_kick_free(&kick);
    return count;
}

/* Tells the previous program of the order, if this one did not know it. Returns whether it did not. */
static bool pass_on(size_t i, kick_relay_tell *tell)
{
    struct order *order = &orders->list[i];
    uint32_t number = atomic_load(&order->number);

    if (number == 0 || number == known[i].number)
        return false;
    known[i].number = number;
    known[i].left = 0;
    if (tell())
        atomic_fetch_add(&order->told, 1);
    return true;
}

void kick_relay_pass_on(kick_relay_tell *tell)
{
    for (size_t i = 0; orders != NULL && i < ORDERS_MAX; i++)
        if (pass_on(i, tell))
            atomic_store(&orders->list[i].is_seen, 1);
}

/* Answers last: when as many have answered as were told, each has done its part. */
static void take(size_t i, const struct pool *pools)
{
    struct order *order = &orders->list[i];
    char name[NAME_SIZE];

    snprintf(name, sizeof(name), "%.*s", NAME_SIZE - 1, order->name);
    known[i].left = mark(pools, name);
    atomic_fetch_add(&order->found, (uint32_t)known[i].left);
    atomic_fetch_add(&order->answered, 1);
}

void kick_relay_take(const struct pool *pools, kick_relay_tell *tell)
{
    for (size_t i = 0; orders != NULL && i < ORDERS_MAX; i++)
        if (pass_on(i, tell))
            take(i, pools);
}

void kick_relay_update(const struct pool *pools)
{
    for (size_t i = 0; orders != NULL && i < ORDERS_MAX; i++) {
        struct order *order = &orders->list[i];
        char name[NAME_SIZE];
        size_t left;

        if (known[i].left == 0 || atomic_load(&order->number) != known[i].number)
            continue;
        snprintf(name, sizeof(name), "%.*s", NAME_SIZE - 1, order->name);
        left = pool_kick_count(pools, name);
        if (left >= known[i].left)
            continue;
        atomic_fetch_add(&order->ended, (uint32_t)(known[i].left - left));
        known[i].left = left;
    }
}

/* ---- in the status process ---- */

/* During a reload two of these processes have the memory. */
static bool claim(struct order *order, int64_t now_ms)
{
    int64_t taken_ms = atomic_load(&order->taken_ms);

    return (taken_ms == 0 || now_ms - taken_ms > TAKEN_MAX_MS) &&
           atomic_compare_exchange_strong(&order->taken_ms, &taken_ms, now_ms);
}

int kick_relay_ask(const char *name, int64_t now_ms)
{
    int i = 0;

    if (orders == NULL || strlen(name) >= NAME_SIZE)
        return -1;
    while (i < ORDERS_MAX && !claim(&orders->list[i], now_ms))
        i++;
    if (i == ORDERS_MAX)
        return -1;
    atomic_store(&orders->list[i].number, 0);
    snprintf(orders->list[i].name, NAME_SIZE, "%s", name);
    atomic_store(&orders->list[i].is_seen, 0);
    atomic_store(&orders->list[i].told, 0);
    atomic_store(&orders->list[i].answered, 0);
    atomic_store(&orders->list[i].found, 0);
    atomic_store(&orders->list[i].ended, 0);
    atomic_store(&orders->list[i].number, atomic_fetch_add(&orders->last_number, 1) + 1);
    return i;
}

struct kick_relayed kick_relay_read(int i)
{
    const struct order *order = i == -1 ? NULL : &orders->list[i];
    uint32_t ended;
    struct kick_relayed relayed = {.is_known = true};

    if (order == NULL)
        return relayed;
    relayed.is_known = atomic_load(&order->is_seen) != 0 &&
                       atomic_load(&order->answered) >= atomic_load(&order->told);
    relayed.found = atomic_load(&order->found);
    ended = atomic_load(&order->ended);
    relayed.left = ended < relayed.found ? relayed.found - ended : 0;
    return relayed;
}

void kick_relay_end(int i)
{
    if (i != -1)
        atomic_store(&orders->list[i].taken_ms, 0);
}
