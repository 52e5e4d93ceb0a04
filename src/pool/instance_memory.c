/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A list of what is kept for each name, with a count of its users. For the master alone.
 */
#include "pool/instance_memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/shared.h"

static struct instance_memory *memories;

static void free_memory(struct instance_memory *memory)
{
    shared_free(memory->totals, sizeof(*memory->totals));
    account_table_free(memory->accounts);
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
    if (memory->name == NULL || memory->totals == NULL || memory->accounts == NULL) {
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
