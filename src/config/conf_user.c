/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Users and groups in the settings, as names or numbers: those that the workers run with, and those
 * that a UNIX socket belongs to.
 */
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/conf.h"

enum { NAME_BYTES = 256, LARGEST_ID_DIGITS = 10 };

/* Parses "0" to "4294967294". The number above means "leave it as it is" to the kernel. */
static int parse_id(const char *text, unsigned *id)
{
    size_t digits = strspn(text, "0123456789");
    unsigned long number;

    if (digits == 0 || digits > LARGEST_ID_DIGITS || text[digits] != '\0')
        return -1;
    number = strtoul(text, NULL, 10);
    if (number >= UINT32_MAX)
        return -1;
    *id = (unsigned)number;
    return 0;
}

/* Returns 0 with the user's own group as well, if it has one; -1 when there is no such user. */
static int find_user(const char *name, uid_t *uid, gid_t *gid, bool *has_group)
{
    const struct passwd *entry = getpwnam(name);

    if (entry == NULL && parse_id(name, uid) == 0) {
        entry = getpwuid(*uid);
        *has_group = entry != NULL;
        if (entry != NULL)
            *gid = entry->pw_gid;
        return 0;
    }
    if (entry == NULL)
        return -1;
    *has_group = true;
    *uid = entry->pw_uid;
    *gid = entry->pw_gid;
    return 0;
}

static int find_group(const char *name, gid_t *gid)
{
    const struct group *entry = getgrnam(name);

    if (entry == NULL)
        return parse_id(name, gid);
    *gid = entry->gr_gid;
    return 0;
}

static int refuse(const struct conf_section *section, struct error *error, const char *mend)
{
    return error_set(error, "%s: user = %s: %s", section->origin[CONF_KEY_user],
                     section->values.user, mend);
}

/* The values of three keys; NULL: not set. */
struct rights_keys {
    enum conf_key owner_key, group_key;
    const char *mode, *owner, *group;
};

static int refuse_name(const struct conf_section *section, struct error *error, enum conf_key key,
                       const char *name, const char *kind)
{
    return error_set(error, "%s: %s = %s: there is no such %s; create it, or name another",
                     conf_origin(section, key), conf_key_info(key)->name, name, kind);
}

static int find_rights(const struct conf_section *section, const struct rights_keys *keys,
                       struct unix_socket_rights *rights, struct error *error)
{
    bool has_group;
    gid_t unused;

    *rights = (struct unix_socket_rights){.uid = (uid_t)-1, .gid = (gid_t)-1};
    rights->has_mode = keys->mode != NULL;
    if (rights->has_mode)
        rights->mode = (mode_t)strtoul(keys->mode, NULL, 8);
    if (keys->owner != NULL && find_user(keys->owner, &rights->uid, &unused, &has_group) == -1)
        return refuse_name(section, error, keys->owner_key, keys->owner, "user");
    if (keys->group != NULL && find_group(keys->group, &rights->gid) == -1)
        return refuse_name(section, error, keys->group_key, keys->group, "group");
    return 0;
}

int conf_find_listen_rights(const struct conf_section *section, struct unix_socket_rights *rights,
                            struct error *error)
{
    const struct rights_keys keys = {.owner_key = CONF_KEY_listen_owner,
                                     .group_key = CONF_KEY_listen_group,
                                     .mode = section->values.listen_mode,
                                     .owner = section->values.listen_owner,
                                     .group = section->values.listen_group};

    return find_rights(section, &keys, rights, error);
}

int conf_find_metrics_rights(const struct conf_section *section, struct unix_socket_rights *rights,
                             struct error *error)
{
    const struct rights_keys keys = {.owner_key = CONF_KEY_metrics_owner,
                                     .group_key = CONF_KEY_metrics_group,
                                     .mode = section->values.metrics_mode,
                                     .owner = section->values.metrics_owner,
                                     .group = section->values.metrics_group};

    return find_rights(section, &keys, rights, error);
}

int conf_find_user(const struct conf_section *section, uid_t *uid, gid_t *gid, struct error *error)
{
    char user[NAME_BYTES];
    char *group;
    bool has_group = false;

    *uid = CONF_DEFAULT_UID;
    *gid = CONF_DEFAULT_GID;
    if (section->values.user == NULL)
        return 0;
    if ((size_t)snprintf(user, sizeof(user), "%s", section->values.user) >= sizeof(user))
        return refuse(section, error, "the name is too long");
    group = strchr(user, ':');
    if (group != NULL)
        *group++ = '\0';
    if (find_user(user, uid, gid, &has_group) == -1)
        return refuse(section, error, "there is no such user; create it, or name another");
    if (group != NULL && find_group(group, gid) == -1)
        return refuse(section, error, "there is no such group; create it, or name another");
    if (group == NULL && !has_group)
        return refuse(section, error, "a number without an account needs a group: USER:GROUP");
    if (*uid == 0)
        return refuse(section, error, "workers must not run as root; name another user");
    return 0;
}
