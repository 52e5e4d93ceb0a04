/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SASL messages: strict base64, and the form of each mechanism's messages. This file says what a
 * client claims, or that the claim is malformed. Whether the claim is true is not known here.
 */
#include "pop3/sasl.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/octet.h"

enum {
    SASL_KVSEP = 0x01, /* ends a key=value pair, RFC 7628 section 3.1 */
};

static const struct sasl_mechanism_info mechanisms[SASL_MECHANISM_COUNT] = {
#define SASL_MECHANISM(id, name, feature, is_token)                                                \
    [SASL_MECHANISM_##id] = {name, feature, is_token},
#include "pop3/sasl_mechanism.def"
#undef SASL_MECHANISM
};

enum sasl_mechanism sasl_mechanism_find(const char *name)
{
    for (unsigned i = SASL_MECHANISM_NONE + 1; i < SASL_MECHANISM_COUNT; i++)
        if (strcasecmp(name, mechanisms[i].name) == 0)
            return (enum sasl_mechanism)i;
    return SASL_MECHANISM_NONE;
}

const struct sasl_mechanism_info *sasl_mechanism_info(enum sasl_mechanism mechanism)
{
    if (mechanism <= SASL_MECHANISM_NONE || mechanism >= SASL_MECHANISM_COUNT)
        return NULL;
    return &mechanisms[mechanism];
}

const char *sasl_result_word(enum sasl_result result)
{
    static const char *const words[] = {
        [SASL_OK] = "ok",
#define SASL_RESULT(name, word) [SASL_##name] = word,
#include "pop3/sasl_result.def"
#undef SASL_RESULT
    };

    return words[result];
}

/* -1 for an octet outside the alphabet. */
static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

/* Decodes four characters, of which the last `padding` are '='. Returns -1 if they are malformed;
 * bits in the padding that are not zero are malformed too. */
static int decode_quad(const char quad[4], unsigned padding, uint8_t octets[3])
{
    uint32_t bits = 0;

    for (unsigned i = 0; i < 4; i++) {
        int value = i < 4 - padding ? base64_value(quad[i]) : 0;

        if (value < 0)
            return -1;
        bits = bits << 6 | (uint32_t)value;
    }
    octets[0] = (uint8_t)(bits >> 16);
    octets[1] = (uint8_t)(bits >> 8);
    octets[2] = (uint8_t)bits;
    if ((padding >= 1 && octets[2] != 0) || (padding == 2 && octets[1] != 0))
        return -1;
    return 0;
}

static unsigned count_padding(const char *text, size_t length)
{
    if (length == 0 || text[length - 1] != '=')
        return 0;
    return text[length - 2] == '=' ? 2 : 1;
}

enum sasl_result sasl_base64_decode(const char *text, size_t length, char *data, size_t size,
                                    size_t *length_r)
{
    unsigned padding;
    size_t total;

    *length_r = 0;
    if (length > SASL_BASE64_MAX)
        return SASL_TOO_LONG;
    if (length % 4 != 0)
        return SASL_BAD_BASE64;
    padding = count_padding(text, length);
    total = length / 4 * 3 - padding;
    if (total > size)
        return SASL_TOO_LONG;
    /* Octets are written after the four characters they come from were read: `data` may be `text`.
     */
    for (size_t in = 0, out = 0; in < length; in += 4, out += 3) {
        bool is_last = in + 4 == length;
        uint8_t octets[3];

        if (decode_quad(text + in, is_last ? padding : 0, octets) < 0) {
            explicit_bzero(data, out);
            return SASL_BAD_BASE64;
        }
        memcpy(data + out, octets, is_last ? 3 - padding : 3);
    }
    *length_r = total;
    return SASL_OK;
}

/* Encodes piece by piece, so that a message with a secret need not be put together first. */
struct encoder {
    char *text;
    size_t used;
    uint32_t bits;
    unsigned count; /* octets in `bits`, 0 to 2 between calls */
};

/* Checks that a message of `length` octets fits, and starts. */
static enum sasl_result encoder_start(struct encoder *encoder, size_t length, char *text,
                                      size_t size)
{
    memset(encoder, 0, sizeof(*encoder));
    if (length > SASL_DATA_MAX || SASL_BASE64_SIZE(length) > size)
        return SASL_TOO_LONG;
    encoder->text = text;
    return SASL_OK;
}

static void encoder_emit(struct encoder *encoder, unsigned characters)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (unsigned i = 0; i < 4; i++) {
        unsigned value = encoder->bits >> (18 - 6 * i) & 63;

        encoder->text[encoder->used++] = i < characters ? alphabet[value] : '=';
    }
    encoder->bits = 0;
    encoder->count = 0;
}

