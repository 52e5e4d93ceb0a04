/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A list of what is kept for each name, with a count of its users. For the master alone.
 */
#include "pool/instance_memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/shared.h"

static struct instance_memory *memories;

static size_t table_counts_size(void)
{
    return INSTANCE_TABLES_MAX * sizeof(struct route_counts);
}

static void free_memory(struct instance_memory *memory)
{
    shared_free(memory->totals, sizeof(*memory->totals));
    account_table_free(memory->accounts);
    shared_free(memory->table_counts, table_counts_size());
    for (size_t i = 0; i < INSTANCE_TABLES_MAX; i++)
        free(memory->tables[i]);
    account_table_free(memory->sessions);
    shared_free(memory->servers, sizeof(*memory->servers));
    free(memory->name);
    free(memory);
}

static struct instance_memory *make_memory(const char *name)
{
    struct instance_memory *memory = calloc(1, sizeof(*memory));

    if (memory == NULL)
        return NULL;
    memory->name = strdup(name);
    memory->totals = shared_new(sizeof(*memory->totals));
    memory->accounts = account_table_new();
    memory->table_counts = shared_new(table_counts_size());
    memory->sessions = account_table_new();
    memory->servers = shared_new(sizeof(*memory->servers));
    if (memory->name == NULL || memory->totals == NULL || memory->accounts == NULL ||
        memory->sessions == NULL || memory->table_counts == NULL || memory->servers == NULL) {
        free_memory(memory);
        return NULL;
    }
    memory->next = memories;
    memories = memory;
    return memory;
}

struct instance_memory *instance_memory_acquire(const char *name)
{
    struct instance_memory *memory = memories;

    while (memory != NULL && strcmp(memory->name, name) != 0)
        memory = memory->next;
    if (memory == NULL)
        memory = make_memory(name);
    if (memory != NULL)
        memory->users++;
    return memory;
}

void instance_memory_release(struct instance_memory *memory)
{
    struct instance_memory **link = &memories;

    if (--memory->users > 0)
        return;
    while (*link != memory)
        link = &(*link)->next;
    *link = memory->next;
    free_memory(memory);
}

struct route_counts *instance_memory_table(struct instance_memory *memory, const char *name,
                                           size_t length)
{
    for (size_t i = 0; i < INSTANCE_TABLES_MAX; i++) {
        if (memory->tables[i] == NULL)
            memory->tables[i] = strndup(name, length);
        if (memory->tables[i] == NULL)
            return NULL;
        if (strlen(memory->tables[i]) == length && memcmp(memory->tables[i], name, length) == 0)
            return &memory->table_counts[i];
    }
    return NULL;
}
