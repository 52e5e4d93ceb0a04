/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checks of text values. Each sees only its value: no file and no other key.
 */
#include "config/conf_check.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/address.h"
#include "base/list.h"
#include "base/octet.h"
#include "config.h"
#include "base/host_list.h"
#include "pop3/capability.h"
#include "pop3/sasl.h"
#include "route/route_group.h"
#include "route/router.h"

/* Room for all capabilities that can be announced, with commas. */
enum { WORDS_SIZE = 128 };

const char *conf_group_name(const char *text)
{
    static const char prefix[] = "group:";
    size_t length = sizeof(prefix) - 1;

    return strncmp(text, prefix, length) == 0 && text[length] != '\0' ? text + length : NULL;
}

/* Whether the group is there is found out when the whole configuration is known. */
int conf_check_SERVER(const char *value, struct error *error)
{
    struct host_port parsed;

    if (conf_group_name(value) != NULL)
        return 0;
    if (strcmp(value, "-") != 0 && host_port_parse(&parsed, value) == -1)
        return error_set(error, "must be HOST, HOST:PORT, [IPV6]:PORT, group:NAME, or - for "
                                "none");
    return 0;
}

int conf_check_SERVERS(const char *value, struct error *error)
{
    struct host_list *list = host_list_new();
    int result = list == NULL ? -1 : host_list_add_csv(list, value);

    host_list_free(list);
    if (result == -1)
        return error_set(error, "must be HOST, HOST:PORT or HOST:* (? and * are wildcards in HOST), "
                                "separated by commas");
    return 0;
}

int conf_check_PATH(const char *value, struct error *error)
{
    if (value[0] != '/')
        return error_set(error, "must be an absolute path");
    return 0;
}

int conf_check_PATHS(const char *value, struct error *error)
{
    struct list_entry entry;

    while (list_next(&value, &entry))
        if (entry.length == 0 || entry.text[0] != '/')
            return error_set(error, "must be absolute paths, separated by commas");
    return 0;
}

/* Separators of lists in which no entry can have a blank. */
static const char separators[] = ", \t";

int conf_networks(const char *list, struct address_network **networks_r, size_t *count_r)
{
    struct address_network *networks = NULL;
    struct list_entry entry;
    size_t count = 0;

    while (list_next_word(&list, separators, &entry)) {
        char text[ADDRESS_TEXT_SIZE];
        struct address_network *longer = reallocarray(networks, count + 1, sizeof(*networks));

        if (longer != NULL)
            networks = longer;
        if (longer == NULL || !list_copy(text, sizeof(text), &entry) ||
            address_network_parse(&networks[count], text) == -1) {
            free(networks);
            return -1;
        }
        count++;
    }
    *networks_r = networks;
    *count_r = count;
    return 0;
}

int conf_check_NETWORKS(const char *value, struct error *error)
{
    struct address_network *networks = NULL;
    size_t count = 0;
    int result = conf_networks(value, &networks, &count);

    free(networks);
    if (result == -1 || count == 0)
        return error_set(error, "must be addresses or networks such as 10.0.0.0/8 or "
                         "2001:db8::/32, separated by commas");
    return 0;
}

int conf_addresses(const char *list, struct address **addresses_r, size_t *count_r)
{
    struct address *addresses = NULL;
    struct list_entry entry;
    size_t count = 0;

    while (list_next_word(&list, separators, &entry)) {
        char text[ADDRESS_TEXT_SIZE];
        struct address *longer = reallocarray(addresses, count + 1, sizeof(*addresses));

        if (longer != NULL)
            addresses = longer;
        if (longer == NULL || !list_copy(text, sizeof(text), &entry) ||
            address_from_literal(&addresses[count], text, 0) == -1) {
            free(addresses);
            return -1;
        }
        count++;
    }
    *addresses_r = addresses;
    *count_r = count;
    return 0;
}

int conf_check_ADDRESSES(const char *value, struct error *error)
{
    struct address *addresses = NULL;
    size_t count = 0;
    int result = conf_addresses(value, &addresses, &count);

    free(addresses);
    if (result == -1 || count == 0)
        return error_set(error, "must be addresses such as 192.0.2.1 or 2001:db8::1, separated by "
                         "commas");
    return 0;
}

int conf_check_ANY(const char *value, struct error *error)
{
    return value[0] == '\0' ? error_set(error, "must not be empty") : 0;
}

int conf_check_LISTEN(const char *value, struct error *error)
{
    struct address parsed;

    if (address_parse_listen(&parsed, value) == -1)
        return error_set(error, "must be IPV4:PORT, [IPV6]:PORT, *:PORT or an absolute path");
    return 0;
}

int conf_check_MODE(const char *value, struct error *error)
{
    size_t digits = strspn(value, "01234567");

    if (value[digits] != '\0' || digits < 3 || digits > 4 || (digits == 4 && value[0] != '0'))
        return error_set(error, "must be three octal digits, such as 660 or 0660");
    return 0;
}