static void encoder_put(struct encoder *encoder, const char *data, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        encoder->bits |= (uint32_t)(uint8_t)data[i] << (16 - 8 * encoder->count);
        if (++encoder->count == 3)
            encoder_emit(encoder, 4);
    }
}

static void encoder_finish(struct encoder *encoder, size_t *length_r)
{
    if (encoder->count > 0)
        encoder_emit(encoder, encoder->count + 1);
    encoder->text[encoder->used] = '\0';
    *length_r = encoder->used;
}

static void clear_text(char *text, size_t size)
{
    if (size > 0)
        text[0] = '\0';
}

enum sasl_result sasl_base64_encode(const char *data, size_t length, char *text, size_t size,
                                    size_t *length_r)
{
    struct encoder encoder;
    enum sasl_result result = encoder_start(&encoder, length, text, size);

    *length_r = 0;
    if (result != SASL_OK) {
        clear_text(text, size);
        return result;
    }
    encoder_put(&encoder, data, length);
    encoder_finish(&encoder, length_r);
    return SASL_OK;
}

enum sasl_result sasl_response_decode(const char *text, size_t length, char *data, size_t size,
                                      size_t *length_r)
{
    if (length == 1 && text[0] == '*') {
        *length_r = 0;
        return SASL_CANCELLED;
    }
    return sasl_base64_decode(text, length, data, size, length_r);
}

enum sasl_result sasl_initial_decode(const char *text, size_t length, char *data, size_t size,
                                     size_t *length_r)
{
    *length_r = 0;
    if (length == 0)
        return SASL_BAD_BASE64;
    if (length == 1 && text[0] == '=')
        return SASL_OK;
    return sasl_base64_decode(text, length, data, size, length_r);
}

enum sasl_result sasl_credential_check(const char *text, size_t length)
{
    if (length == 0)
        return SASL_EMPTY;
    for (size_t i = 0; i < length; i++)
        if (octet_is_control(text[i]))
            return SASL_BAD_OCTET;
    return SASL_OK;
}

/* Checks a credential and copies it out. */
static enum sasl_result take_credential(const char *from, size_t length, char *text, size_t size)
{
    enum sasl_result result = sasl_credential_check(from, length);

    clear_text(text, size);
    if (result != SASL_OK)
        return result;
    if (length >= size)
        return SASL_TOO_LONG;
    memcpy(text, from, length);
    text[length] = '\0';
    return SASL_OK;
}

/* The three parts of a PLAIN message; they point into it. */
struct plain_parts {
    const char *authzid;
    size_t authzid_length;
    const char *authcid;
    size_t authcid_length;
    const char *passwd;
    size_t passwd_length;
};

static enum sasl_result split_plain(const char *message, size_t length, struct plain_parts *parts)
{
    const char *end = message + length;
    const char *first = memchr(message, '\0', length);
    const char *second;

    if (first == NULL)
        return SASL_BAD_MESSAGE;
    second = memchr(first + 1, '\0', (size_t)(end - first - 1));
    if (second == NULL || memchr(second + 1, '\0', (size_t)(end - second - 1)) != NULL)
        return SASL_BAD_MESSAGE;
    parts->authzid = message;
    parts->authzid_length = (size_t)(first - message);
    parts->authcid = first + 1;
    parts->authcid_length = (size_t)(second - first - 1);
    parts->passwd = second + 1;
    parts->passwd_length = (size_t)(end - second - 1);
    return SASL_OK;
}

static enum sasl_result check_authzid(const struct plain_parts *parts)
{
    if (parts->authzid_length == 0)
        return SASL_OK;
    if (sasl_credential_check(parts->authzid, parts->authzid_length) != SASL_OK)
        return SASL_BAD_OCTET;
    if (parts->authzid_length != parts->authcid_length ||
        memcmp(parts->authzid, parts->authcid, parts->authzid_length) != 0)
        return SASL_BAD_AUTHZID;
    return SASL_OK;
}

