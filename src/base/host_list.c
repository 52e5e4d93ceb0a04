/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lists of hosts with ports. An entry is brought into one form when it is added, so that a lookup
 * compares texts: of any two spellings of a host only one is left.
 */
#include "base/host_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/list.h"
#include "base/octet.h"
#include "base/pattern.h"

enum {
    SLOTS_FIRST = 64, /* a power of two, as every later size is */
    WILDCARDS_FIRST = 16,
    TEXTS_FIRST_BYTES = 1024,
    PORT_SIZE = sizeof("65535"),
    KEY_SIZE = PORT_SIZE + ADDRESS_HOST_SIZE, /* "65535 host" */
};

/* What the host of an entry with wildcards matches. */
enum kind { KIND_BOTH, KIND_NAMES, KIND_ADDRESSES };

/* An entry while it is added. */
struct entry {
    char host[ADDRESS_HOST_SIZE];
    char port[PORT_SIZE]; /* decimal; "*": any; "": the default port */
};

struct wildcard {
    size_t host; /* offset of its text */
    enum kind kind;
    bool is_any_port;
    uint16_t port; /* 0: the default port */
};

/*
 * The key of an entry is "PORT HOST". The keys stand one after the other, with their NULs, in one
 * block that all workers share, because nobody writes to it; a key is its offset there. All keys are
 * in `slots` (open addressing, at most half full; offset + 1, or 0 where free).
 */
struct host_list {
    char *texts;
    size_t texts_used;
    size_t texts_size;
    size_t *slots;
    size_t slot_count;
    size_t count;
    struct wildcard *wildcards;
    size_t wildcard_count;
    size_t wildcard_size;
};

/* ---- the table ---- */

struct host_list *host_list_new(void)
{
    struct host_list *list = calloc(1, sizeof(*list));

    if (list == NULL)
        return NULL;
    list->slots = calloc(SLOTS_FIRST, sizeof(*list->slots));
    if (list->slots == NULL) {
        free(list);
        return NULL;
    }
    list->slot_count = SLOTS_FIRST;
    return list;
}

void host_list_free(struct host_list *list)
{
    if (list == NULL)
        return;
    free(list->texts);
    free(list->slots);
    free(list->wildcards);
    free(list);
}

/* The slot that holds the key, or the free one where it belongs. The operator chooses the entries,
 * so no attacker can make them collide. */
static size_t find_slot(const struct host_list *list, const char *key)
{
    size_t mask = list->slot_count - 1;
    size_t i = (size_t)hash_text_nocase(key) & mask;

    while (list->slots[i] != 0 && strcmp(list->texts + list->slots[i] - 1, key) != 0)
        i = (i + 1) & mask;
    return i;
}

/* Makes room for one more entry in the table. */
static int reserve_slot(struct host_list *list)
{
    size_t *old = list->slots;
    size_t old_count = list->slot_count;

    if ((list->count + 1) * 2 <= old_count)
        return 0;
    list->slots = calloc(old_count * 2, sizeof(*list->slots));
    if (list->slots == NULL) {
        list->slots = old;
        return -1;
    }
    list->slot_count = old_count * 2;
    for (size_t i = 0; i < old_count; i++)
        if (old[i] != 0)
            list->slots[find_slot(list, list->texts + old[i] - 1)] = old[i];
    free(old);
    return 0;
}

static int reserve_wildcard(struct host_list *list)
{
    size_t size = list->wildcard_size == 0 ? WILDCARDS_FIRST : list->wildcard_size * 2;
    struct wildcard *wildcards;

    if (list->wildcard_count < list->wildcard_size)
        return 0;
    wildcards = reallocarray(list->wildcards, size, sizeof(*wildcards));
    if (wildcards == NULL)
        return -1;
    list->wildcards = wildcards;
    list->wildcard_size = size;
    return 0;
}

/* Makes room for a text of `length` octets and its NUL. */
static int reserve_text(struct host_list *list, size_t length)
{
    size_t size = list->texts_size == 0 ? TEXTS_FIRST_BYTES : list->texts_size;
    char *texts;

    if (length < list->texts_size - list->texts_used)
        return 0;
    while (size - list->texts_used <= length)
        size *= 2;
    texts = realloc(list->texts, size);
    if (texts == NULL)
        return -1;
    list->texts = texts;
    list->texts_size = size;
    return 0;
}

/* ---- entries ---- */

static enum kind kind_of(const char *host)
{
    bool has_digit = false;

    if (strchr(host, ':') != NULL)
        return KIND_ADDRESSES;
    for (const char *c = host; *c != '\0'; c++) {
        if (octet_is_digit(*c))
            has_digit = true;
        else if (strchr(".*?", *c) == NULL)
            return KIND_NAMES;
    }
    return has_digit ? KIND_ADDRESSES : KIND_BOTH;
}

/* Cuts the text (changed) at its port: "host", "host:port", "[v6]", "[v6]:port" or "v6". The port is
 * "" where none follows. Returns the host, or NULL for none of these. */
static char *cut_entry(char *text, const char **port_r)
{
    char *end = text[0] == '[' ? strchr(text, ']') : strchr(text, ':');

    *port_r = "";
    if (text[0] == '[') {
        if (end == NULL || (end[1] != '\0' && end[1] != ':'))
            return NULL;
        *end = '\0';
        if (strchr(++text, ':') == NULL)
            return NULL;
        end = end[1] == ':' ? end + 1 : NULL;
    } else if (end != NULL && strchr(end + 1, ':') != NULL) {
        return text; /* several colons: an IPv6 address without brackets */
    }
    if (end == NULL)
        return text;
    *end = '\0';
    *port_r = end + 1;
    return end[1] == '\0' ? NULL : text;
}

