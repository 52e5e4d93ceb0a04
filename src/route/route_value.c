/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parsing values. A value comes from a file of the operator or from a server of his, but parts of
 * it may come from the login (`$1` of a regular expression), so every text is checked as if a
 * stranger had written it: nothing with a control octet becomes a login or a password, since a line
 * break there would be a command for the server.
 */
#include "route/route_value.h"

#include <stdbool.h>
#include <string.h>

#include "base/address.h"
#include "base/octet.h"
#include "pop3/sasl.h"

enum route_check {
    ROUTE_CHECK_HOST,
    ROUTE_CHECK_PORT,
    ROUTE_CHECK_NAME,
    ROUTE_CHECK_CREDENTIAL,
    ROUTE_CHECK_TLS,
    ROUTE_CHECK_MECHANISM,
    ROUTE_CHECK_ADDRESS,
    ROUTE_CHECK_TIME,
    ROUTE_CHECK_FLAG,
    ROUTE_CHECK_TEXT,
};

static const enum route_check checks[ROUTE_FIELD_COUNT] = {
#define ROUTE_FIELD(name, word, check) [ROUTE_FIELD_##name] = ROUTE_CHECK_##check,
#include "route/route_field.def"
#undef ROUTE_FIELD
};

/* Dovecot sends these with every answer of a proxy; they say nothing that we need. */
static const char *const ignored[] = {"proxy", "proxy_maybe", "nopassword", "user"};

enum { PORT_DIGITS_MAX = 5, TIME_DIGITS_MAX = 15, SHOWN_MAX = 40, MECHANISM_SIZE = 24 };

static bool has_control(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (octet_is_control(text[i]))
            return true;
    return false;
}

static int fail(struct route_answer *answer, struct error *error, const char *what)
{
    route_answer_wipe(answer);
    return error_set(error, "%s", what);
}

/* ---- the value of one field ---- */

static bool is_word(const char *text, size_t length, const char *word)
{
    return strlen(word) == length && memcmp(text, word, length) == 0;
}

static bool is_digits(const char *text, size_t length, size_t most)
{
    if (length == 0 || length > most)
        return false;
    for (size_t i = 0; i < length; i++)
        if (!octet_is_digit(text[i]))
            return false;
    return true;
}

static bool is_name(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (octet_is_blank(text[i]) || octet_is_control(text[i]))
            return false;
    return length > 0;
}

/* A port as host_port_parse() takes it, which knows the limits. */
static bool is_port(const char *text, size_t length)
{
    char written[PORT_DIGITS_MAX + 3] = "h:";
    struct host_port parsed;

    if (!is_digits(text, length, PORT_DIGITS_MAX))
        return false;
    memcpy(written + 2, text, length);
    return host_port_parse(&parsed, written) == 0;
}

static bool is_host(const char *text, size_t length)
{
    char written[ADDRESS_HOST_SIZE];
    struct host_port parsed;

    if (length >= sizeof(written))
        return false;
    memcpy(written, text, length);
    written[length] = '\0';
    return host_port_parse(&parsed, written) == 0 && parsed.port == 0;
}

static bool is_literal(const char *text, size_t length)
{
    char written[ADDRESS_TEXT_SIZE];
    struct address address;

    if (length >= sizeof(written))
        return false;
    memcpy(written, text, length);
    written[length] = '\0';
    return address_from_literal(&address, written, 0) == 0;
}

/* One of those that carry what a table can give: a password or a token. */
static bool is_mechanism(const char *text, size_t length)
{
    char name[MECHANISM_SIZE];
    enum sasl_mechanism mechanism;

    if (length >= sizeof(name))
        return false;
    memcpy(name, text, length);
    name[length] = '\0';
    mechanism = sasl_mechanism_find(name);
    return mechanism == SASL_MECHANISM_PLAIN || mechanism == SASL_MECHANISM_XOAUTH2 ||
           mechanism == SASL_MECHANISM_OAUTHBEARER;
}