enum sasl_result sasl_plain_decode(const char *message, size_t length, char *user, size_t user_size,
                                   char *password, size_t password_size)
{
    struct plain_parts parts;
    enum sasl_result result = split_plain(message, length, &parts);

    clear_text(user, user_size);
    clear_text(password, password_size);
    if (result == SASL_OK)
        result = check_authzid(&parts);
    if (result == SASL_OK)
        result = take_credential(parts.authcid, parts.authcid_length, user, user_size);
    if (result == SASL_OK)
        result = take_credential(parts.passwd, parts.passwd_length, password, password_size);
    if (result != SASL_OK)
        clear_text(user, user_size);
    return result;
}

enum sasl_result sasl_plain_encode(const char *authzid, const char *user, const char *password,
                                   char *text, size_t size, size_t *length_r)
{
    size_t authzid_length = strlen(authzid);
    size_t user_length = strlen(user);
    size_t password_length = strlen(password);
    struct encoder encoder;
    enum sasl_result result = sasl_credential_check(user, user_length);

    *length_r = 0;
    clear_text(text, size);
    if (result == SASL_OK && authzid_length > 0)
        result = sasl_credential_check(authzid, authzid_length);
    if (result == SASL_OK)
        result = sasl_credential_check(password, password_length);
    if (result == SASL_OK)
        result = encoder_start(&encoder, authzid_length + user_length + password_length + 2, text,
                               size);
    if (result != SASL_OK)
        return result;
    encoder_put(&encoder, authzid, authzid_length + 1);
    encoder_put(&encoder, user, user_length + 1);
    encoder_put(&encoder, password, password_length);
    encoder_finish(&encoder, length_r);
    return SASL_OK;
}

enum sasl_result sasl_login_decode(const char *message, size_t length, char *credential,
                                   size_t size)
{
    return take_credential(message, length, credential, size);
}

enum sasl_result sasl_external_decode(const char *message, size_t length, char *user, size_t size)
{
    enum sasl_result result = take_credential(message, length, user, size);

    return result == SASL_EMPTY && size > 0 ? SASL_OK : result;
}

/* If `prefix` stands at *at, moves *at past it and returns true. */
static bool skip_prefix(const char **at, const char *end, const char *prefix)
{
    size_t length = strlen(prefix);

    if ((size_t)(end - *at) < length || memcmp(*at, prefix, length) != 0)
        return false;
    *at += length;
    return true;
}

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Checks the value of "auth". The name of the scheme may be in any case, as in HTTP. */
static enum sasl_result check_bearer(const char *value, size_t length)
{
    static const char scheme[] = "Bearer ";
    size_t scheme_length = sizeof(scheme) - 1;

    if (length < scheme_length || strncasecmp(value, scheme, scheme_length) != 0)
        return SASL_BAD_MESSAGE;
    if (length == scheme_length)
        return SASL_EMPTY;
    for (size_t i = scheme_length; i < length; i++)
        if (!octet_is_graphic(value[i]))
            return SASL_BAD_OCTET;
    return SASL_OK;
}

/* Checks a value other than the token: VCHAR / SP / HTAB / CR / LF. */
static enum sasl_result check_value(const char *value, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char c = value[i];

        if (!octet_is_printable(c) && c != '\t' && c != '\r' && c != '\n')
            return SASL_BAD_OCTET;
    }
    return SASL_OK;
}

/* Checks one key "=" value. */
static enum sasl_result check_pair(const char *pair, size_t length, unsigned *auths)
{
    size_t key = 0;

    while (key < length && is_letter(pair[key]))
        key++;
    if (key == 0 || key == length || pair[key] != '=')
        return SASL_BAD_MESSAGE;
    if (key != strlen("auth") || memcmp(pair, "auth", key) != 0)
        return check_value(pair + key + 1, length - key - 1);
    (*auths)++;
    return check_bearer(pair + key + 1, length - key - 1);
}

/* Checks *(kvpair) kvsep up to the end of the message, with exactly one token. *pairs_r is the
 * number of pairs. */
