/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hash is SipHash-2-4 with a random key of 128 bits that leaves the machine in no form: without
 * it nobody can try names until one has the hash of a line.
 */
#include "base/log_privacy.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
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

bool log_privacy_hides_names(void)
{
    return state.privacy == LOG_PRIVACY_HASHED;
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
    uint64_t v[4] = {
        state.key[0] ^ UINT64_C(0x736f6d6570736575), state.key[1] ^ UINT64_C(0x646f72616e646f6d),
        state.key[0] ^ UINT64_C(0x6c7967656e657261), state.key[1] ^ UINT64_C(0x7465646279746573)};
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

const char *log_private_hash_text(uint64_t hash, char text[LOG_PRIVATE_SIZE])
{
    snprintf(text, LOG_PRIVATE_SIZE, "~%016" PRIx64, hash);
    return text;
}

static const char *hide_name(const char *name, char text[LOG_PRIVATE_SIZE])
{
    if (state.has_key)
        return log_private_hash_text(hash_name(name), text);
    snprintf(text, LOG_PRIVATE_SIZE, "~"); /* no randomness yet: no name at all */
    return text;
}

uint64_t log_private_hash(const char *name)
{
    return log_privacy_hides_names() && state.has_key && name[0] != '\0' ? hash_name(name) : 0;
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

/* ---- words from elsewhere ---- */

enum { SHORT_NAME = 4 };

/* What is looked for in words, and what is written instead. */
struct hidden {
    const char *user; /* "": none */
    size_t local_part;
    char user_text[LOG_PRIVATE_SIZE];
    int family; /* of the client's address; AF_UNSPEC: none */
    unsigned char address[sizeof(struct in6_addr)];
    char client_text[LOG_PRIVATE_SIZE];
};

static void hide(struct hidden *hidden, const char *user, const char *client)
{
    *hidden = (struct hidden){.user = "", .family = AF_UNSPEC};
    if (state.privacy == LOG_PRIVACY_HASHED && user != NULL) {
        hidden->user = user;
        hidden->local_part = strcspn(user, "@");
        hide_name(user, hidden->user_text);
    }
    if (client == NULL)
        return;
    if (inet_pton(AF_INET, client, hidden->address) == 1)
        hidden->family = AF_INET;
    else if (inet_pton(AF_INET6, client, hidden->address) == 1)
        hidden->family = AF_INET6;
    if (hidden->family != AF_UNSPEC)
        cut_address(client, hidden->client_text);
}

static bool is_word_octet(char octet)
{
    char lower = octet_lower(octet);

    return octet_is_digit(octet) || (lower >= 'a' && lower <= 'z') || (unsigned char)octet >= 0x80;
}

static bool is_same(const char *a, const char *b, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (octet_lower(a[i]) != octet_lower(b[i]))
            return false;
    return true;
}

/* How many octets of the words are this name; 0: none. The words may have been cut inside of the
 * name, and the name inside of its last word. */
static size_t name_at(const char *words, size_t at, const char *name, size_t length)
{
    size_t left = strnlen(words + at, length);
    bool is_begin = at == 0 || !is_word_octet(words[at - 1]);
    size_t taken = left;

    if (length == 0 || !is_same(words + at, name, left))
        return 0;
    if (left < SHORT_NAME && (left < length || !is_begin || is_word_octet(words[at + left])))
        return 0;
    if (left < length && !is_begin)
        return 0;
    while (is_word_octet(words[at + taken]))
        taken++;
    return taken;
}

static bool is_address(const struct hidden *hidden, const char *octets, size_t length)
{
    char part[INET6_ADDRSTRLEN];
    unsigned char address[sizeof(hidden->address)] = {0};

    memcpy(part, octets, length);
    part[length] = '\0';
    return inet_pton(hidden->family, part, address) == 1 &&
           memcmp(address, hidden->address, sizeof(address)) == 0;
}

/* The same for the client's address, in each form that it may be written in. A port or the end of a
 * sentence may follow it. */
static size_t address_at(const struct hidden *hidden, const char *words, size_t at)
{
    size_t length = strspn(words + at, "0123456789abcdefABCDEF:.");

    if (hidden->family == AF_UNSPEC || (at > 0 && octet_is_digit(words[at - 1])))
        return 0;
    if (length > INET6_ADDRSTRLEN - 1)
        length = INET6_ADDRSTRLEN - 1;
    while (length > 1 &&
           (octet_is_digit(words[at + length]) || !is_address(hidden, words + at, length)))
        length--;
    return length > 1 ? length : 0;
}

static size_t hidden_at(const struct hidden *hidden, const char *words, size_t at,
                        const char **instead_r)
{
    size_t taken = name_at(words, at, hidden->user, strlen(hidden->user));

    if (taken == 0)
        taken = name_at(words, at, hidden->user, hidden->local_part);
    *instead_r = hidden->user_text;
    if (taken > 0)
        return taken;
    *instead_r = hidden->client_text;
    return address_at(hidden, words, at);
}

const char *log_private_words(const char *words, const char *user, const char *client,
                              char text[LOG_WORDS_SIZE])
{
    struct hidden hidden;
    const char *instead;
    size_t length = 0;

    if (state.privacy == LOG_PRIVACY_FULL)
        return words;
    hide(&hidden, user, client);
    for (size_t at = 0; words[at] != '\0' && length < LOG_WORDS_SIZE - LOG_PRIVATE_SIZE;) {
        size_t taken = hidden_at(&hidden, words, at, &instead);

        if (taken == 0)
            text[length++] = words[at++];
        else
            length += (size_t)snprintf(text + length, LOG_PRIVATE_SIZE, "%s", instead);
        at += taken;
    }
    text[length] = '\0';
    return text;
}
