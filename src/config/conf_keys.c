/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of conf_keys.def as an array.
 */
#include "config/conf_keys.h"

#include <string.h>

#define TEXT_OF(x) #x
#define GROUP_PREFIX "group_"
/* The name of a group's key is the row's name without the prefix. */
#define NAME_OF(text, scope) ((text) + ((scope) == CONF_SCOPE_GROUP ? sizeof(GROUP_PREFIX) - 1 : 0))

static const struct conf_key_info keys[CONF_KEY_COUNT] = {
#define CONF_FLAG(key, key_scope, letter, value, key_help)                                         \
    [CONF_KEY_##key] = {.name = NAME_OF(#key, CONF_SCOPE_##key_scope),                                                              \
                        .type = &conf_value_flag,                                                  \
                        .scope = CONF_SCOPE_##key_scope,                                           \
                        .option = letter,                                                          \
                        .default_text = (value) ? "yes" : "no",                                    \
                        .help = key_help,                                                          \
                        .offset = offsetof(struct conf_values, key)},
#define CONF_NUMBER(key, key_scope, letter, value, least, most, key_unit, key_help)                \
    [CONF_KEY_##key] = {.name = NAME_OF(#key, CONF_SCOPE_##key_scope),                                                              \
                        .type = &conf_value_number,                                                \
                        .rule = {.min = least, .max = most, .unit = key_unit},                     \
                        .scope = CONF_SCOPE_##key_scope,                                           \
                        .option = letter,                                                          \
                        .argument = "N",                                                           \
                        .default_text = TEXT_OF(value),                                            \
                        .help = key_help,                                                          \
                        .offset = offsetof(struct conf_values, key)},
#define CONF_TEXT(key, key_scope, letter, value, what, key_check, key_help)                        \
    [CONF_KEY_##key] = {.name = NAME_OF(#key, CONF_SCOPE_##key_scope),                                                              \
                        .type = &conf_value_text,                                                  \
                        .rule = {.check = conf_check_##key_check},                                 \
                        .scope = CONF_SCOPE_##key_scope,                                           \
                        .option = letter,                                                          \
                        .argument = what,                                                          \
                        .default_text = value,                                                     \
                        .help = key_help,                                                          \
                        .offset = offsetof(struct conf_values, key)},
#define CONF_CHOICE(key, key_scope, letter, value, key_words, key_help)                            \
    [CONF_KEY_##key] = {.name = NAME_OF(#key, CONF_SCOPE_##key_scope),                                                              \
                        .type = &conf_value_choice,                                                \
                        .rule = {.words = key_words},                                              \
                        .scope = CONF_SCOPE_##key_scope,                                           \
                        .option = letter,                                                          \
                        .argument = key_words,                                                     \
                        .default_text = value,                                                     \
                        .help = key_help,                                                          \
                        .offset = offsetof(struct conf_values, key)},
#include "config/conf_keys.def"
#undef CONF_FLAG
#undef CONF_NUMBER
#undef CONF_TEXT
#undef CONF_CHOICE
};

const struct conf_key_info *conf_key_info(enum conf_key key)
{
    return &keys[key];
}

bool conf_key_is_of_group(enum conf_key key)
{
    return keys[key].scope == CONF_SCOPE_GROUP;
}

static enum conf_key find(const char *name, bool is_in_group)
{
    int key = 0;

    while (key < CONF_KEY_COUNT && (conf_key_is_of_group((enum conf_key)key) != is_in_group ||
                                    strcmp(keys[key].name, name) != 0))
        key++;
    return (enum conf_key)key;
}

enum conf_key conf_key_find(const char *name)
{
    return find(name, false);
}

enum conf_key conf_key_find_in_group(const char *name)
{
    return find(name, true);
}

/* `log` and `listen` take words as well ("syslog", "*:110"): only a slash makes a path of those. */
bool conf_is_relative_path(enum conf_key key, const char *value)
{
    conf_check *check = keys[key].rule.check;

    if (value[0] == '/' || value[0] == '\0')
        return false;
    if (check == conf_check_LOG || check == conf_check_LISTEN)
        return strchr(value, '/') != NULL;
    return check == conf_check_PATH;
}