static enum sasl_result check_pairs(const char *at, const char *end, unsigned *pairs_r)
{
    unsigned auths = 0;

    *pairs_r = 0;
    for (; at < end; at++) {
        const char *separator = memchr(at, SASL_KVSEP, (size_t)(end - at));
        enum sasl_result result;

        if (separator == at)
            return separator + 1 == end && auths == 1 ? SASL_OK : SASL_BAD_MESSAGE;
        if (separator == NULL)
            return SASL_BAD_MESSAGE;
        result = check_pair(at, (size_t)(separator - at), &auths);
        if (result != SASL_OK)
            return result;
        (*pairs_r)++;
        at = separator;
    }
    return SASL_BAD_MESSAGE;
}

/* The user name in a token message, still escaped. */
struct token_name {
    const char *start;
    size_t length;
};

static enum sasl_result parse_xoauth2(const char *message, size_t length, struct token_name *name)
{
    const char *at = message;
    const char *end = message + length;
    const char *separator;
    unsigned pairs;
    enum sasl_result result;

    if (!skip_prefix(&at, end, "user="))
        return SASL_BAD_MESSAGE;
    separator = memchr(at, SASL_KVSEP, (size_t)(end - at));
    if (separator == NULL)
        return SASL_BAD_MESSAGE;
    name->start = at;
    name->length = (size_t)(separator - at);
    result = check_pairs(separator + 1, end, &pairs);
    if (result == SASL_OK && pairs != 1)
        return SASL_BAD_MESSAGE;
    return result;
}

static enum sasl_result parse_oauthbearer(const char *message, size_t length,
                                          struct token_name *name)
{
    const char *at = message;
    const char *end = message + length;
    const char *comma;
    unsigned pairs;

    if (!skip_prefix(&at, end, "n,") && !skip_prefix(&at, end, "y,"))
        return SASL_BAD_MESSAGE;
    name->start = at;
    name->length = 0;
    if (skip_prefix(&at, end, "a=")) {
        comma = memchr(at, ',', (size_t)(end - at));
        if (comma == NULL)
            return SASL_BAD_MESSAGE;
        name->start = at;
        name->length = (size_t)(comma - at);
        at = comma;
    }
    if (!skip_prefix(&at, end, ",\x01"))
        return SASL_BAD_MESSAGE;
    return check_pairs(at, end, &pairs);
}

/* Decodes one octet of a saslname; *used_r is how many octets it takes up there. Returns '\0' if it
 * is malformed. The digits may be in any case, as ABNF says of quoted strings. */
static char saslname_octet(const char *at, size_t left, size_t *used_r)
{
    *used_r = 1;
    if (*at != '=')
        return *at;
    *used_r = 3;
    if (left < 3)
        return '\0';
    if (strncasecmp(at, "=2C", 3) == 0)
        return ',';
    return strncasecmp(at, "=3D", 3) == 0 ? '=' : '\0';
}

static bool is_saslname(const struct token_name *name)
{
    size_t used;

    for (size_t in = 0; in < name->length; in += used)
        if (saslname_octet(name->start + in, name->length - in, &used) == '\0')
            return false;
    return true;
}

/* Finds and checks the name. After SASL_OK it holds only octets that a user name may hold. */
static enum sasl_result parse_token(enum sasl_mechanism mechanism, const char *message,
                                    size_t length, struct token_name *name)
{
    enum sasl_result result = SASL_BAD_MESSAGE;

    if (mechanism == SASL_MECHANISM_XOAUTH2)
        result = parse_xoauth2(message, length, name);
    else if (mechanism == SASL_MECHANISM_OAUTHBEARER)
        result = parse_oauthbearer(message, length, name);
    if (result == SASL_OK)
        result = sasl_credential_check(name->start, name->length);
    if (result == SASL_OK && mechanism == SASL_MECHANISM_OAUTHBEARER && !is_saslname(name))
        result = SASL_BAD_MESSAGE;
    return result;
}

static enum sasl_result take_saslname(const struct token_name *name, char *text, size_t size)
{
    size_t out = 0;
    size_t used;

    for (size_t in = 0; in < name->length; in += used) {
        char c = saslname_octet(name->start + in, name->length - in, &used);

        if (out + 1 >= size) {
            clear_text(text, size);
            return SASL_TOO_LONG;
        }
        text[out++] = c;
    }
    text[out] = '\0';
    return SASL_OK;
}

