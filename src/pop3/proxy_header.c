/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parses and builds PROXY protocol headers. The octets come from a peer of which nothing is known
 * yet, so no length in them is trusted and no state is kept. The caller decides who may send a
 * header.
 */
#include "pop3/proxy_header.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/octet.h"

static const uint8_t v2_signature[12] = "\r\n\r\n\0\r\nQUIT\n";

enum {
    V1_MIN = 15, /* "PROXY UNKNOWN\r\n", the shortest header of all */
    V1_FIELDS = 4,
    V1_FIELD_SIZE = INET6_ADDRSTRLEN,
    V2_FIXED_LENGTH = 16,
    V2_LOCAL = 0x20, /* version 2 in the upper half, the command in the lower */
    V2_PROXY = 0x21,
    V2_TCP4 = 0x11,
    V2_TCP6 = 0x21,
    V2_FAMILY_UNSPEC = 0x0,
    V2_FAMILY_INET = 0x1,
    V2_FAMILY_INET6 = 0x2,
    V2_FAMILY_UNIX = 0x3,
    V2_PROTOCOL_DGRAM = 0x2, /* the last one known */
    V2_TLV_HEAD = 3,
    V2_TYPE_AUTHORITY = 0x02,
    V2_TYPE_UNIQUE_ID = 0x05,
    V2_TYPE_SSL = 0x20,
    V2_SUBTYPE_SSL_VERSION = 0x21,
    V2_SSL_HEAD = 5, /* the client octet and the verify word */
    V2_CLIENT_SSL = 0x01,
    V2_TLS_VERSION_MAX = 32,
    V2_AUTHORITY_MAX = 255,
    V2_UNIQUE_ID_MAX = 128,
};

/* `ip` and `port` are in network byte order, as in a header. */
static void set_address(struct address *address, int family, const void *ip, const void *port)
{
    memset(address, 0, sizeof(*address));
    address->sa.sa_family = (sa_family_t)family;
    if (family == AF_INET) {
        memcpy(&address->in4.sin_addr, ip, sizeof(address->in4.sin_addr));
        memcpy(&address->in4.sin_port, port, sizeof(address->in4.sin_port));
        address->length = sizeof(address->in4);
        return;
    }
    memcpy(&address->in6.sin6_addr, ip, sizeof(address->in6.sin6_addr));
    memcpy(&address->in6.sin6_port, port, sizeof(address->in6.sin6_port));
    address->length = sizeof(address->in6);
    address_unmap(address);
}

/* ---- version 1 ---- */

struct v1_head {
    const char *text;
    int family;
};

static const struct v1_head v1_heads[] = {
    {"PROXY TCP4 ", AF_INET},
    {"PROXY TCP6 ", AF_INET6},
    {"PROXY UNKNOWN", AF_UNSPEC},
};

enum {
    V1_HEADS = sizeof(v1_heads) / sizeof(v1_heads[0]),
};

/* The length of the shortest text that a field may have: fields 0 and 1 are addresses, 2 and 3
 * ports. */
static size_t v1_shortest(int family, unsigned field)
{
    if (field >= 2)
        return 1;
    return family == AF_INET ? strlen("0.0.0.0") : strlen("::");
}

/* How many octets the line certainly still needs, if its head is followed by `rest` so far. */
static size_t v1_missing_after_head(int family, const char *rest, size_t length)
{
    unsigned field = 0;
    size_t open = 0; /* octets of the field that no blank has ended yet */
    size_t missing = 2;

    if (length > 0 && rest[length - 1] == '\r')
        return 1;
    for (size_t i = 0; i < length; i++) {
        open = rest[i] == ' ' ? 0 : open + 1;
        field += rest[i] == ' ';
    }
    if (family == AF_UNSPEC || field >= V1_FIELDS)
        return missing;
    if (v1_shortest(family, field) > open)
        missing += v1_shortest(family, field) - open;
    while (++field < V1_FIELDS)
        missing += 1 + v1_shortest(family, field);
    return missing;
}

