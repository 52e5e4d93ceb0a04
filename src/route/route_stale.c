/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hash table with a fixed number of places, two for each key: the older of the two makes room.
 */
#include "route/route_stale.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

enum { WAYS = 2, SETS = ROUTE_STALE_MAX / WAYS };

/* The octets after `key` are its NUL and the memory of the answer. */
struct kept {
    int64_t kept_ms;
    size_t table;
    size_t length; /* of the answer's memory */
    uint16_t offsets[ROUTE_FIELD_COUNT]; /* plus 1; 0: the field is not set */
    char key[];
};

struct route_stale {
    struct kept *places[SETS][WAYS];
};

struct route_stale *route_stale_new(void)
{
    return calloc(1, sizeof(struct route_stale));
}

static void free_kept(struct kept *kept)
{
    if (kept == NULL)
        return;
    explicit_bzero(kept->key + strlen(kept->key) + 1, kept->length);
    free(kept);
}

void route_stale_free(struct route_stale *stale)
{
    if (stale == NULL)
        return;
    for (size_t i = 0; i < SETS; i++)
        for (size_t j = 0; j < WAYS; j++)
            free_kept(stale->places[i][j]);
    free(stale);
}

static size_t set_of(size_t table, const char *key)
{
    return (size_t)(hash_number(hash_text(key) + table) >> 32) % SETS;
}

static bool is_of(const struct kept *kept, size_t table, const char *key)
{
    return kept != NULL && kept->table == table && strcmp(kept->key, key) == 0;
}

/* The place of the key, else the one to use for it. */
static struct kept **place_for(struct route_stale *stale, size_t table, const char *key)
{
    struct kept **places = stale->places[set_of(table, key)];
    struct kept **oldest = &places[0];

    for (size_t j = 0; j < WAYS; j++) {
        if (is_of(places[j], table, key))
            return &places[j];
        if (*oldest != NULL && (places[j] == NULL || places[j]->kept_ms < (*oldest)->kept_ms))
            oldest = &places[j];
    }
    return oldest;
}

void route_stale_keep(struct route_stale *stale, size_t table, const char *key,
                      const struct route_answer *answer, int64_t now_ms)
{
    struct kept **place = place_for(stale, table, key);
    size_t key_size = strlen(key) + 1;
    struct kept *kept = malloc(sizeof(*kept) + key_size + answer->length);

    free_kept(*place);
    *place = kept;
    if (kept == NULL)
        return;
    kept->kept_ms = now_ms;
    kept->table = table;
    kept->length = answer->length;
    memcpy(kept->key, key, key_size);
    memcpy(kept->key + key_size, answer->memory, answer->length);
    for (size_t i = 0; i < ROUTE_FIELD_COUNT; i++)
        kept->offsets[i] = answer->fields[i] == NULL
                               ? 0
                               : (uint16_t)(answer->fields[i] - answer->memory + 1);
}

void route_stale_forget(struct route_stale *stale, size_t table, const char *key)
{
    struct kept **place = place_for(stale, table, key);

    if (!is_of(*place, table, key))
        return;
    free_kept(*place);
    *place = NULL;
}

bool route_stale_find(const struct route_stale *stale, size_t table, const char *key,
                      int64_t now_ms, int64_t age_ms, struct route_answer *answer)
{
    struct kept *const *places = stale->places[set_of(table, key)];
    const struct kept *kept = is_of(places[0], table, key) ? places[0] : places[1];

    if (!is_of(kept, table, key) || now_ms - kept->kept_ms > age_ms)
        return false;
    route_answer_init(answer, ROUTE_FOUND);
    memcpy(answer->memory, kept->key + strlen(key) + 1, kept->length);
    answer->length = kept->length;
    for (size_t i = 0; i < ROUTE_FIELD_COUNT; i++)
        if (kept->offsets[i] > 0)
            answer->fields[i] = answer->memory + kept->offsets[i] - 1;
    return true;
}