enum sasl_result sasl_token_user(enum sasl_mechanism mechanism, const char *message, size_t length,
                                 char *user, size_t size)
{
    struct token_name name;
    enum sasl_result result = parse_token(mechanism, message, length, &name);

    clear_text(user, size);
    if (result != SASL_OK)
        return result;
    if (mechanism == SASL_MECHANISM_OAUTHBEARER)
        return take_saslname(&name, user, size);
    return take_credential(name.start, name.length, user, size);
}

static bool is_escaped(enum sasl_mechanism mechanism, char c)
{
    return mechanism == SASL_MECHANISM_OAUTHBEARER && (c == ',' || c == '=');
}

static size_t escaped_length(enum sasl_mechanism mechanism, const char *user)
{
    size_t length = 0;

    for (; *user != '\0'; user++)
        length += is_escaped(mechanism, *user) ? 3 : 1;
    return length;
}

static void put_name(struct encoder *encoder, enum sasl_mechanism mechanism, const char *user)
{
    for (; *user != '\0'; user++) {
        if (is_escaped(mechanism, *user))
            encoder_put(encoder, *user == ',' ? "=2C" : "=3D", 3);
        else
            encoder_put(encoder, user, 1);
    }
}

enum sasl_result sasl_token_encode(enum sasl_mechanism mechanism, const char *message,
                                   size_t length, const char *user, char *text, size_t size,
                                   size_t *length_r)
{
    struct encoder encoder;
    struct token_name name;
    enum sasl_result result = parse_token(mechanism, message, length, &name);
    size_t before;
    size_t total;

    *length_r = 0;
    clear_text(text, size);
    if (result == SASL_OK)
        result = sasl_credential_check(user, strlen(user));
    if (result != SASL_OK)
        return result;
    before = (size_t)(name.start - message);
    total = length - name.length + escaped_length(mechanism, user);
    result = encoder_start(&encoder, total, text, size);
    if (result != SASL_OK)
        return result;
    encoder_put(&encoder, message, before);
    put_name(&encoder, mechanism, user);
    encoder_put(&encoder, name.start + name.length, length - before - name.length);
    encoder_finish(&encoder, length_r);
    return SASL_OK;
}

enum sasl_result sasl_token_find(enum sasl_mechanism mechanism, const char *message, size_t length,
                                 const char **token_r, size_t *token_length_r)
{
    static const char key[] = "\x01" "auth=";
    static const char scheme[] = "Bearer ";
    struct token_name name;
    enum sasl_result result = parse_token(mechanism, message, length, &name);
    const char *at, *end;

    *token_r = NULL;
    *token_length_r = 0;
    if (result != SASL_OK)
        return result;
    /* Exactly one key is "auth", and no name and no value holds a separator. */
    at = memmem(message, length, key, strlen(key));
    if (at == NULL)
        return SASL_BAD_MESSAGE;
    at += strlen(key) + strlen(scheme);
    end = memchr(at, SASL_KVSEP, length - (size_t)(at - message));
    if (end == NULL)
        return SASL_BAD_MESSAGE;
    *token_r = at;
    *token_length_r = (size_t)(end - at);
    return SASL_OK;
}

enum sasl_result sasl_token_value(enum sasl_mechanism mechanism, const char *message, size_t length,
                                  char *token, size_t size)
{
    const char *start;
    size_t width;
    enum sasl_result result = sasl_token_find(mechanism, message, length, &start, &width);

    clear_text(token, size);
    return result == SASL_OK ? take_credential(start, width, token, size) : result;
}

size_t sasl_token_make(enum sasl_mechanism mechanism, const char *token, char *message, size_t size)
{
    int length = 0;

    if (mechanism == SASL_MECHANISM_XOAUTH2)
        length = snprintf(message, size, "user=x\x01" "auth=Bearer %s\x01\x01", token);
    else if (mechanism == SASL_MECHANISM_OAUTHBEARER)
        length = snprintf(message, size, "n,a=x,\x01" "auth=Bearer %s\x01\x01", token);
    return length > 0 && (size_t)length < size ? (size_t)length : 0;
}
