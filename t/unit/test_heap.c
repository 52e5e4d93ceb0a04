/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The binary heap, compared with a search through all items.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/heap.h"

enum { ITEMS = 200, STEPS = 20000 };

struct thing {
    int rank;
    struct heap_item item;
};

static struct thing *thing_of(const struct heap_item *item)
{
    return HEAP_OWNER(item, struct thing, item);
}

static bool is_before(const struct heap_item *a, const struct heap_item *b)
{
    return thing_of(a)->rank < thing_of(b)->rank;
}

static int first_rank(const struct heap *heap)
{
    const struct heap_item *first = heap_first(heap);

    return first == NULL ? -1 : thing_of(first)->rank;
}

/* The lowest rank in the heap; -1: it is empty. */
static int lowest(const struct thing *things, size_t *count_r)
{
    int rank = -1;

    *count_r = 0;
    for (int i = 0; i < ITEMS; i++) {
        if (!heap_has(&things[i].item))
            continue;
        (*count_r)++;
        if (rank == -1 || things[i].rank < rank)
            rank = things[i].rank;
    }
    return rank;
}

static void test_against_search(void **state)
{
    static struct thing things[ITEMS];
    struct heap heap = {.is_before = is_before};

    (void)state;
    srand(1);
    assert_true(heap_reserve(&heap, ITEMS));
    for (int step = 0; step < STEPS; step++) {
        struct thing *thing = &things[rand() % ITEMS];
        size_t count;

        if (rand() % 3 == 0) {
            heap_remove(&heap, &thing->item);
            assert_false(heap_has(&thing->item));
        } else {
            thing->rank = rand() % 50;
            heap_put(&heap, &thing->item);
        }
        assert_int_equal(first_rank(&heap), lowest(things, &count));
        assert_int_equal(heap.count, count);
    }
    heap_free(&heap);
}

static void test_growth(void **state)
{
    static struct thing things[ITEMS];
    struct heap heap = {.is_before = is_before};

    (void)state;
    assert_null(heap_first(&heap));
    for (int i = 0; i < ITEMS; i++) {
        things[i] = (struct thing){.rank = ITEMS - i};
        assert_true(heap_reserve(&heap, heap.count + 1));
        heap_put(&heap, &things[i].item);
    }
    for (int i = 1; i <= ITEMS; i++) {
        assert_int_equal(first_rank(&heap), i);
        heap_remove(&heap, heap_first(&heap));
    }
    assert_null(heap_first(&heap));
    heap_free(&heap);
    assert_true(heap_reserve(&heap, 1)); /* and can be used again */
    heap_put(&heap, &things[0].item);
    assert_ptr_equal(heap_first(&heap), &things[0].item);
    heap_free(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_search),
        cmocka_unit_test(test_growth),
    };

    return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
