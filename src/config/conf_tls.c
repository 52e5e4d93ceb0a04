/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From settings to TLS contexts. Only this file knows both: the contexts know no settings, and the
 * settings know no OpenSSL.
 */
#include "config/conf_tls.h"

#include <stddef.h>

static enum tls_version version_of(int choice)
{
    switch ((enum conf_tls_version)choice) {
    case CONF_TLS_VERSION_1_0:
        return TLS_VERSION_1_0;
    case CONF_TLS_VERSION_1_1:
        return TLS_VERSION_1_1;
    case CONF_TLS_VERSION_1_2:
        break;
    case CONF_TLS_VERSION_1_3:
        return TLS_VERSION_1_3;
    }
    return TLS_VERSION_1_2;
}

/* The settings that OpenSSL checks and that are not certificates: each is reported by its own key. */
static int check_values(const struct conf_instance *instance, struct error *error)
{
    const struct conf_values *values = instance->values;
    struct error why;

    if (values->tls_ciphers != NULL && tls_check_ciphers(values->tls_ciphers, &why) == -1)
        return error_set(error, "%s: tls_ciphers = %s",
                         conf_origin(&instance->section, CONF_KEY_tls_ciphers), why.text);
    if (values->tls_client_ca != NULL && tls_check_client_ca(values->tls_client_ca, &why) == -1)
        return error_set(error, "%s: tls_client_ca = %s",
                         conf_origin(&instance->section, CONF_KEY_tls_client_ca), why.text);
    return 0;
}

int conf_tls_init_clients(struct conf_instance *instance, struct error *error)
{
    const struct conf_values *values = instance->values;
    const struct tls_clients_settings settings = {
        .name = instance->section.name,
        .certificates = values->tls_certificate,
        .keys = values->tls_key,
        .staples = values->tls_ocsp,
        .client_ca = values->tls_client_ca,
        .ciphers = values->tls_ciphers,
        .oldest = version_of(values->tls_min_version),
    };
    struct error why;

    if (values->tls == CONF_TLS_NO || instance->section.is_wrong[CONF_KEY_tls_certificate] ||
        instance->section.is_wrong[CONF_KEY_tls_key] ||
        instance->section.is_wrong[CONF_KEY_tls_ocsp])
        return 0;
    if (values->tls_certificate == NULL)
        return error_set(error, "%s: tls needs tls_certificate = FILE",
                         conf_origin(&instance->section, CONF_KEY_tls));
    if (check_values(instance, error) == -1)
        return -1;
    instance->client_tls = tls_context_for_clients(&settings, &why);
    if (instance->client_tls == NULL)
        return error_set(error, "%s: tls_certificate: %s",
                         conf_origin(&instance->section, CONF_KEY_tls_certificate), why.text);
    return 0;
}

static int present_certificate(struct conf_instance *instance, struct error *error)
{
    const struct conf_values *values = instance->values;
    struct error why;

    if (values->server_tls_certificate == NULL ||
        instance->section.is_wrong[CONF_KEY_server_tls_certificate] ||
        instance->section.is_wrong[CONF_KEY_server_tls_key] ||
        tls_context_present(instance->server_tls, values->server_tls_certificate,
                            values->server_tls_key, &why) == 0)
        return 0;
    return error_set(error, "%s: server_tls_certificate: %s",
                     conf_origin(&instance->section, CONF_KEY_server_tls_certificate), why.text);
}

/* A routing table may ask for TLS with a server whose certificate nobody has signed. */
static int make_any(struct conf_instance *instance, struct error *error)
{
    const struct tls_servers_settings settings = {
        .ciphers = instance->values->server_tls_ciphers,
        .oldest = version_of(instance->values->server_tls_min_version),
        .verify = false,
    };
    struct error why;

    instance->server_tls_any = tls_context_for_servers(&settings, &why);
    if (instance->server_tls_any != NULL)
        return 0;
    return error_set(error, "%s: %s", conf_origin(&instance->section, CONF_KEY_route), why.text);
}

/* A table need not ask for TLS. If one does, and TLS is not built in, such a login fails. */
static bool needs_context(const struct conf_values *values)
{
    return values->server_tls != CONF_SERVER_TLS_NO ||
           (values->route != NULL && (tls_is_built_in() || values->server_tls_ca != NULL));
}

int conf_tls_init_servers(struct conf_instance *instance, struct error *error)
{
    const struct conf_values *values = instance->values;
    const struct tls_servers_settings settings = {
        .ca = values->server_tls_ca,
        .ciphers = values->server_tls_ciphers,
        .oldest = version_of(values->server_tls_min_version),
        .verify = values->server_tls_verify,
    };
    struct error why;

    if (!needs_context(values) || instance->section.is_wrong[CONF_KEY_server_tls_ca])
        return 0;
    if (values->server_tls_ciphers != NULL &&
        tls_check_ciphers(values->server_tls_ciphers, &why) == -1)
        return error_set(error, "%s: server_tls_ciphers = %s",
                         conf_origin(&instance->section, CONF_KEY_server_tls_ciphers), why.text);
    instance->server_tls = tls_context_for_servers(&settings, &why);
    if (instance->server_tls == NULL)
        return error_set(error, "%s: %s",
                         conf_origin(&instance->section, values->server_tls_ca != NULL
                                                             ? CONF_KEY_server_tls_ca
                                                             : CONF_KEY_server_tls),
                         why.text);
    if (values->route != NULL && make_any(instance, error) == -1)
        return -1;
    return present_certificate(instance, error);
}

void conf_tls_keep_only(const struct conf_instance *instance)
{
    struct tls_context *kept[] = {instance->client_tls, instance->server_tls,
                                  instance->server_tls_any};

    tls_keep_only(kept, sizeof(kept) / sizeof(kept[0]));
}
