/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The settings: what every key means, its type, range and default, and the checked result that
 * sessions are run with. Where the values come from (command line, file) is not known here.
 *
 * Settings are built as a whole, checked as a whole, and never changed afterwards.
 */
#ifndef CONFIG_CONF_H
#define CONFIG_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/address.h"
#include "base/error.h"
#include "base/pattern.h"
#include "tls/tls.h"

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

enum conf_type { CONF_TYPE_FLAG, CONF_TYPE_NUMBER, CONF_TYPE_TEXT, CONF_TYPE_CHOICE };

/* A key of the pool means nothing to a superserver's one session, nor does one of [proxy]. */
enum conf_scope { CONF_SCOPE_PROXY, CONF_SCOPE_POOL, CONF_SCOPE_INSTANCE };

/* One value a key. Texts are owned by the section that holds them. A choice is the index of the
 * word in its list. */
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
enum conf_tls_version { CONF_TLS_VERSION_1_2, CONF_TLS_VERSION_1_3 };
enum conf_proxy_protocol { CONF_PROXY_NO, CONF_PROXY_YES, CONF_PROXY_V1, CONF_PROXY_V2 };
enum conf_send_proxy { CONF_SEND_PROXY_NO, CONF_SEND_PROXY_V1, CONF_SEND_PROXY_V2 };
enum conf_server_auth { CONF_SERVER_AUTH_USERPASS, CONF_SERVER_AUTH_PLAIN };
enum conf_server_tls { CONF_SERVER_TLS_NO, CONF_SERVER_TLS_STLS, CONF_SERVER_TLS_IMPLICIT };

/* What is known of a key, for the parsers, --help and the tests. */
struct conf_key_info {
    const char *name;
    enum conf_type type;
    enum conf_scope scope;
    char option;          /* short option, or 0 */
    const char *argument; /* what --help calls the value; NULL for a flag */
    const char *default_text;
    int64_t min;
    int64_t max;
    const char *help;
};

/* A section while it is being filled. `place` of a key says where it was set ("FILE:LINE", or the
 * option's name); NULL while it was not. */
struct conf_section {
    char *name;
    char *where; /* the place of the section itself: "FILE:LINE" of its header */
    struct conf_values values;
    char *place[CONF_KEY_COUNT];
    bool is_wrong[CONF_KEY_COUNT]; /* set, but to what it cannot be: reported, and not missing */
};

/* What a pool has at most, and how its scoreboard is laid out. Where a worker cannot carry more than
 * one session at once, it is that of sessions_per_worker = 1. */
struct conf_pool_shape {
    size_t places;       /* sessions a worker carries at once */
    size_t worker_slots; /* slots of a worker: one, or one and those of its places */
    size_t worker_count; /* workers that there are slots for */
};

struct conf_pool_shape conf_pool_shape(const struct conf_values *values);

/* Open files of a worker: client and server of a session, and for a moment the helper's answer or a
 * second address (of a server with many addresses more may be tried at once); and what it has
 * besides. */
enum { CONF_DESCRIPTORS_A_SESSION = 3, CONF_DESCRIPTORS_BESIDES = 64 };

/* An instance, checked and ready: what a session is run with. It does not move: `values` points
 * into it. */
struct conf_instance {
    struct conf_section section;      /* defaults and inheritance applied */
    const struct conf_values *values; /* those of the section */
    bool has_server;
    uint16_t server_port;         /* of a server named without one: 110, or 995 */
    struct host_port server;      /* port filled in */
    unsigned capabilities; /* bit mask of those that may be announced */
    unsigned mechanisms;   /* bit mask of the SASL mechanisms that are offered */
    struct pattern_list *allowed; /* NULL: every server may be chosen */
    struct address_network *proxies; /* who must send a PROXY header */
    size_t proxy_count;
    struct tls_context *client_tls; /* towards clients; NULL: none */
    struct tls_context *server_tls; /* towards servers; NULL: none */
};

const struct conf_key_info *conf_key_info(enum conf_key key);

/* The value names a file or directory by a relative path; the key wants an absolute one. */
bool conf_is_relative_path(enum conf_key key, const char *value);

/* Finds a key by its name. Returns CONF_KEY_COUNT when there is none. */
enum conf_key conf_key_find(const char *name);

/* Begins a section with every default. `name` and `where` are copied. conf_section_free() wipes
 * nothing: no setting is a secret. */
void conf_section_init(struct conf_section *section, const char *name, const char *where);
void conf_section_free(struct conf_section *section);

/*
 * Parses and stores one value. `place` (copied) is where it was found. Returns 0, or -1 with the
 * error "PLACE: KEY = VALUE: what would be right"; a key set twice is an error too.
 */
int conf_set(struct conf_section *section, enum conf_key key, const char *value,
             const char *place, struct error *error);

/* Notes that the key was set at `place` (copied) to something that was refused already, so that
 * later checks do not call it missing. conf_set() does so where it fails. */
void conf_mark_wrong(struct conf_section *section, enum conf_key key, const char *place);

/* Copies what `defaults` has set and `section` has not. */
void conf_inherit(struct conf_section *section, const struct conf_section *defaults);

/* Copies what `overrides` has set, whatever `section` has: the command line against the file. */
void conf_override(struct conf_section *section, const struct conf_section *overrides);

/* Called once a mistake, with one line "FILE:LINE: what is wrong and what would be right". */
typedef void conf_report(void *context, const char *text);

/*
 * Checks a filled section as a whole and makes the instance of it, whose section it takes over
 * (and frees on failure as well). Limits that were not set are cut to `timeout`. Reads the files
 * the settings name, private keys among them: call it before privileges are given up. Reports every
 * mistake. Returns 0, or -1.
 */
int conf_instance_build(struct conf_instance *instance, struct conf_section *section,
                        conf_report *report, void *context);

/* The same for those who can tell of one mistake only. Returns 0, or -1 with `error` set. */
int conf_instance_init(struct conf_instance *instance, struct conf_section *section,
                       struct error *error);
void conf_instance_free(struct conf_instance *instance);

/* ---- a whole configuration ---- */

/* The manual's user and group for a start by root without any other setting. */
enum { CONF_DEFAULT_UID = 65535, CONF_DEFAULT_GID = 65534 };

/* The server process and its instances. */
struct conf {
    struct conf_section proxy;
    uid_t uid; /* who the workers are, when started by root: never 0 */
    gid_t gid;
    size_t count;
    struct conf_instance *instances;
};

/*
 * Looks up the section's `user`, by name or number, or takes the manual's. USER alone means the
 * user's own group. Returns 0, or -1 with `error` set when there is no such user or group, or when
 * it is root.
 */
int conf_find_user(const struct conf_section *section, uid_t *uid, gid_t *gid, struct error *error);

void conf_free(struct conf *conf);

#endif
