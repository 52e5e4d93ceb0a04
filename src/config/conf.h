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

#include "base/address.h"
#include "base/error.h"
#include "base/pattern.h"

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
enum conf_scope { CONF_SCOPE_PROXY, CONF_SCOPE_INSTANCE };

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
    struct conf_values values;
    char *place[CONF_KEY_COUNT];
};

/* An instance, checked and ready: what a session is run with. */
struct conf_instance {
    struct conf_section section; /* the values, defaults and inheritance applied */
    bool has_server;
    struct host_port server;      /* port filled in, 110 by default */
    struct pattern_list *allowed; /* NULL: every server may be chosen */
};

const struct conf_key_info *conf_key_info(enum conf_key key);

/* The value is the path of a file or directory. */
bool conf_key_is_path(enum conf_key key);

/* Finds a key by its name. Returns CONF_KEY_COUNT when there is none. */
enum conf_key conf_key_find(const char *name);

/* Begins a section with every default. `name` is copied. conf_section_free() wipes nothing: no
 * setting is a secret. */
void conf_section_init(struct conf_section *section, const char *name);
void conf_section_free(struct conf_section *section);

/*
 * Parses and stores one value. `place` (copied) is where it was found. Returns 0, or -1 with the
 * error "PLACE: KEY = VALUE: what would be right"; a key set twice is an error too.
 */
int conf_set(struct conf_section *section, enum conf_key key, const char *value,
             const char *place, struct error *error);

/* Copies what `defaults` has set and `section` has not. */
void conf_inherit(struct conf_section *section, const struct conf_section *defaults);

/*
 * Checks a filled section as a whole and makes the instance of it, whose section it takes over
 * (and frees on failure as well). Limits that were not set are cut to `timeout`. Returns 0, or -1
 * with `error` set.
 */
int conf_instance_init(struct conf_instance *instance, struct conf_section *section,
                       struct error *error);
void conf_instance_free(struct conf_instance *instance);

/* ---- a whole configuration ---- */

/* The server process and its instances. */
struct conf {
    struct conf_section proxy;
    size_t count;
    struct conf_instance *instances;
};

void conf_free(struct conf *conf);

#endif
