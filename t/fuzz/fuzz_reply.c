/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz target for the server's replies. The first octet says how the rest is cut into pieces; the
 * rest is read as a status line and as the body of a multi-line reply. Both are compared with the
 * reference, which does not depend on the cuts.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "reference.h"

/* Not assert(): these checks remain with NDEBUG. */
#define CHECK(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- status lines ---- */

static void check_clean(const char *line, size_t length)
{
    char copy[REPLY_LINE_BYTES];

    memcpy(copy, line, length);
    reply_clean(copy, length);
    CHECK(memcmp(copy + length - 2, "\r\n", 2) == 0);
    for (size_t i = 0; i + 2 < length; i++) {
        bool is_control = (uint8_t)line[i] < 0x20 || line[i] == 0x7f;
        CHECK(copy[i] == (is_control ? '?' : line[i]));
    }
}

static void fuzz_status(const char *data, size_t size)
{
    size_t most = size < REPLY_LINE_BYTES + 8 ? size : REPLY_LINE_BYTES + 8;
    bool is_decided = false;

    for (size_t length = 0; length <= most; length++) {
        size_t line_length, slow_length;
        enum reply_status status = reply_parse(data, length, &line_length);
        enum reply_status slow = reference_status(data, length, &slow_length);

        /* A malformed line may be refused later, but before the limit and before its end. */
        CHECK(status == slow || (status == REPLY_INCOMPLETE && slow == REPLY_INVALID &&
                                 length < REPLY_LINE_BYTES && memchr(data, '\n', length) == NULL));
        CHECK(!is_decided || status != REPLY_INCOMPLETE);
        is_decided = status != REPLY_INCOMPLETE;
        if (status != REPLY_OK && status != REPLY_ERR)
            continue;
        CHECK(line_length == slow_length);
        CHECK(!reply_has_code(data, line_length) || status == REPLY_ERR);
        check_clean(data, line_length);
    }
}

/* ---- the end of a multi-line reply ---- */

/* The pieces' sizes: all at once, octet by octet, or a mixture that the seed decides. */
static size_t next_piece(uint8_t how, uint32_t *state, size_t left)
{
    size_t piece;

    if (how == 0)
        return left;
    if (how == 1)
        return 1;
    *state = *state * 1664525 + 1013904223;
    piece = (*state >> 24) % (how < 128 ? 8 : 200) + 1;
    return piece < left ? piece : left;
}

static void fuzz_end(uint8_t how, const char *data, size_t size)
{
    size_t end_at = reference_end(data, size);
    uint32_t state = how;
    size_t at = 0;
    struct reply_end end;
    bool is_end = false;

    reply_end_init(&end);
    while (at < size && !is_end) {
        size_t piece = next_piece(how, &state, size - at);
        /* A block of its own: a read beyond the piece is seen. */
        char *copy = malloc(piece);
        size_t used;

        if (copy == NULL)
            return;
        memcpy(copy, data + at, piece);
        used = reply_end_scan(&end, copy, piece, &is_end);
        free(copy);
        CHECK(used <= piece && (is_end || used == piece));
        at += used;
        CHECK(reply_end_is_loose(&end) ==
              (at >= 4 && memcmp(data + at - 4, "\n.\r\n", 4) == 0));
    }
    CHECK(is_end == (end_at > 0));
    CHECK(!is_end || at == end_at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data + 1;

    if (size < 1)
        return 0;
    fuzz_status(text, size - 1);
    fuzz_end(data[0], text, size - 1);
    fuzz_end(0, text, size - 1);
    fuzz_end(1, text, size - 1);
    return 0;
}