/* Parses a line without its end: MALFORMED if it cannot become a header, else MORE. */
static enum proxy_header_result v1_parse_open(struct proxy_header *header, const char *line,
                                              size_t length)
{
    size_t least = PROXY_HEADER_V1_MAX + 1;

    for (size_t i = 0; i < V1_HEADS; i++) {
        const struct v1_head *head = &v1_heads[i];
        size_t head_length = strlen(head->text);
        size_t seen = length < head_length ? length : head_length;
        size_t missing;

        if (memcmp(line, head->text, seen) != 0)
            continue;
        missing =
            head_length - seen + v1_missing_after_head(head->family, line + seen, length - seen);
        if (missing < least)
            least = missing;
    }
    if (length + least > PROXY_HEADER_V1_MAX)
        return PROXY_HEADER_MALFORMED;
    header->more = least;
    return PROXY_HEADER_MORE;
}

/* Takes the text up to the next blank, or to the end for the last field. */
static bool v1_take_field(const char **at, const char *end, bool is_last, char field[V1_FIELD_SIZE])
{
    const char *stop = memchr(*at, ' ', (size_t)(end - *at));
    size_t length;

    if ((stop == NULL) != is_last)
        return false;
    if (stop == NULL)
        stop = end;
    length = (size_t)(stop - *at);
    if (length >= V1_FIELD_SIZE)
        return false;
    memcpy(field, *at, length);
    field[length] = '\0';
    *at = is_last ? end : stop + 1;
    return true;
}

/* *port_r is in network byte order. */
static bool v1_parse_port(const char *text, uint16_t *port_r)
{
    unsigned value = 0;
    size_t length = 0;

    for (; length < 5 && octet_is_digit(text[length]); length++)
        value = value * 10 + (unsigned)(text[length] - '0');
    if (length == 0 || text[length] != '\0' || (length > 1 && text[0] == '0') || value > UINT16_MAX)
        return false;
    *port_r = htons((uint16_t)value);
    return true;
}

static bool v1_parse_addresses(struct proxy_header *header, int family, const char *at,
                               const char *end)
{
    char fields[V1_FIELDS][V1_FIELD_SIZE];
    struct in6_addr source, destination; /* room for either family */
    uint16_t source_port, destination_port;

    for (unsigned i = 0; i < V1_FIELDS; i++)
        if (!v1_take_field(&at, end, i == V1_FIELDS - 1, fields[i]))
            return false;
    if (inet_pton(family, fields[0], &source) != 1 ||
        inet_pton(family, fields[1], &destination) != 1 ||
        !v1_parse_port(fields[2], &source_port) || !v1_parse_port(fields[3], &destination_port))
        return false;
    set_address(&header->source, family, &source, &source_port);
    set_address(&header->destination, family, &destination, &destination_port);
    header->has_addresses = true;
    return true;
}

/* Parses a whole line; its CRLF stands at `end`. */
static bool v1_parse_closed(struct proxy_header *header, const char *line, const char *end)
{
    for (size_t i = 0; i < V1_HEADS; i++) {
        const struct v1_head *head = &v1_heads[i];
        size_t head_length = strlen(head->text);
        const char *rest = line + head_length;

        if ((size_t)(end - line) < head_length || memcmp(line, head->text, head_length) != 0)
            continue;
        if (head->family == AF_UNSPEC)
            return rest == end || *rest == ' ';
        return v1_parse_addresses(header, head->family, rest, end);
    }
    return false;
}

/* Finds the CRLF; *end_r is NULL if it has not come yet. Returns false for an octet that may not be
 * in a line: one that is not printable ASCII, or a CR or LF alone. */