/* Takes what names and addresses consist of, and wildcards. */
static bool is_host_pattern(const char *host)
{
    for (const char *c = host; *c != '\0'; c++) {
        bool is_letter = octet_lower(*c) >= 'a' && octet_lower(*c) <= 'z';

        if (!is_letter && !octet_is_digit(*c) && strchr("-_.:%*?", *c) == NULL)
            return false;
    }
    return *host != '\0' && strlen(host) < ADDRESS_HOST_SIZE;
}

/* The port is parsed by host_port_parse(), which knows ports, as that of a host named "x". */
static int parse_port(const char *port, struct entry *entry)
{
    char text[] = "x:65535";
    struct host_port parsed;

    snprintf(entry->port, sizeof(entry->port), "%s", port);
    if (port[0] == '\0' || strcmp(port, "*") == 0)
        return 0;
    if (strlen(port) >= PORT_SIZE)
        return -1;
    snprintf(text, sizeof(text), "x:%s", port);
    return host_port_parse(&parsed, text);
}

static int parse_host(char *host, struct entry *entry)
{
    struct host_port parsed;
    size_t length;

    if (!pattern_has_wildcard(host)) {
        if (host_port_parse(&parsed, host) == -1)
            return -1;
        memcpy(entry->host, parsed.host, sizeof(entry->host));
        return 0;
    }
    if (!is_host_pattern(host))
        return -1;
    length = strlen(host);
    if (length > 1 && host[length - 1] == '.') /* hosts have no dot at their end */
        length--;
    for (size_t i = 0; i < length; i++)
        entry->host[i] = octet_lower(host[i]);
    entry->host[length] = '\0';
    return 0;
}

static int parse_entry(struct entry *entry, const struct list_entry *from)
{
    char text[HOST_PORT_TEXT_SIZE];
    const char *port;
    char *host;

    if (!list_copy(text, sizeof(text), from))
        return -1;
    host = cut_entry(text, &port);
    return host == NULL || parse_port(port, entry) == -1 ? -1 : parse_host(host, entry);
}

static void make_key(char key[KEY_SIZE], const char *port, const char *host)
{
    snprintf(key, KEY_SIZE, "%s %s", port, host);
}

static void add_wildcard(struct host_list *list, const struct entry *entry)
{
    bool is_any_port = strcmp(entry->port, "*") == 0;

    list->wildcards[list->wildcard_count++] = (struct wildcard){
        .host = list->texts_used + strlen(entry->port) + 1,
        .kind = kind_of(entry->host),
        .is_any_port = is_any_port,
        .port = is_any_port ? 0 : (uint16_t)strtoul(entry->port, NULL, 10),
    };
}

static int add(struct host_list *list, const struct list_entry *from)
{
    struct entry entry;
    char key[KEY_SIZE];
    size_t slot;

    if (parse_entry(&entry, from) == -1) {
        errno = EINVAL;
        return -1;
    }
    make_key(key, entry.port, entry.host);
    if (reserve_text(list, strlen(key)) == -1 || reserve_slot(list) == -1 ||
        reserve_wildcard(list) == -1) {
        errno = ENOMEM;
        return -1;
    }
    slot = find_slot(list, key);
    if (list->slots[slot] != 0)
        return 0;
    if (pattern_has_wildcard(entry.host))
        add_wildcard(list, &entry);
    memcpy(list->texts + list->texts_used, key, strlen(key) + 1);
    list->slots[slot] = list->texts_used + 1;
    list->texts_used += strlen(key) + 1;
    list->count++;
    return 0;
}

int host_list_add(struct host_list *list, const char *entry)
{
    const struct list_entry whole = {.text = entry, .length = strlen(entry)};

    return add(list, &whole);
}

int host_list_add_csv(struct host_list *list, const char *csv)
{
    struct list_entry entry;

    while (list_next(&csv, &entry))
        if (add(list, &entry) == -1)
            return -1;
    return 0;
}

/* ---- lookup ---- */

static bool has_key(const struct host_list *list, const char *port, const char *host)
{
    char key[KEY_SIZE];

    make_key(key, port, host);
    return list->slots[find_slot(list, key)] != 0;
}

static bool is_wildcard_match(const struct host_list *list, const struct wildcard *wildcard,
                              const struct host_port *server, uint16_t port, uint16_t default_port)
{
    enum kind other_kind = server->is_literal ? KIND_NAMES : KIND_ADDRESSES;
    uint16_t wanted = wildcard->port == 0 ? default_port : wildcard->port;

    return (wildcard->is_any_port || wanted == port) && wildcard->kind != other_kind &&
           pattern_is_match(list->texts + wildcard->host, server->host);
}

bool host_list_is_match(const struct host_list *list, const struct host_port *server,
                        uint16_t default_port)
{
    uint16_t port = server->port == 0 ? default_port : server->port;
    char port_text[PORT_SIZE];

    snprintf(port_text, sizeof(port_text), "%u", (unsigned)port);
    if (has_key(list, "*", server->host) || has_key(list, port_text, server->host) ||
        (port == default_port && has_key(list, "", server->host)))
        return true;
    for (size_t i = 0; i < list->wildcard_count; i++)
        if (is_wildcard_match(list, &list->wildcards[i], server, port, default_port))
            return true;
    return false;
}