int conf_check_METRICS(const char *value, struct error *error)
{
    struct address parsed;

    if (address_parse_listen(&parsed, value) == -1)
        return error_set(error, "must be IPV4:PORT, [IPV6]:PORT, *:PORT or the path of a UNIX socket");
#ifndef HAVE_MICROHTTPD
    return error_set(error, "this pop3.proxy is built without libmicrohttpd; remove the key: the "
                            "control socket has the metrics, too");
#endif
    return 0;
}

int conf_check_LOG(const char *value, struct error *error)
{
    if (strcmp(value, "syslog") != 0 && strcmp(value, "stderr") != 0 && value[0] != '/')
        return error_set(error, "must be syslog, stderr or an absolute path");
    return 0;
}

/* conf_find_user() finds out whether they exist. */
int conf_check_USER(const char *value, struct error *error)
{
    const char *colon = strchr(value, ':');

    if (value[0] == '\0' || value[0] == ':' ||
        (colon != NULL && (colon[1] == '\0' || strchr(colon + 1, ':') != NULL)))
        return error_set(error, "must be USER or USER:GROUP");
    return 0;
}

int conf_check_ROUTES(const char *value, struct error *error)
{
    return router_check_tables(value, error);
}

int conf_check_ROUTE_KEYS(const char *value, struct error *error)
{
    return router_check_keys(value, error);
}

int conf_check_GROUP_SERVERS(const char *value, struct error *error)
{
    struct route_server *servers;
    size_t count;

    if (route_group_parse(value, &servers, &count, error) == -1)
        return -1;
    route_group_free_servers(servers, count);
    return 0;
}

int conf_check_DELIMITERS(const char *value, struct error *error)
{
    if (value[0] == '\0')
        return error_set(error, "must be at least one character, such as @");
    for (const char *c = value; *c != '\0'; c++)
        if (!ispunct((unsigned char)*c) || strchr(":.-_[]", *c) != NULL)
            return error_set(error,
                             "must be punctuation characters that no server name has, such as @%%");
    return 0;
}

int conf_check_PREFIX(const char *value, struct error *error)
{
    bool is_name = !octet_is_digit(value[0]);

    for (const char *c = value; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && *c != '_')
            is_name = false;
    if (!is_name)
        return error_set(error, "must be letters, digits and _, and not begin with a digit");
    return 0;
}

/* ---- lists of words of the protocol ---- */

/* Makes a bit mask of the words of a list. Returns -1 at an unknown word. */
static int words_to_mask(const char *list, int (*find)(const char *word, size_t length),
                         unsigned *mask_r)
{
    struct list_entry entry;

    *mask_r = 0;
    while (list_next_word(&list, separators, &entry)) {
        int found = find(entry.text, entry.length);

        if (found == -1)
            return -1;
        *mask_r |= 1U << found;
    }
    return 0;
}

static int find_capability(const char *word, size_t length)
{
    enum capability found = capability_find(word, length);

    return found == CAPABILITY_COUNT ? -1 : (int)found;
}

static int find_mechanism(const char *word, size_t length)
{
    char name[16];
    enum sasl_mechanism found = SASL_MECHANISM_NONE;

    snprintf(name, sizeof(name), "%.*s", (int)length, word);
    if (strlen(name) == length)
        found = sasl_mechanism_find(name);
    return found == SASL_MECHANISM_NONE ? -1 : (int)found;
}

int conf_capability_mask(const char *list, unsigned *mask_r)
{
    return words_to_mask(list, find_capability, mask_r);
}

int conf_mechanism_mask(const char *list, unsigned *mask_r)
{
    if (strcasecmp(list, "none") == 0) {
        *mask_r = 0;
        return 0;
    }
    return words_to_mask(list, find_mechanism, mask_r);
}

/* The words that may be set: without those that only servers announce. */
static const char *capability_words(char text[WORDS_SIZE])
{
    size_t length = 0;

    for (int i = 0; i < CAPABILITY_COUNT; i++) {
        const char *word = capability_word((enum capability)i);

        if (find_capability(word, strlen(word)) == i)
            length += (size_t)snprintf(text + length, WORDS_SIZE - length, "%s%s",
                                       length == 0 ? "" : ", ", word);
    }
    return text;
}

int conf_check_CAPABILITIES(const char *value, struct error *error)
{
    char words[WORDS_SIZE];
    unsigned mask;

    if (conf_capability_mask(value, &mask) == -1)
        return error_set(error, "must be some of %s, separated by commas", capability_words(words));
    return 0;
}

int conf_check_MECHANISMS(const char *value, struct error *error)
{
    unsigned mask;

    if (conf_mechanism_mask(value, &mask) == -1)
        return error_set(error, "must be some of PLAIN, LOGIN, XOAUTH2, OAUTHBEARER and EXTERNAL, "
                                "separated by commas; or none");
    return 0;
}