static bool v1_scan(const char *line, size_t length, const char **end_r)
{
    *end_r = NULL;
    for (size_t i = 0; i < length; i++) {
        if (line[i] == '\r') {
            if (i + 1 == length)
                return true;
            *end_r = line + i;
            return line[i + 1] == '\n';
        }
        if (!octet_is_printable(line[i]))
            return false;
    }
    return true;
}

static enum proxy_header_result v1_parse(struct proxy_header *header, const char *line,
                                         size_t length)
{
    const char *end;

    if (length > PROXY_HEADER_V1_MAX)
        length = PROXY_HEADER_V1_MAX; /* octets after it cannot belong to the header */
    if (!v1_scan(line, length, &end))
        return PROXY_HEADER_MALFORMED;
    if (end == NULL)
        return v1_parse_open(header, line, length);
    if (!v1_parse_closed(header, line, end))
        return PROXY_HEADER_MALFORMED;
    header->version = 1;
    header->length = (size_t)(end - line) + 2;
    return PROXY_HEADER_COMPLETE;
}

/* ---- version 2 ---- */

static bool v2_is_known(unsigned family, unsigned protocol)
{
    return family <= V2_FAMILY_UNIX && protocol <= V2_PROTOCOL_DGRAM;
}

/* The octets that the addresses of a family take up at the beginning of the block. */
static size_t v2_addresses_length(unsigned family)
{
    switch (family) {
    case V2_FAMILY_INET:
        return 2 * 4 + 2 * 2;
    case V2_FAMILY_INET6:
        return 2 * 16 + 2 * 2;
    case V2_FAMILY_UNIX:
        return 2 * 108;
    default:
        return 0;
    }
}

static bool v2_tlvs_fit(const uint8_t *at, size_t left)
{
    while (left > 0) {
        size_t length;

        if (left < V2_TLV_HEAD)
            return false;
        length = V2_TLV_HEAD + ((size_t)at[1] << 8 | at[2]);
        if (length > left)
            return false;
        at += length;
        left -= length;
    }
    return true;
}

static void v2_take_addresses(struct proxy_header *header, int family, const uint8_t *block)
{
    size_t ip = family == AF_INET ? 4 : 16;

    set_address(&header->source, family, block, block + 2 * ip);
    set_address(&header->destination, family, block + ip, block + 2 * ip + 2);
    header->has_addresses = true;
}

/* The command PROXY: `block` is what follows the fixed part. */
static bool v2_parse_block(struct proxy_header *header, uint8_t kind, const uint8_t *block,
                           size_t length)
{
    unsigned family = kind >> 4;
    size_t addresses = v2_addresses_length(family);

    if (family == V2_FAMILY_UNSPEC)
        return true;
    if (length < addresses || !v2_tlvs_fit(block + addresses, length - addresses))
        return false;
    if (kind == V2_TCP4)
        v2_take_addresses(header, AF_INET, block);
    else if (kind == V2_TCP6)
        v2_take_addresses(header, AF_INET6, block);
    return true;
}

/* Checks as much of the fixed part as has come, at least one octet. */
static bool v2_is_head(const uint8_t *data, size_t length)
{
    size_t seen = length < sizeof(v2_signature) ? length : sizeof(v2_signature);

    if (memcmp(data, v2_signature, seen) != 0)
        return false;
    if (length > 12 && data[12] != V2_LOCAL && data[12] != V2_PROXY)
        return false;
    /* The receiver ignores the family of LOCAL. */
    return length <= 13 || data[12] == V2_LOCAL || v2_is_known(data[13] >> 4, data[13] & 15);
}

