/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz target for the replies of a socketmap server: the input is what a server sends. Besides
 * memory errors it checks that a netstring is the same however it is cut on the way, that its
 * length is the one it says, and that each reply is answered once, with nothing that no session may
 * use.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answers.h"
#include "route/route_socketmap.h"

/* Not assert(): these checks remain with NDEBUG. */
#define CHECK(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of the octets before the end of a netstring none is an end, and none is a mistake. */
static void check_cut(const char *data, size_t taken)
{
    size_t step = taken > 64 ? taken / 16 : 1;
    const char *text;
    size_t length;

    for (size_t cut = 0; cut < taken; cut += step)
        CHECK(route_netstring_read(data, cut, &text, &length) == 0);
    CHECK(route_netstring_read(data, taken - 1, &text, &length) == 0);
}

static void check_netstring(const char *data, size_t taken, const char *text, size_t length)
{
    char prefix[32];
    size_t written = (size_t)snprintf(prefix, sizeof(prefix), "%zu:", length);

    CHECK(taken == written + length + 1 && memcmp(data, prefix, written) == 0);
    CHECK(text == data + written && text[length] == ',');
    check_cut(data, taken);
}

static void check_result(const char *text, size_t length, const struct route_answer *answer)
{
    if (length >= 2 && memcmp(text, "OK", 2) == 0)
        CHECK(answer->result != ROUTE_NOT_FOUND);
    else if (length >= 4 && memcmp(text, "PERM", 4) == 0)
        CHECK(answer->result == ROUTE_REFUSED || answer->result == ROUTE_FAILED);
    else if (length >= 8 && memcmp(text, "NOTFOUND", 8) == 0)
        CHECK(answer->result == ROUTE_NOT_FOUND || answer->result == ROUTE_FAILED);
    else
        CHECK(answer->result == ROUTE_FAILED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *at = (const char *)data;
    size_t left = size;
    const char *text;
    size_t length;
    ssize_t taken;

    while (left > 0 && (taken = route_netstring_read(at, left, &text, &length)) > 0) {
        static struct answers_seen seen;

        seen.count = 0;
        check_netstring(at, (size_t)taken, text, length);
        route_socketmap_answer(text, length, answers_note, &seen);
        CHECK(seen.count == 1);
        check_result(text, length, &seen.answer);
        at += taken;
        left -= (size_t)taken;
    }
    return 0;
}
