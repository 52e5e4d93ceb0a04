/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The names in certificates, and which group of certificates serves a host name. Reads no file.
 */
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/octet.h"
#include "tls/tls_openssl.h"

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct tls_name *)a)->name, ((const struct tls_name *)b)->name);
}

/* By name; among entries of one name, the one to be used comes first. */
static int compare_ranks(const void *a, const void *b)
{
    const struct tls_name *left = a, *right = b;
    int order = compare_names(a, b);

    if (order == 0)
        order = (left->until_s < right->until_s) - (left->until_s > right->until_s);
    if (order == 0)
        order = (left->group > right->group) - (left->group < right->group);
    return order;
}

/* A copy of a name in a certificate, in lower case; NULL when it cannot be a host name. */
static char *host_name(const ASN1_STRING *text)
{
    const char *data = (const char *)ASN1_STRING_get0_data(text);
    size_t length = (size_t)ASN1_STRING_length(text);
    char *name;

    if (length == 0 || length >= TLS_NAME_SIZE || memchr(data, '\0', length) != NULL ||
        memchr(data, ',', length) != NULL)
        return NULL;
    name = strndup(data, length);
    for (char *c = name; name != NULL && *c != '\0'; c++)
        *c = octet_lower(*c);
    return name;
}

size_t tls_names_read(const X509 *x509, char *names[TLS_NAMES_MAX])
{
    GENERAL_NAMES *alternatives = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
    size_t count = 0;

    for (int i = 0; i < sk_GENERAL_NAME_num(alternatives) && count < TLS_NAMES_MAX; i++) {
        const GENERAL_NAME *one = sk_GENERAL_NAME_value(alternatives, i);
        if (one->type == GEN_DNS && (names[count] = host_name(one->d.dNSName)) != NULL)
            count++;
    }
    GENERAL_NAMES_free(alternatives);
    if (count == 0) {
        X509_NAME *subject = X509_get_subject_name(x509);
        int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
        if (at >= 0)
            names[0] = host_name(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
        count = at >= 0 && names[0] != NULL;
    }
    qsort(names, count, sizeof(*names), compare_texts);
    return count;
}

char *tls_names_join(char *const *names, size_t count)
{
    size_t size = 1;
    char *joined;

    for (size_t i = 0; i < count; i++)
        size += strlen(names[i]) + 1;
    joined = calloc(1, size);
    for (size_t i = 0, at = 0; joined != NULL && i < count; i++)
        at += (size_t)snprintf(joined + at, size - at, "%s,", names[i]);
    return joined;
}

bool tls_names_add(struct tls_certificates *all, char *const *names, size_t count)
{
    struct tls_name *list;

    if (count == 0)
        return true;
    list = reallocarray(all->names, all->name_count + count, sizeof(*list));
    if (list == NULL)
        return false;
    all->names = list;
    for (size_t i = 0; i < count; i++) {
        const char *name = strncmp(names[i], "*.", 2) == 0 ? names[i] + 1 : names[i];
        char *copy = strdup(name);
        if (copy == NULL)
            return false;
        list[all->name_count++] = (struct tls_name){.name = copy, .group = all->group_count - 1};
    }
    return true;
}

static SSL_CTX *find_name(const struct tls_certificates *certificates, const char *name)
{
    struct tls_name wanted = {.name = (char *)(uintptr_t)name};
    const struct tls_name *found;

    if (certificates->name_count == 0)
        return NULL;
    found = bsearch(&wanted, certificates->names, certificates->name_count,
                    sizeof(*certificates->names), compare_names);
    return found == NULL ? NULL : certificates->groups[found->group].ssl;
}

SSL_CTX *tls_certificates_find(const struct tls_certificates *certificates, const char *name)
{
    char lower[TLS_NAME_SIZE];
    size_t length = strlen(name);
    const char *dot;
    SSL_CTX *found;

    if (length >= sizeof(lower) || name[0] == '.')
        return NULL;
    for (size_t i = 0; i <= length; i++)
        lower[i] = octet_lower(name[i]);
    found = find_name(certificates, lower);
    dot = strchr(lower, '.');
    if (found == NULL && dot != NULL)
        found = find_name(certificates, dot); /* a wildcard matches exactly one label */
    return found;
}

static int64_t group_until_s(const struct tls_group *group)
{
    int64_t last_s = 0;

    for (size_t i = 0; i < TLS_KINDS; i++)
        if (group->kinds[i].until_s > last_s)
            last_s = group->kinds[i].until_s;
    return last_s;
}

void tls_names_rank(struct tls_certificates *all)
{
    size_t kept = 0;

    if (all->name_count == 0)
        return;
    for (size_t i = 0; i < all->name_count; i++)
        all->names[i].until_s = group_until_s(&all->groups[all->names[i].group]);
    qsort(all->names, all->name_count, sizeof(*all->names), compare_ranks);
    for (size_t i = 1; i < all->name_count; i++) {
        if (compare_names(&all->names[kept], &all->names[i]) != 0)
            all->names[++kept] = all->names[i];
        else
            free(all->names[i].name);
    }
    all->name_count = kept + 1;
}

SSL_CTX *tls_certificates_default(const struct tls_certificates *certificates)
{
    const struct tls_group *first = &certificates->groups[0];
    SSL_CTX *found = NULL;

    for (const char *at = first->names; *at != '\0'; at += strcspn(at, ",") + 1) {
        char name[TLS_NAME_SIZE];
        const char *from = strncmp(at, "*.", 2) == 0 ? at + 1 : at;
        SSL_CTX *ssl;

        snprintf(name, sizeof(name), "%.*s", (int)strcspn(from, ","), from);
        ssl = find_name(certificates, name);
        if (found != NULL && ssl != found)
            return first->ssl;
        found = ssl;
    }
    return found != NULL ? found : first->ssl;
}