static enum proxy_header_result v2_parse(struct proxy_header *header, const uint8_t *data,
                                         size_t length)
{
    size_t block_length;

    if (!v2_is_head(data, length))
        return PROXY_HEADER_MALFORMED;
    if (length < V2_FIXED_LENGTH) {
        header->more = V2_FIXED_LENGTH - length;
        return PROXY_HEADER_MORE;
    }
    block_length = (size_t)data[14] << 8 | data[15];
    if (V2_FIXED_LENGTH + block_length > PROXY_HEADER_MAX)
        return PROXY_HEADER_MALFORMED;
    if (length < V2_FIXED_LENGTH + block_length) {
        header->more = V2_FIXED_LENGTH + block_length - length;
        return PROXY_HEADER_MORE;
    }
    if (data[12] == V2_PROXY &&
        !v2_parse_block(header, data[13], data + V2_FIXED_LENGTH, block_length))
        return PROXY_HEADER_MALFORMED;
    header->version = 2;
    header->length = V2_FIXED_LENGTH + block_length;
    return PROXY_HEADER_COMPLETE;
}

bool proxy_header_is_v2(const void *data, size_t length)
{
    return length >= sizeof(v2_signature) && memcmp(data, v2_signature, sizeof(v2_signature)) == 0;
}

enum proxy_header_result proxy_header_parse(struct proxy_header *header,
                                            enum proxy_header_accept accept, const void *data,
                                            size_t length)
{
    const uint8_t *octets = data;

    memset(header, 0, sizeof(*header));
    if (length == 0) {
        header->more = accept == PROXY_HEADER_ACCEPT_V2 ? V2_FIXED_LENGTH : V1_MIN;
        return PROXY_HEADER_MORE;
    }
    /* The first octet tells the versions apart. */
    if (octets[0] == v2_signature[0])
        return accept == PROXY_HEADER_ACCEPT_V1 ? PROXY_HEADER_MALFORMED
                                                : v2_parse(header, octets, length);
    return accept == PROXY_HEADER_ACCEPT_V2 ? PROXY_HEADER_MALFORMED
                                            : v1_parse(header, data, length);
}

/* ---- building ---- */

static void map_to_v6(struct address *address)
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
    struct in_addr v4 = address->in4.sin_addr;
    in_port_t port = address->in4.sin_port;

    memset(address, 0, sizeof(*address));
    address->in6.sin6_family = AF_INET6;
    memcpy(address->in6.sin6_addr.s6_addr, prefix, sizeof(prefix));
    memcpy(address->in6.sin6_addr.s6_addr + sizeof(prefix), &v4, sizeof(v4));
    address->in6.sin6_port = port;
    address->length = sizeof(address->in6);
}

static bool is_ip(const struct address *address)
{
    return address->sa.sa_family == AF_INET || address->sa.sa_family == AF_INET6;
}

/* Copies the two addresses, converted to one family where they differ. Returns that family, or
 * AF_UNSPEC if one is not an IP address. */
static int match_families(struct address pair[2], const struct address *source,
                          const struct address *destination)
{
    pair[0] = *source;
    pair[1] = *destination;
    if (!is_ip(source) || !is_ip(destination))
        return AF_UNSPEC;
    address_unmap(&pair[0]);
    address_unmap(&pair[1]);
    if (pair[0].sa.sa_family != pair[1].sa.sa_family)
        map_to_v6(pair[0].sa.sa_family == AF_INET ? &pair[0] : &pair[1]);
    return pair[0].sa.sa_family;
}

static const void *ip_octets(const struct address *address)
{
    if (address->sa.sa_family == AF_INET)
        return &address->in4.sin_addr;
    return &address->in6.sin6_addr;
}

size_t proxy_header_build_v1(char *line, size_t size, const struct address *source,
                             const struct address *destination)
{
    struct address pair[2];
    char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
    int family = match_families(pair, source, destination);
    int length;

    if (family == AF_UNSPEC)
        length = snprintf(line, size, "PROXY UNKNOWN\r\n");
    else if (inet_ntop(family, ip_octets(&pair[0]), from, sizeof(from)) == NULL ||
             inet_ntop(family, ip_octets(&pair[1]), to, sizeof(to)) == NULL)
        return 0;
    else
        length =
            snprintf(line, size, "PROXY TCP%c %s %s %u %u\r\n", family == AF_INET ? '4' : '6', from,
                     to, (unsigned)address_port(source), (unsigned)address_port(destination));
    return length > 0 && (size_t)length < size ? (size_t)length : 0;
}

