/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Matches texts with patterns. Does not know that they are names of servers.
 */
#include "base/pattern.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/list.h"
#include "base/octet.h"

enum {
    SLOTS_FIRST = 64, /* a power of two, as every later size is */
    WILDCARDS_FIRST = 16,
    TEXTS_FIRST_BYTES = 1024,
};

/*
 * All texts are in one block, in lower case, each with its NUL; workers share it, as nothing in it
 * changes. An entry is the offset of its text. `slots` is a hash table of all entries (open
 * addressing, at most half full) and holds offset + 1, or 0 where it is free. `wildcards` lists the
 * entries that have wildcards.
 */
struct pattern_list {
    char *texts;
    size_t texts_used;
    size_t texts_size;
    size_t *slots;
    size_t slot_count;
    size_t count;
    size_t *wildcards;
    size_t wildcard_count;
    size_t wildcard_size;
};

bool pattern_is_match(const char *pattern, const char *text)
{
    const char *star = NULL; /* after the last '*' seen */
    const char *retry = NULL;

    /* Where the rest does not match, only the last '*' has to take one octet more: what those
     * before it took stays right. So there is no recursion, and no pattern takes exponential time.
     */
    while (*text != '\0') {
        if (*pattern == '*') {
            star = ++pattern;
            retry = text;
        } else if (*pattern == '?' || octet_lower(*pattern) == octet_lower(*text)) {
            pattern++;
            text++;
        } else if (star != NULL) {
            pattern = star;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

/* `entry` is in lower case already. */
static bool is_same(const char *entry, const char *text)
{
    while (*entry != '\0' && *entry == octet_lower(*text)) {
        entry++;
        text++;
    }
    return *entry == '\0' && *text == '\0';
}

/* The slot that holds `text`, or the free one where it belongs. The operator chooses the entries,
 * so nobody can make them collide. */
static size_t find_slot(const struct pattern_list *list, const char *text)
{
    size_t mask = list->slot_count - 1;
    size_t i = (size_t)hash_text_nocase(text) & mask;

    while (list->slots[i] != 0 && !is_same(list->texts + list->slots[i] - 1, text))
        i = (i + 1) & mask;
    return i;
}

struct pattern_list *pattern_list_new(void)
{
    struct pattern_list *list = calloc(1, sizeof(*list));

    if (list == NULL)
        return NULL;
    list->slots = calloc(SLOTS_FIRST, sizeof(*list->slots));
    if (list->slots == NULL) {
        free(list);
        return NULL;
    }
    list->slot_count = SLOTS_FIRST;
    return list;
}

void pattern_list_free(struct pattern_list *list)
{
    if (list == NULL)
        return;
    free(list->texts);
    free(list->slots);
    free(list->wildcards);
    free(list);
}

/* Makes room for one more entry in the hash table. */
static int reserve_slot(struct pattern_list *list)
{
    size_t *old = list->slots;
    size_t old_count = list->slot_count;

    if ((list->count + 1) * 2 <= old_count)
        return 0;
    list->slots = calloc(old_count * 2, sizeof(*list->slots));
    if (list->slots == NULL) {
        list->slots = old;
        return -1;
    }
    list->slot_count = old_count * 2;
    for (size_t i = 0; i < old_count; i++)
        if (old[i] != 0)
            list->slots[find_slot(list, list->texts + old[i] - 1)] = old[i];
    free(old);
    return 0;
}

static int reserve_wildcard(struct pattern_list *list)
{
    size_t size = list->wildcard_size == 0 ? WILDCARDS_FIRST : list->wildcard_size * 2;
    size_t *wildcards;

    if (list->wildcard_count < list->wildcard_size)
        return 0;
    wildcards = reallocarray(list->wildcards, size, sizeof(*wildcards));
    if (wildcards == NULL)
        return -1;
    list->wildcards = wildcards;
    list->wildcard_size = size;
    return 0;
}

/* Makes room for a text of `length` octets and its NUL. */
static int reserve_text(struct pattern_list *list, size_t length)
{
    size_t size = list->texts_size == 0 ? TEXTS_FIRST_BYTES : list->texts_size;
    char *texts;

    if (length < list->texts_size - list->texts_used)
        return 0;
    while (size - list->texts_used <= length)
        size *= 2;
    texts = realloc(list->texts, size);
    if (texts == NULL)
        return -1;
    list->texts = texts;
    list->texts_size = size;
    return 0;
}

static bool is_entry(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (octet_is_control(text[i]) || text[i] == ' ')
            return false;
    return length > 0;
}

static int add(struct pattern_list *list, const char *text, size_t length)
{
    char *entry;
    size_t i;

    if (!is_entry(text, length)) {
        errno = EINVAL;
        return -1;
    }
    if (reserve_text(list, length) < 0 || reserve_slot(list) < 0 || reserve_wildcard(list) < 0) {
        errno = ENOMEM;
        return -1;
    }
    entry = list->texts + list->texts_used;
    for (i = 0; i < length; i++)
        entry[i] = octet_lower(text[i]);
    entry[length] = '\0';
    i = find_slot(list, entry);
    if (list->slots[i] != 0)
        return 0; /* it is in already: the next entry overwrites the copy */
    if (strpbrk(entry, "*?") != NULL)
        list->wildcards[list->wildcard_count++] = list->texts_used;
    list->slots[i] = list->texts_used + 1;
    list->texts_used += length + 1;
    list->count++;
    return 0;
}

int pattern_list_add(struct pattern_list *list, const char *entry)
{
    return add(list, entry, strlen(entry));
}

int pattern_list_add_csv(struct pattern_list *list, const char *csv)
{
    struct list_entry entry;

    while (list_next(&csv, &entry))
        if (add(list, entry.text, entry.length) < 0)
            return -1;
    return 0;
}

bool pattern_list_is_match(const struct pattern_list *list, const char *text)
{
    if (list->slots[find_slot(list, text)] != 0)
        return true;
    for (size_t i = 0; i < list->wildcard_count; i++)
        if (pattern_is_match(list->texts + list->wildcards[i], text))
            return true;
    return false;
}