/* A NUL would end the value early where it is used: another server than the one that was checked. */
static bool is_good(enum route_check check, const char *text, size_t length)
{
    if (check != ROUTE_CHECK_TEXT && memchr(text, '\0', length) != NULL)
        return false;
    switch (check) {
    case ROUTE_CHECK_HOST:
        return is_host(text, length);
    case ROUTE_CHECK_PORT:
        return is_port(text, length);
    case ROUTE_CHECK_NAME:
        return is_name(text, length);
    case ROUTE_CHECK_CREDENTIAL:
        return length > 0 && !has_control(text, length);
    case ROUTE_CHECK_TLS:
        return length == 0 || is_word(text, length, "yes") || is_word(text, length, "any-cert") ||
               is_word(text, length, "no");
    case ROUTE_CHECK_MECHANISM:
        return is_mechanism(text, length);
    case ROUTE_CHECK_ADDRESS:
        return is_literal(text, length);
    case ROUTE_CHECK_TIME:
        return is_digits(text, length, TIME_DIGITS_MAX);
    case ROUTE_CHECK_FLAG:
        return length == 0 || is_word(text, length, "yes") || is_word(text, length, "y") ||
               is_word(text, length, "no");
    case ROUTE_CHECK_TEXT:
        return true;
    }
    return false;
}

/* A host without its brackets, as names and literals are kept everywhere. */
static void strip_brackets(const char **text, size_t *length)
{
    if (*length >= 2 && (*text)[0] == '[' && (*text)[*length - 1] == ']') {
        (*text)++;
        *length -= 2;
    }
}

static int set_field(struct route_answer *answer, enum route_field field, const char *value,
                     size_t length, struct error *error)
{
    if (answer->fields[field] != NULL) {
        error_set(error, "%s is said twice", route_field_word(field));
        route_answer_wipe(answer);
        return -1;
    }
    if (!is_good(checks[field], value, length)) {
        /* The value itself stays out of the log: it may be a password. */
        if (field == ROUTE_FIELD_GROUP)
            error_set(error, "malformed name of a group; expected group:NAME");
        else
            error_set(error, "%s: malformed value", route_field_word(field));
        route_answer_wipe(answer);
        return -1;
    }
    if (checks[field] == ROUTE_CHECK_HOST)
        strip_brackets(&value, &length);
    if (is_word(value, length, "no") &&
        (checks[field] == ROUTE_CHECK_TLS || checks[field] == ROUTE_CHECK_FLAG))
        return 0;
    if (!(checks[field] == ROUTE_CHECK_TEXT ? route_answer_set_text : route_answer_set)(
            answer, field, value, length))
        return fail(answer, error, "the value is too long");
    return 0;
}

static enum route_field find_field(const char *name, size_t length)
{
    enum route_field field = 0;

    while (field < ROUTE_FIELD_COUNT &&
           (length == 0 || !is_word(name, length, route_field_word(field))))
        field++;
    return field;
}

static bool is_ignored(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        if (is_word(name, length, ignored[i]))
            return true;
    return false;
}

/* Kept as a text of the answer, cut to what a log line needs, and printable. */
static void note_unknown(struct route_answer *answer, const char *name, size_t length)
{
    size_t kept = length < SHOWN_MAX ? length : SHOWN_MAX;
    char *text = answer->memory + answer->length;

    if (answer->unknown != NULL || kept >= sizeof(answer->memory) - answer->length)
        return;
    for (size_t i = 0; i < kept; i++)
        text[i] = octet_is_graphic(name[i]) ? name[i] : '?';
    text[kept] = '\0';
    answer->length += kept + 1;
    answer->unknown = text;
}

int route_value_take_field(struct route_answer *answer, const char *name, size_t name_length,
                           const char *value, size_t length, struct error *error)
{
    enum route_field field = find_field(name, name_length);

    if (field < ROUTE_FIELD_COUNT)
        return set_field(answer, field, value, length, error);
    if (!is_ignored(name, name_length))
        note_unknown(answer, name, name_length);
    return 0;
}

