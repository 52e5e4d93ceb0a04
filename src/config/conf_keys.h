/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of configuration keys: what each is called, what type, range and default it has, and
 * where its value is kept. This file does not know where values come from.
 */
#ifndef CONFIG_CONF_KEYS_H
#define CONFIG_CONF_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/conf_check.h"
#include "config/conf_value.h"

enum conf_key {
#define CONF_FLAG(name, ...)   CONF_KEY_##name,
#define CONF_NUMBER(name, ...) CONF_KEY_##name,
#define CONF_TEXT(name, ...)   CONF_KEY_##name,
#define CONF_CHOICE(name, ...) CONF_KEY_##name,
#include "config/conf_keys.def"
#undef CONF_FLAG
#undef CONF_NUMBER
#undef CONF_TEXT
#undef CONF_CHOICE
    CONF_KEY_COUNT
};

/* Where a key may stand. A session that a superserver starts takes the keys of INSTANCE only. */
enum conf_scope { CONF_SCOPE_PROXY, CONF_SCOPE_POOL, CONF_SCOPE_INSTANCE, CONF_SCOPE_GROUP };

/* One value for each key. A text is NULL when it is not set; the section that holds it owns it. A
 * choice is the index of the word in its list. */
struct conf_values {
#define CONF_FLAG(name, ...)   bool name;
#define CONF_NUMBER(name, ...) int64_t name;
#define CONF_TEXT(name, ...)   char *name;
#define CONF_CHOICE(name, ...) int name;
#include "config/conf_keys.def"
#undef CONF_FLAG
#undef CONF_NUMBER
#undef CONF_TEXT
#undef CONF_CHOICE
};

/* The choices of some keys, in the order of their words. */
enum conf_tls { CONF_TLS_NO, CONF_TLS_STLS, CONF_TLS_REQUIRED, CONF_TLS_IMPLICIT };
enum conf_tls_version {
    CONF_TLS_VERSION_1_0,
    CONF_TLS_VERSION_1_1,
    CONF_TLS_VERSION_1_2,
    CONF_TLS_VERSION_1_3,
};
enum conf_proxy_protocol { CONF_PROXY_NO, CONF_PROXY_YES, CONF_PROXY_V1, CONF_PROXY_V2 };
enum conf_send_proxy { CONF_SEND_PROXY_NO, CONF_SEND_PROXY_V1, CONF_SEND_PROXY_V2 };
enum conf_server_auth {
    CONF_SERVER_AUTH_AUTO,
    CONF_SERVER_AUTH_USERPASS,
    CONF_SERVER_AUTH_PLAIN,
};
enum conf_server_words { CONF_SERVER_WORDS_KNOWN, CONF_SERVER_WORDS_ALL, CONF_SERVER_WORDS_NONE };
enum conf_server_tls { CONF_SERVER_TLS_NO, CONF_SERVER_TLS_STLS, CONF_SERVER_TLS_IMPLICIT };
enum conf_group_check {
    CONF_GROUP_CHECK_NO,
    CONF_GROUP_CHECK_CONNECT,
    CONF_GROUP_CHECK_GREETING,
    CONF_GROUP_CHECK_TLS,
};

/* sandbox: enum sandbox_mode of base/sandbox.h. */

/* A row of the table, for the parsers, --help and the tests. */
struct conf_key_info {
    const char *name; /* as it is written: the name of a group's key is the row's name without the
                       * prefix, and an instance may have a key of the same name */
    const struct conf_value_type *type;
    struct conf_value_rule rule; /* what a value may be */
    enum conf_scope scope;
    char option;              /* short option, or 0 */
    const char *argument;     /* what --help calls the value; NULL for a flag, which needs none */
    const char *default_text; /* NULL: not set */
    const char *help;
    size_t offset; /* of the field in struct conf_values */
};

const struct conf_key_info *conf_key_info(enum conf_key key);

/* Finds a key by its name, among those of instances and the server or among those of groups. Returns
 * CONF_KEY_COUNT when no key there has this name. */
enum conf_key conf_key_find(const char *name);
enum conf_key conf_key_find_in_group(const char *name);

/* Whether the key stands in a section [group NAME]. Such a key has no option. */
bool conf_key_is_of_group(enum conf_key key);

/* Whether the value is a relative path, given for a key that wants an absolute one. */
bool conf_is_relative_path(enum conf_key key, const char *value);

#endif
