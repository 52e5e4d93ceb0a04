/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hash is SipHash-2-4 with a random key of 128 bits that leaves the machine in no form: without
 * it nobody can try names until one has the hash of a line.
 */
#include "base/log_privacy.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/inherit.h"
#include "base/octet.h"

#define PASSED "POP3_PROXY_LOG_KEY_FD" /* the name it is passed under: a pipe with the key */

enum { IPV4_OCTETS = 3, IPV6_OCTETS = 6 }; /* that are kept of an address */

static struct {
    enum log_privacy privacy;
    bool has_key;
    uint64_t key[2];
} state;

/* ---- the key ---- */

static void make_key(void)
{
    if (!state.has_key)
        state.has_key =
            getrandom(state.key, sizeof(state.key), GRND_NONBLOCK) == sizeof(state.key);
}

void log_privacy_set(enum log_privacy privacy)
{
    state.privacy = privacy;
    if (privacy == LOG_PRIVACY_HASHED)
        make_key();
}

void log_privacy_inherit(void)
{
    int fd = inherit_take(PASSED, NULL);

    if (fd == -1)
        return;
    state.has_key = read(fd, state.key, sizeof(state.key)) == sizeof(state.key);
    close(fd);
}

void log_privacy_pass(void)
{
    int ends[2];

    if (!state.has_key || pipe2(ends, O_CLOEXEC | O_NONBLOCK) == -1)
        return;
    if (write(ends[1], state.key, sizeof(state.key)) == sizeof(state.key))
        inherit_pass(PASSED, ends[0], NULL);
    close(ends[1]);
}

/* ---- names ---- */

static uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static void mix(uint64_t v[4], unsigned rounds)
{
    while (rounds-- > 0) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
    }
}

static uint64_t hash_name(const char *name)
{
    uint64_t v[4] = {state.key[0] ^ UINT64_C(0x736f6d6570736575),
                     state.key[1] ^ UINT64_C(0x646f72616e646f6d),
                     state.key[0] ^ UINT64_C(0x6c7967656e657261),
                     state.key[1] ^ UINT64_C(0x7465646279746573)};
    size_t length = strlen(name);
    uint64_t word = 0;

    for (size_t i = 0; i <= length; i++) {
        unsigned char octet = (unsigned char)(i < length ? octet_lower(name[i]) : (char)length);
        unsigned at = i < length ? (unsigned)(i % 8) : 7;

        word |= (uint64_t)octet << (8 * at);
        if (at < 7)
            continue;
        v[3] ^= word;
        mix(v, 2);
        v[0] ^= word;
        word = 0;
    }
    v[2] ^= 0xff;
    mix(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static const char *hide_name(const char *name, char text[LOG_PRIVATE_SIZE])
{
    if (state.has_key)
        snprintf(text, LOG_PRIVATE_SIZE, "~%016llx", (unsigned long long)hash_name(name));
    else
        snprintf(text, LOG_PRIVATE_SIZE, "~"); /* no randomness yet: no name at all */
    return text;
}

/* ---- addresses ---- */

static const char *cut_address(const char *address, char text[LOG_PRIVATE_SIZE])
{
    unsigned char octets[16];
    bool is_ipv4 = inet_pton(AF_INET, address, octets) == 1;
    size_t kept = is_ipv4 ? IPV4_OCTETS : IPV6_OCTETS;
    char network[INET6_ADDRSTRLEN];

    if (!is_ipv4 && inet_pton(AF_INET6, address, octets) != 1)
        return address; /* the path of a UNIX socket, or none */
    memset(octets + kept, 0, sizeof(octets) - kept);
    (void)inet_ntop(is_ipv4 ? AF_INET : AF_INET6, octets, network, sizeof(network));
    snprintf(text, LOG_PRIVATE_SIZE, "%s/%zu", network, kept * 8);
    return text;
}

const char *log_private(const char *key, const char *value, char text[LOG_PRIVATE_SIZE])
{
    static const struct {
        const char *key;
        bool is_address;
    } rows[] = {{"client", true}, {"user", false}, {"certificate", false}, {"key", false}};

    if (state.privacy == LOG_PRIVACY_FULL || value == NULL || value[0] == '\0')
        return value;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(rows[i].key, key) != 0)
            continue;
        if (rows[i].is_address)
            return cut_address(value, text);
        return state.privacy == LOG_PRIVACY_HASHED ? hide_name(value, text) : value;
    }
    return value;
}