int route_value_finish(struct route_answer *answer, struct error *error)
{
    const char *const *fields = answer->fields;

    if (fields[ROUTE_FIELD_NOLOGIN] != NULL)
        answer->result = ROUTE_REFUSED;
    if (fields[ROUTE_FIELD_SSL] != NULL && fields[ROUTE_FIELD_STARTTLS] != NULL)
        return fail(answer, error, "ssl and starttls exclude each other");
    if (fields[ROUTE_FIELD_MASTER] != NULL && fields[ROUTE_FIELD_PASSWORD] == NULL)
        return fail(answer, error, "master needs pass, the master user's password");
    if (fields[ROUTE_FIELD_GROUP] != NULL &&
        (fields[ROUTE_FIELD_HOST] != NULL || fields[ROUTE_FIELD_PORT] != NULL))
        return fail(answer, error, "a group has servers and ports of its own");
    return 0;
}

/* ---- the target ---- */

int route_value_take_target(struct route_answer *answer, const char *text, size_t length,
                            struct error *error)
{
    const char *at = memrchr(text, '@', length);
    const char *host = at == NULL ? text : at + 1;
    size_t host_length = length - (size_t)(host - text);
    char written[ADDRESS_HOST_SIZE + PORT_DIGITS_MAX + 1];
    struct host_port parsed;
    const char *port;

    if (at != NULL && set_field(answer, ROUTE_FIELD_LOGIN, text, (size_t)(at - text), error) == -1)
        return -1;
    if (host_length >= sizeof(written))
        return fail(answer, error, "the server's name is too long");
    memcpy(written, host, host_length);
    written[host_length] = '\0';
    if (memchr(host, '\0', host_length) != NULL || host_port_parse(&parsed, written) == -1)
        return fail(answer, error, "malformed server; expected [login@]host[:port]");
    if (set_field(answer, ROUTE_FIELD_HOST, parsed.host, strlen(parsed.host), error) == -1)
        return -1;
    if (parsed.port == 0)
        return 0;
    port = strrchr(written, ':') + 1;
    return set_field(answer, ROUTE_FIELD_PORT, port, strlen(port), error);
}

/* ---- one value ---- */

static const char group_prefix[] = "group:";
enum { GROUP_PREFIX_LENGTH = sizeof(group_prefix) - 1 };

struct reader {
    const char *at;
    const char *end;
    bool is_first; /* no part has been read yet */
};

static void skip_blanks(struct reader *reader)
{
    while (reader->at < reader->end && octet_is_blank(*reader->at))
        reader->at++;
}

static size_t word_length(const struct reader *reader)
{
    const char *to = reader->at;

    while (to < reader->end && !octet_is_blank(*to))
        to++;
    return (size_t)(to - reader->at);
}

/* The octets of a name at the start of a word, as fields have them. */
static size_t name_length(const char *text, size_t length)
{
    size_t i = 0;

    while (i < length && ((text[i] >= 'a' && text[i] <= 'z') || text[i] == '_' ||
                          (i > 0 && octet_is_digit(text[i]))))
        i++;
    return i;
}

/* Takes `"text"` off its quotes into `plain`, which has room for ROUTE_VALUE_MAX octets. Returns
 * its length, or -1 when the quote never ends or something follows it. */
static ssize_t read_quoted(struct reader *reader, char *plain)
{
    size_t length = 0;

    for (reader->at++; reader->at < reader->end && *reader->at != '"'; reader->at++) {
        bool is_escaped = *reader->at == '\\' && reader->at + 1 < reader->end &&
                          (reader->at[1] == '"' || reader->at[1] == '\\');
        reader->at += is_escaped;
        plain[length++] = *reader->at;
    }
    if (reader->at == reader->end)
        return -1;
    reader->at++;
    return reader->at == reader->end || octet_is_blank(*reader->at) ? (ssize_t)length : -1;
}

