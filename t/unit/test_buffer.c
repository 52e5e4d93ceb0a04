/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Byte queues: octets come out as they went in, the limit holds, blocks return to the pool, and no
 * secret remains in memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"

static void test_queue(void **state)
{
    struct buffer buffer = {0};

    (void)state;
    assert_int_equal(buffer_length(&buffer), 0);
    assert_true(buffer_append(&buffer, "", 0));
    assert_null(buffer.block);
    assert_true(buffer_append(&buffer, "abc", 3));
    assert_true(buffer_append(&buffer, "de", 2));
    assert_int_equal(buffer_length(&buffer), 5);
    assert_memory_equal(buffer_data(&buffer), "abcde", 5);
    buffer_consume(&buffer, 2);
    buffer_consume(&buffer, 0);
    assert_memory_equal(buffer_data(&buffer), "cde", 3);
    buffer_consume(&buffer, 3);
    assert_int_equal(buffer_length(&buffer), 0);
    assert_null(buffer.block); /* nothing held, no memory held */
    buffer_consume(&buffer, 0);
    buffer_clear(&buffer);
}

static void test_limit(void **state)
{
    static char data[BUFFER_BLOCK_BYTES];
    struct buffer buffer = {0};
    size_t room;

    (void)state;
    memset(data, 'x', sizeof(data));
    assert_true(buffer_append(&buffer, data, sizeof(data)));
    assert_false(buffer_append(&buffer, "y", 1)); /* all or nothing */
    assert_int_equal(buffer_length(&buffer), BUFFER_BLOCK_BYTES);
    assert_non_null(buffer_room(&buffer, 1, &room));
    assert_int_equal(room, 0);
    buffer_consume(&buffer, 10);
    assert_false(buffer_append(&buffer, data, 11));
    assert_true(buffer_append(&buffer, "0123456789", 10)); /* the content moves to the front */
    assert_int_equal(buffer_length(&buffer), BUFFER_BLOCK_BYTES);
    assert_memory_equal(buffer_data(&buffer) + BUFFER_BLOCK_BYTES - 10, "0123456789", 10);
    buffer_clear(&buffer);
}

/* Reserved and not used: the block returns to the pool. */
static void test_nothing_added(void **state)
{
    struct buffer buffer = {0};
    size_t room;

    (void)state;
    assert_non_null(buffer_room(&buffer, 100, &room));
    assert_int_equal(room, 100);
    buffer_added(&buffer, 0);
    assert_null(buffer.block);
}

static void test_pool(void **state)
{
    struct buffer first = {0}, second = {0};
    const char *block;

    (void)state;
    assert_true(buffer_append(&first, "a", 1));
    block = first.block;
    buffer_clear(&first);
    assert_true(buffer_append(&second, "b", 1));
    assert_ptr_equal(second.block, block);
    assert_true(buffer_append(&first, "c", 1));
    assert_ptr_not_equal(first.block, block);
    buffer_clear(&first);
    buffer_clear(&second);
    buffer_pool_trim(1);
    buffer_pool_trim(0);
    buffer_pool_trim(0);
    assert_true(buffer_append(&first, "d", 1));
    buffer_clear(&first);
}

static int has_secret(const char *block)
{
    return memmem(block, BUFFER_BLOCK_BYTES, "sesame", 6) != NULL;
}

/* The test reads the block in the pool, where it stays mapped. */
static void test_secret(void **state)
{
    struct buffer buffer = {.is_secret = true};
    static char filler[BUFFER_BLOCK_BYTES - 8];
    const char *block;

    (void)state;
    buffer_pool_trim(0);
    assert_true(buffer_append(&buffer, "go sesame then", 14));
    block = buffer.block;
    buffer_consume(&buffer, 10);
    assert_false(has_secret(block)); /* wiped as it was consumed */
    assert_true(buffer_append(&buffer, "sesame", 6));
    buffer_clear(&buffer);
    assert_false(has_secret(block)); /* and as it was dropped */
    assert_true(buffer_append(&buffer, "open ", 5));
    assert_true(buffer_append(&buffer, "sesame", 6));
    buffer_consume(&buffer, 5);
    assert_true(buffer_append(&buffer, filler, sizeof(filler))); /* moves it */
    assert_ptr_equal(buffer_data(&buffer), block);
    buffer_consume(&buffer, 6);
    assert_false(has_secret(block));
    buffer_clear(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queue),         cmocka_unit_test(test_limit),
        cmocka_unit_test(test_nothing_added), cmocka_unit_test(test_pool),
        cmocka_unit_test(test_secret),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
