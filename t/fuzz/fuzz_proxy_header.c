/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz target for the PROXY protocol header. Besides memory errors it checks that `more` never
 * reaches beyond the header, that the result does not depend on how the octets arrive, and that
 * addresses survive being written and read again.
 */
#include "pop3/proxy_header.h"

#include <stdlib.h>
#include <string.h>

/* Not assert(): these checks remain with NDEBUG. */
#define CHECK(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads like a reader that trusts `more`. What it reads is given in a copy of exactly its size,
 * so that the parser cannot see further. */
static enum proxy_header_result read_by_more(struct proxy_header *header,
                                             enum proxy_header_accept accept, const uint8_t *data,
                                             size_t size, size_t *length_r)
{
    size_t length = 0;

    for (;;) {
        uint8_t *copy = malloc(length + 1);
        enum proxy_header_result result;

        CHECK(copy != NULL);
        memcpy(copy, data, length);
        result = proxy_header_parse(header, accept, copy, length);
        free(copy);
        *length_r = length;
        if (result != PROXY_HEADER_MORE)
            return result;
        CHECK(header->more > 0 && length + header->more <= PROXY_HEADER_MAX);
        if (header->more > size - length)
            return PROXY_HEADER_MORE;
        length += header->more;
    }
}

static void write_and_read(const struct proxy_header *header)
{
    uint8_t data[PROXY_HEADER_BUILD_MAX];
    char line[PROXY_HEADER_V1_MAX + 1];
    struct proxy_header again;
    size_t length =
        proxy_header_build_v1(line, sizeof(line), &header->source, &header->destination);

    CHECK(length > 0);
    CHECK(proxy_header_parse(&again, PROXY_HEADER_ACCEPT_V1, line, length) ==
          PROXY_HEADER_COMPLETE);
    CHECK(again.length == length && again.has_addresses);
    CHECK(address_is_equal(&again.source, &header->source));
    CHECK(address_is_equal(&again.destination, &header->destination));
    length = proxy_header_build_v2(data, sizeof(data), &header->source, &header->destination, NULL);
    CHECK(length > 0);
    CHECK(proxy_header_parse(&again, PROXY_HEADER_ACCEPT_V2, data, length) ==
          PROXY_HEADER_COMPLETE);
    CHECK(again.length == length && again.has_addresses);
    CHECK(address_is_equal(&again.source, &header->source));
    CHECK(address_is_equal(&again.destination, &header->destination));
}

static void fuzz_accept(enum proxy_header_accept accept, const uint8_t *data, size_t size)
{
    struct proxy_header header, slow;
    enum proxy_header_result result = proxy_header_parse(&header, accept, data, size);
    size_t length;
    enum proxy_header_result slow_result = read_by_more(&slow, accept, data, size, &length);

    /* The slow reader may stop short of a header that is malformed further on, never the other
     * way round. */
    if (slow_result == PROXY_HEADER_MALFORMED)
        CHECK(result == PROXY_HEADER_MALFORMED);
    if (slow_result == PROXY_HEADER_MORE)
        CHECK(result != PROXY_HEADER_COMPLETE);
    CHECK((result == PROXY_HEADER_COMPLETE) == (slow_result == PROXY_HEADER_COMPLETE));
    if (result != PROXY_HEADER_COMPLETE) {
        CHECK(header.length == 0);
        return;
    }
    CHECK(header.length == length && slow.length == length && length <= size);
    CHECK(header.has_addresses == slow.has_addresses);
    CHECK(header.version == 1 || header.version == 2);
    CHECK(header.version != 1 || header.length <= PROXY_HEADER_V1_MAX);
    if (header.has_addresses)
        write_and_read(&header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t nothing[1];

    if (data == NULL)
        data = nothing;
    fuzz_accept(PROXY_HEADER_ACCEPT_EITHER, data, size);
    fuzz_accept(PROXY_HEADER_ACCEPT_V1, data, size);
    fuzz_accept(PROXY_HEADER_ACCEPT_V2, data, size);
    return 0;
}