static int read_quoted_field(struct reader *reader, struct route_answer *answer, const char *name,
                             size_t length, struct error *error)
{
    char plain[ROUTE_VALUE_MAX];
    ssize_t got = read_quoted(reader, plain);
    int result;

    if (got == -1)
        return fail(answer, error, "a quoted text has no end");
    result = route_value_take_field(answer, name, length, plain, (size_t)got, error);
    explicit_bzero(plain, (size_t)got);
    return result;
}

/* A login may have an equals sign ("a=b@host"): a word with an unknown name and an at sign is the
 * target, not a field, or a mistyped value would send a user to the default server. */
static bool is_field(const char *word, size_t length, size_t name)
{
    bool has_value = name > 0 && name < length && word[name] == '=';
    bool is_known = route_value_is_field(word, name);

    if (name == length)
        return is_known;
    return has_value && (is_known || memchr(word, '@', length) == NULL);
}

bool route_value_is_target(const char *word, size_t length)
{
    return length > 0 && !is_word(word, length, "reject") &&
           !is_field(word, length, name_length(word, length)) &&
           (length < GROUP_PREFIX_LENGTH || memcmp(word, group_prefix, GROUP_PREFIX_LENGTH) != 0);
}

bool route_value_is_field(const char *name, size_t length)
{
    return find_field(name, length) < ROUTE_FIELD_COUNT || is_ignored(name, length);
}

static int read_field(struct reader *reader, struct route_answer *answer, size_t length,
                      size_t name, struct error *error)
{
    const char *word = reader->at;
    size_t value = name < length ? name + 1 : name;

    if (value < length && word[value] == '"') {
        reader->at += value;
        return read_quoted_field(reader, answer, word, name, error);
    }
    reader->at += length;
    return route_value_take_field(answer, word, name, word + value, length - value, error);
}

static int read_target(struct reader *reader, struct route_answer *answer, size_t length,
                       struct error *error)
{
    const char *word = reader->at;

    if (!reader->is_first)
        return fail(answer, error, "the server comes first, then fields as name=value");
    reader->at += length;
    if (length >= GROUP_PREFIX_LENGTH && memcmp(word, group_prefix, GROUP_PREFIX_LENGTH) == 0)
        return set_field(answer, ROUTE_FIELD_GROUP, word + GROUP_PREFIX_LENGTH,
                         length - GROUP_PREFIX_LENGTH, error);
    return route_value_take_target(answer, word, length, error);
}

/* `reject` takes the rest of the value. */
static int read_rejection(struct reader *reader, struct route_answer *answer, struct error *error)
{
    reader->at += strlen("reject");
    skip_blanks(reader);
    answer->result = ROUTE_REFUSED;
    if (reader->at < reader->end && answer->fields[ROUTE_FIELD_REASON] == NULL &&
        set_field(answer, ROUTE_FIELD_REASON, reader->at, (size_t)(reader->end - reader->at),
                  error) == -1)
        return -1;
    reader->at = reader->end;
    return 0;
}

static int read_part(struct reader *reader, struct route_answer *answer, struct error *error)
{
    size_t length = word_length(reader);
    size_t name = name_length(reader->at, length);
    int result;

    if (is_word(reader->at, length, "reject"))
        result = read_rejection(reader, answer, error);
    else if (is_field(reader->at, length, name))
        result = read_field(reader, answer, length, name, error);
    else
        result = read_target(reader, answer, length, error);
    reader->is_first = false;
    skip_blanks(reader);
    return result;
}

int route_value_parse(struct route_answer *answer, const char *value, size_t length,
                      struct error *error)
{
    struct reader reader = {.at = value, .end = value + length, .is_first = true};

    route_answer_init(answer, ROUTE_FOUND);
    if (length > ROUTE_VALUE_MAX)
        return fail(answer, error, "the value is too long");
    skip_blanks(&reader);
    if (reader.at == reader.end)
        return fail(answer, error, "the value is empty");
    while (reader.at < reader.end)
        if (read_part(&reader, answer, error) == -1)
            return -1;
    return route_value_finish(answer, error);
}
