/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cuts lists at their separators.
 */
#include "base/list.h"

#include <string.h>

#include "base/octet.h"

bool list_next(const char **list, struct list_entry *entry)
{
    const char *from = *list;
    size_t length;

    if (from == NULL)
        return false;
    length = strcspn(from, ",");
    *list = from[length] == ',' ? from + length + 1 : NULL;
    for (; length > 0 && octet_is_blank(*from); length--)
        from++;
    while (length > 0 && octet_is_blank(from[length - 1]))
        length--;
    *entry = (struct list_entry){.text = from, .length = length};
    return true;
}

bool list_next_word(const char **list, const char *separators, struct list_entry *entry)
{
    const char *from = *list + strspn(*list, separators);

    *entry = (struct list_entry){.text = from, .length = strcspn(from, separators)};
    *list = from + entry->length;
    return entry->length > 0;
}

size_t list_length(const char *list)
{
    struct list_entry entry;
    size_t count = 0;

    while (list_next(&list, &entry))
        count++;
    return count;
}

bool list_copy(char *to, size_t size, const struct list_entry *entry)
{
    bool fits = entry->length < size;
    size_t length = fits ? entry->length : 0;

    memcpy(to, entry->text, length);
    to[length] = '\0';
    return fits;
}
