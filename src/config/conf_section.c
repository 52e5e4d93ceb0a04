/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Filling a section: defaults, values with their origins, inheritance and overrides. Each key is
 * checked by itself here; conf_instance.c checks what goes with what.
 */
#include "config/conf_section.h"

#include <stdlib.h>
#include <string.h>

enum { VALUE_SHOWN = 80 };

static void *field_of(struct conf_section *section, const struct conf_key_info *info)
{
    return (char *)&section->values + info->offset;
}

static void set_default(struct conf_section *section, const struct conf_key_info *info)
{
    struct error error;

    if (info->default_text != NULL &&
        info->type->parse(&info->rule, info->default_text, field_of(section, info), &error) == -1)
        section->is_incomplete = true;
}

void conf_section_init(struct conf_section *section, const char *name, const char *section_origin)
{
    *section = (struct conf_section){
        .name = strdup(name),
        .section_origin = strdup(section_origin),
    };
    section->is_incomplete = section->name == NULL || section->section_origin == NULL;
    for (int key = 0; key < CONF_KEY_COUNT; key++)
        set_default(section, conf_key_info((enum conf_key)key));
}

void conf_section_free(struct conf_section *section)
{
    for (int key = 0; key < CONF_KEY_COUNT; key++) {
        const struct conf_key_info *info = conf_key_info((enum conf_key)key);

        info->type->free(field_of(section, info));
        free(section->origin[key]);
    }
    free(section->name);
    free(section->section_origin);
    *section = (struct conf_section){0};
}

void conf_mark_wrong(struct conf_section *section, enum conf_key key, const char *origin)
{
    section->is_wrong[key] = true;
    if (section->origin[key] == NULL)
        section->origin[key] = strdup(origin);
}

int conf_set(struct conf_section *section, enum conf_key key, const char *value,
             const char *origin, struct error *error)
{
    const struct conf_key_info *info = conf_key_info(key);
    struct error why;

    if (section->origin[key] != NULL && !section->is_wrong[key])
        return error_set(error, "%s: %s is set twice (first: %s); keep one", origin, info->name,
                         section->origin[key]);
    if (info->type->parse(&info->rule, value, field_of(section, info), &why) == -1) {
        conf_mark_wrong(section, key, origin);
        return error_set(error, "%s: %s = %.*s: %s", origin, info->name, VALUE_SHOWN, value,
                         why.text);
    }
    free(section->origin[key]);
    section->origin[key] = strdup(origin);
    section->is_wrong[key] = false;
    return section->origin[key] == NULL ? error_set(error, "out of memory") : 0;
}

static void copy_key(struct conf_section *to, const struct conf_section *from, int key)
{
    const struct conf_key_info *info = conf_key_info((enum conf_key)key);
    const void *source = (const char *)&from->values + info->offset;

    if (info->type->copy(field_of(to, info), source) == -1)
        to->is_incomplete = true;
    free(to->origin[key]);
    to->origin[key] = strdup(from->origin[key]);
    to->is_incomplete |= to->origin[key] == NULL;
    to->is_wrong[key] = from->is_wrong[key];
}

void conf_inherit(struct conf_section *section, const struct conf_section *defaults)
{
    for (int key = 0; key < CONF_KEY_COUNT; key++)
        if (section->origin[key] == NULL && defaults->origin[key] != NULL)
            copy_key(section, defaults, key);
    section->is_incomplete |= defaults->is_incomplete;
}

void conf_override(struct conf_section *section, const struct conf_section *overrides)
{
    for (int key = 0; key < CONF_KEY_COUNT; key++)
        if (overrides->origin[key] != NULL)
            copy_key(section, overrides, key);
    section->is_incomplete |= overrides->is_incomplete;
}

const char *conf_origin(const struct conf_section *section, enum conf_key key)
{
    return section->origin[key] != NULL ? section->origin[key] : section->section_origin;
}