/* A header under construction. It has room for the largest header and is copied out at the end, so
 * that the size is checked once. */
struct v2_builder {
    uint8_t data[PROXY_HEADER_BUILD_MAX];
    size_t length;
};

static void v2_put(struct v2_builder *builder, const void *data, size_t length)
{
    memcpy(builder->data + builder->length, data, length);
    builder->length += length;
}

static void v2_put_tlv_head(struct v2_builder *builder, uint8_t type, size_t length)
{
    uint8_t head[V2_TLV_HEAD] = {type, (uint8_t)(length >> 8), (uint8_t)length};

    v2_put(builder, head, sizeof(head));
}

static bool is_set(const char *text)
{
    return text != NULL && *text != '\0';
}

static bool v2_put_text(struct v2_builder *builder, uint8_t type, const char *text, size_t max)
{
    if (!is_set(text))
        return true;
    if (strlen(text) > max)
        return false;
    v2_put_tlv_head(builder, type, strlen(text));
    v2_put(builder, text, strlen(text));
    return true;
}

static bool v2_put_ssl(struct v2_builder *builder, const char *version)
{
    /* verify = 0 would say that the client's certificate was checked. We never claim that. */
    static const uint8_t client_and_verify[V2_SSL_HEAD] = {V2_CLIENT_SSL, 0, 0, 0, 1};
    size_t length = V2_SSL_HEAD;

    if (is_set(version))
        length += V2_TLV_HEAD + strlen(version);
    v2_put_tlv_head(builder, V2_TYPE_SSL, length);
    v2_put(builder, client_and_verify, sizeof(client_and_verify));
    return v2_put_text(builder, V2_SUBTYPE_SSL_VERSION, version, V2_TLS_VERSION_MAX);
}

static bool v2_put_extras(struct v2_builder *builder, const struct proxy_header_extras *extras)
{
    if (extras == NULL)
        return true;
    if (extras->is_tls && !v2_put_ssl(builder, extras->tls_version))
        return false;
    return v2_put_text(builder, V2_TYPE_AUTHORITY, extras->server_name, V2_AUTHORITY_MAX) &&
           v2_put_text(builder, V2_TYPE_UNIQUE_ID, extras->session, V2_UNIQUE_ID_MAX);
}

static void v2_put_addresses(struct v2_builder *builder, const struct address pair[2], int family)
{
    size_t ip = family == AF_INET ? 4 : 16;

    for (unsigned i = 0; i < 2; i++)
        v2_put(builder, ip_octets(&pair[i]), ip);
    for (unsigned i = 0; i < 2; i++) {
        uint16_t port = htons(address_port(&pair[i]));

        v2_put(builder, &port, sizeof(port));
    }
}

size_t proxy_header_build_v2(void *data, size_t size, const struct address *source,
                             const struct address *destination,
                             const struct proxy_header_extras *extras)
{
    struct v2_builder builder = {.length = V2_FIXED_LENGTH};
    struct address pair[2];
    int family = match_families(pair, source, destination);
    size_t block_length;

    memcpy(builder.data, v2_signature, sizeof(v2_signature));
    builder.data[12] = V2_LOCAL;
    if (family != AF_UNSPEC) {
        builder.data[12] = V2_PROXY;
        builder.data[13] = family == AF_INET ? V2_TCP4 : V2_TCP6;
        v2_put_addresses(&builder, pair, family);
        if (!v2_put_extras(&builder, extras))
            return 0;
    }
    block_length = builder.length - V2_FIXED_LENGTH;
    builder.data[14] = (uint8_t)(block_length >> 8);
    builder.data[15] = (uint8_t)block_length;
    if (builder.length > size)
        return 0;
    memcpy(data, builder.data, builder.length);
    return builder.length;
}
