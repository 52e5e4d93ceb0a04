/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Both mailboxes are sorted, by UIDL and then by octets, and gone through side by side.
 */
#include "compare/compare_result.h"

#include <stdlib.h>
#include <string.h>

/* Messages, sorted; those without a partner are moved to the front. */
struct side {
    const struct compare_message **list;
    size_t count;
};

typedef int compare_order(const struct compare_message *a, const struct compare_message *b);

static int by_uidl(const struct compare_message *a, const struct compare_message *b)
{
    return strcmp(a->uidl, b->uidl);
}

static int by_octets(const struct compare_message *a, const struct compare_message *b)
{
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    return 0;
}

static int sort_by_uidl(const void *a, const void *b)
{
    return by_uidl(*(const struct compare_message *const *)a,
                   *(const struct compare_message *const *)b);
}

static int sort_by_octets(const void *a, const void *b)
{
    return by_octets(*(const struct compare_message *const *)a,
                     *(const struct compare_message *const *)b);
}

static bool fill(struct side *side, const struct compare_mailbox *mailbox)
{
    side->list = malloc((mailbox->count + 1) * sizeof(*side->list));
    side->count = mailbox->count;
    for (size_t i = 0; side->list != NULL && i < mailbox->count; i++)
        side->list[i] = &mailbox->messages[i];
    return side->list != NULL;
}

static bool differ(const struct compare_message *a, const struct compare_message *b,
                   bool with_hashes)
{
    return with_hashes ? a->hash != b->hash : a->octets != b->octets;
}

/* Pairs what is equal in both sorted lists, and leaves the others. Returns the number of pairs, and
 * in *changed_r how many of them are not the same message. */
static uint64_t pair_off(struct side *old, struct side *new, compare_order *order, bool with_hashes,
                         uint64_t *changed_r)
{
    size_t i = 0, j = 0, old_left = 0, new_left = 0;
    uint64_t pairs = 0;

    while (i < old->count && j < new->count) {
        int sign = order(old->list[i], new->list[j]);

        if (sign < 0) {
            old->list[old_left++] = old->list[i++];
        } else if (sign > 0) {
            new->list[new_left++] = new->list[j++];
        } else {
            pairs++;
            *changed_r += differ(old->list[i++], new->list[j++], with_hashes);
        }
    }
    while (i < old->count)
        old->list[old_left++] = old->list[i++];
    while (j < new->count)
        new->list[new_left++] = new->list[j++];
    old->count = old_left;
    new->count = new_left;
    return pairs;
}

static void sort(struct side *side, int (*order)(const void *, const void *))
{
    qsort(side->list, side->count, sizeof(*side->list), order);
}

static uint64_t pair_renamed(struct side *old, struct side *new, bool with_hashes)
{
    uint64_t changed = 0;

    if (!with_hashes)
        return old->count < new->count ? old->count : new->count;
    sort(old, sort_by_octets);
    sort(new, sort_by_octets);
    return pair_off(old, new, by_octets, true, &changed);
}

bool compare_result_find(struct compare_result *result, const struct compare_mailbox *old,
                         const struct compare_mailbox *new, bool with_hashes)
{
    struct side olds = {0}, news = {0};
    bool is_done = fill(&olds, old) && fill(&news, new);

    *result = (struct compare_result){0};
    if (is_done) {
        sort(&olds, sort_by_uidl);
        sort(&news, sort_by_uidl);
        result->same = pair_off(&olds, &news, by_uidl, with_hashes, &result->changed);
        result->again = pair_renamed(&olds, &news, with_hashes);
        result->lost = old->count - result->same - result->again;
        result->added = new->count - result->same - result->again;
    }
    free(olds.list);
    free(news.list);
    return is_done;
}

bool compare_result_is_same(const struct compare_result *result)
{
    return result->changed + result->again + result->lost + result->added == 0;
}

bool compare_result_is_all_again(const struct compare_result *result)
{
    return result->same == 0 && result->again > 0;
}
