/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keys for tables. The escapes are those of perdition's query_key, so that its users need not learn
 * others.
 */
#include "route/route_key.h"

#include <string.h>

#include "base/octet.h"

/* A part of the login or the connection. */
struct part {
    const char *text; /* NULL: missing */
    size_t length;
};

/* The last delimiter of the login, as in the selection of the server; NULL without one. */
static const char *find_delimiter(const struct route_key_parts *parts)
{
    const char *found = NULL;

    for (const char *c = parts->login; *c != '\0'; c++)
        if (strchr(parts->delimiters, *c) != NULL)
            found = c;
    return found;
}

static struct part whole(const char *text)
{
    return (struct part){.text = text[0] == '\0' ? NULL : text, .length = strlen(text)};
}

static struct part part_of(char escape, const struct route_key_parts *parts)
{
    const char *delimiter = find_delimiter(parts);

    switch (escape) {
    case 'U':
        return whole(parts->login);
    case 'u':
        if (delimiter == NULL)
            return whole(parts->login);
        return (struct part){.text = parts->login, .length = (size_t)(delimiter - parts->login)};
    case 'D':
        return (struct part){.text = delimiter, .length = 1};
    case 'd':
        return whole(delimiter == NULL ? "" : delimiter + 1);
    case 'i':
        return whole(parts->client);
    case 'p':
        return whole(parts->client_port);
    case 'I':
        return whole(parts->local);
    case 'P':
        return whole(parts->local_port);
    default:
        return (struct part){.text = "\\", .length = 1};
    }
}

int route_key_check(const char *template, size_t length, struct error *error)
{
    if (length == 0)
        return error_set(error, "a key is empty");
    for (size_t i = 0; i < length; i++) {
        if (octet_is_blank(template[i]) || octet_is_control(template[i]))
            return error_set(error, "a key has no blanks in it");
        if (template[i] != '\\')
            continue;
        if (i + 1 == length || strchr("UudDiIpP\\", template[i + 1]) == NULL)
            return error_set(error, "unknown escape; known are \\U \\u \\d \\D \\i \\I \\p \\P \\\\");
        i++;
    }
    return 0;
}

bool route_key_make(const char *template, size_t length, const struct route_key_parts *parts,
                    char key[ROUTE_KEY_SIZE])
{
    size_t made = 0;

    for (size_t i = 0; i < length; i++) {
        struct part part = {.text = &template[i], .length = 1};
        if (template[i] == '\\')
            part = part_of(template[++i], parts);
        if (part.text == NULL || part.length >= ROUTE_KEY_SIZE - made)
            return false;
        memcpy(key + made, part.text, part.length);
        made += part.length;
    }
    key[made] = '\0';
    for (char *c = key; *c != '\0'; c++)
        *c = octet_lower(*c);
    return made > 0;
}
