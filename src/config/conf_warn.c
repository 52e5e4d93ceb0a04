/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a configuration asks for that is not there yet: programs, directories, names. Looked at as
 * the workers will see it, though nothing here changes who the process is.
 */
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/conf_ini.h"
#include "config/mistakes.h"

enum { RFC_TIMEOUT = 600 };

struct looking {
    const struct conf *conf;
    struct mistakes warnings;
};

/* ---- what the workers' user may do ---- */

/* The kernel's rule: the first class that fits decides. Supplementary groups are given up. */
static bool is_permitted(const struct stat *status, uid_t uid, gid_t gid, int mode)
{
    mode_t bits = status->st_mode;

    if (status->st_uid == uid)
        bits >>= 6;
    else if (status->st_gid == gid)
        bits >>= 3;
    return ((int)bits & mode) == mode;
}

/* As root, access() would say yes to everything: look at the mode of each directory on the way.
 * An access control list may know better; this is a warning. */
static int walk(const struct conf *conf, const char *path, int mode)
{
    char part[PATH_MAX];
    struct stat status;
    size_t length = 0;

    if (strlen(path) >= sizeof(part)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    do {
        length += strspn(path + length, "/");
        length += strcspn(path + length, "/");
        snprintf(part, sizeof(part), "%.*s", (int)length, path);
        if (stat(part, &status) == -1)
            return -1;
        if (!is_permitted(&status, conf->uid, conf->gid, path[length] == '\0' ? mode : X_OK)) {
            errno = EACCES;
            return -1;
        }
    } while (path[length] != '\0');
    return 0;
}

static int may_access(const struct conf *conf, const char *path, int mode)
{
    return geteuid() == 0 ? walk(conf, path, mode) : access(path, mode);
}

/* ---- the warnings, each with the place of its key ---- */

static void warn_key(struct looking *looking, const struct conf_section *section, enum conf_key key,
                     const char *value, const char *why)
{
    struct error error;

    error_set(&error, "%s: %s = %s: %s", section->place[key], conf_key_info(key)->name, value, why);
    mistakes_take(&looking->warnings, error.text);
}

static void look_at_acp(struct looking *looking, const struct conf_section *section)
{
    const char *acp = section->values.acp;
    struct stat status;

    if (acp == NULL)
        return;
    if (stat(acp, &status) == -1)
        warn_key(looking, section, CONF_KEY_acp, acp, strerror(errno));
    else if (!S_ISREG(status.st_mode))
        warn_key(looking, section, CONF_KEY_acp, acp, "is no program");
    else if (may_access(looking->conf, acp, X_OK) == -1)
        warn_key(looking, section, CONF_KEY_acp, acp, "the workers' user may not execute it");
}

static void look_at_directory(struct looking *looking, const struct conf_section *section,
                              enum conf_key key, const char *path, int mode)
{
    struct stat status;

    if (path == NULL)
        return;
    if (stat(path, &status) == -1)
        warn_key(looking, section, key, path, strerror(errno));
    else if (!S_ISDIR(status.st_mode))
        warn_key(looking, section, key, path, "is no directory");
    else if (mode != 0 && may_access(looking->conf, path, mode) == -1)
        warn_key(looking, section, key, path, "the workers' user may not write there");
}

/* A file that the master makes itself: its directory must be there. */
static void look_at_parent(struct looking *looking, enum conf_key key, const char *path)
{
    const struct conf_section *section = &looking->conf->proxy;
    char directory[PATH_MAX];
    const char *slash = path == NULL ? NULL : strrchr(path, '/');

    if (slash == NULL || section->place[key] == NULL)
        return;
    snprintf(directory, sizeof(directory), "%.*s", slash == path ? 1 : (int)(slash - path), path);
    if (access(directory, W_OK | X_OK) == -1)
        warn_key(looking, section, key, path,
                 errno == ENOENT ? "its directory is not there"
                                 : "its directory cannot be written to");
}

static void look_at_timeout(struct looking *looking, const struct conf_section *section)
{
    char value[24];

    if (section->values.timeout >= RFC_TIMEOUT || section->place[CONF_KEY_timeout] == NULL)
        return;
    snprintf(value, sizeof(value), "%lld", (long long)section->values.timeout);
    warn_key(looking, section, CONF_KEY_timeout, value, "RFC 1939 asks for at least 600 seconds");
}

static void look_up_server(struct looking *looking, const struct conf_instance *instance)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int result;

    if (!instance->has_server || instance->section.place[CONF_KEY_server] == NULL)
        return;
    result = getaddrinfo(instance->server.host, NULL, &hints, &found);
    if (result != 0)
        warn_key(looking, &instance->section, CONF_KEY_server, instance->section.values.server,
                 gai_strerror(result));
    else
        freeaddrinfo(found);
}

static void look_at_instance(struct looking *looking, const struct conf_instance *instance,
                             bool look_up)
{
    const struct conf_section *section = &instance->section;

    look_at_acp(looking, section);
    look_at_directory(looking, section, CONF_KEY_client_log, section->values.client_log,
                      W_OK | X_OK);
    look_at_directory(looking, section, CONF_KEY_chroot, section->values.chroot, 0);
    look_at_timeout(looking, section);
    if (look_up)
        look_up_server(looking, instance);
}

void conf_warn(const struct conf *conf, bool look_up, conf_report *report, void *context)
{
    struct looking looking = {.conf = conf};
    const struct conf_values *proxy = &conf->proxy.values;

    looking.warnings.file = conf->proxy.where;
    look_at_parent(&looking, CONF_KEY_pidfile, proxy->pidfile);
    look_at_parent(&looking, CONF_KEY_control, proxy->control);
    look_at_parent(&looking, CONF_KEY_log, proxy->log);
    for (size_t i = 0; i < conf->count; i++)
        look_at_instance(&looking, &conf->instances[i], look_up);
    (void)mistakes_tell(&looking.warnings, report, context);
}
