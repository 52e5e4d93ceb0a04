/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a configuration asks for that is not there yet: programs, directories, names. Looked at as
 * the workers will see it, though nothing here changes who the process is.
 */
#include "config/conf_warn.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/mistakes.h"
#include "tls/tls.h"

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

/* ---- the warnings, each with the origin of its key ---- */

static void warn_key(struct looking *looking, const struct conf_section *section, enum conf_key key,
                     const char *value, const char *why)
{
    struct error error;

    error_set(&error, "%s: %s = %s: %s",
              conf_origin(section, key), conf_key_info(key)->name, value, why);
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

/* Only a directory is looked into by the workers. */
static void look_at_trust(struct looking *looking, const struct conf_section *section)
{
    const struct conf_values *values = &section->values;
    struct stat status;

    if (values->server_tls != CONF_SERVER_TLS_NO && values->server_tls_verify &&
        values->server_tls_ca != NULL && stat(values->server_tls_ca, &status) == 0 &&
        S_ISDIR(status.st_mode) && may_access(looking->conf, values->server_tls_ca, X_OK) == -1)
        warn_key(looking, section, CONF_KEY_server_tls_ca, values->server_tls_ca,
                 "the workers' user may not look there");
}

/* A file that the master makes itself, or goes on in when it is there (`is_continued`). Nothing
 * else may be in its place. */
static void look_at_file(struct looking *looking, enum conf_key key, const char *path,
                         bool is_continued)
{
    const struct conf_section *section = &looking->conf->proxy;
    char directory[PATH_MAX];
    const char *slash = path == NULL ? NULL : strrchr(path, '/');
    struct stat status;
    bool is_there;

    if (slash == NULL || section->origin[key] == NULL)
        return;
    is_there = stat(path, &status) == 0;
    snprintf(directory, sizeof(directory), "%.*s", slash == path ? 1 : (int)(slash - path), path);
    if (is_there && S_ISDIR(status.st_mode))
        warn_key(looking, section, key, path, "is a directory; name a file in it");
    else if (is_there && is_continued && access(path, W_OK) == -1)
        warn_key(looking, section, key, path, "cannot be written to");
    else if (!(is_there && is_continued) && access(directory, W_OK | X_OK) == -1)
        warn_key(looking, section, key, path,
                 errno == ENOENT ? "its directory is not there"
                                 : "its directory cannot be written to");
}

/* ---- what the machine gives ---- */

/* A number that the kernel shows; `otherwise` where it does not. */
static unsigned long long kernel_limit(const char *path, unsigned long long otherwise)
{
    FILE *file = fopen(path, "re");
    unsigned long long limit = otherwise;

    if (file == NULL)
        return otherwise;
    if (fscanf(file, "%llu", &limit) != 1)
        limit = otherwise;
    fclose(file);
    return limit;
}

static void warn_limit(struct looking *looking, const struct conf_section *section,
                       enum conf_key key, int64_t number, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

static void warn_limit(struct looking *looking, const struct conf_section *section,
                       enum conf_key key, int64_t number, const char *format, ...)
{
    char value[24];
    char why[ERROR_TEXT_SIZE];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);
    snprintf(value, sizeof(value), "%" PRId64, number);
    warn_key(looking, section, key, value, why);
}

static void look_at_memory(struct looking *looking, const struct conf_section *section)
{
    struct conf_pool_shape shape = conf_pool_shape(&section->values);
    double needed = (double)shape.worker_count * (double)shape.worker_slots *
                    (double)CONF_SLOT_BYTES;
    double there = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);

    if (needed > there)
        warn_limit(looking, section, CONF_KEY_max_workers, section->values.max_workers,
                   "with sessions_per_worker = %zu takes %.1f GB to watch them all, of the %.1f GB "
                   "of this machine; lower one of the two",
                   shape.places, needed / 1e9, there / 1e9);
}

/* Whether a worker could raise its limit: root may, unless it is held by its capabilities. */
static bool can_raise_descriptors(struct rlimit limit, unsigned long long needed)
{
    struct rlimit raised = {.rlim_cur = limit.rlim_cur, .rlim_max = (rlim_t)needed};

    if (setrlimit(RLIMIT_NOFILE, &raised) == -1)
        return false;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    return true;
}

static void look_at_coroutines(struct looking *looking, const struct conf_section *section)
{
    int64_t wanted = section->values.sessions_per_worker;

    if (wanted > (int64_t)conf_pool_shape(&section->values).places)
        warn_limit(looking, section, CONF_KEY_sessions_per_worker, wanted,
                   "the processor guards return addresses by a shadow stack, so each worker serves "
                   "one session at a time; see that max_workers is as many as there are to be");
}

static void look_at_descriptors(struct looking *looking, const struct conf_section *section)
{
    size_t places = conf_pool_shape(&section->values).places;
    unsigned long long needed = places * CONF_DESCRIPTORS_A_SESSION + CONF_DESCRIPTORS_BESIDES;
    struct rlimit limit;

    if (places == 1 || getrlimit(RLIMIT_NOFILE, &limit) == -1 || limit.rlim_max == RLIM_INFINITY)
        return;
    if (needed > limit.rlim_max && !can_raise_descriptors(limit, needed))
        warn_limit(looking, section, CONF_KEY_sessions_per_worker, (int64_t)places,
                   "needs %llu open files a worker, and the limit is %llu; raise that (ulimit -n, "
                   "LimitNOFILE), or lower the number and have more workers",
                   needed, (unsigned long long)limit.rlim_max);
}

/* All pools at their full size, a helper each, the master and who shows the status. */
static void look_at_processes(struct looking *looking)
{
    const struct conf *conf = looking->conf;
    const struct conf_section *largest = NULL;
    unsigned long long allowed = kernel_limit("/proc/sys/kernel/pid_max", ULLONG_MAX);
    unsigned long long needed = 2;

    for (size_t i = 0; i < conf->count; i++) {
        const struct conf_section *section = &conf->instances[i].section;

        needed += (unsigned long long)section->values.max_workers + 1;
        if (largest == NULL || section->values.max_workers > largest->values.max_workers)
            largest = section;
    }
    if (largest != NULL && needed > allowed)
        warn_limit(looking, largest, CONF_KEY_max_workers, largest->values.max_workers,
                   "makes up to %llu processes of all instances, and the kernel has numbers for "
                   "%llu; raise kernel.pid_max, or lower max_workers",
                   needed, allowed);
}

/* ---- one instance ---- */

static void look_at_timeout(struct looking *looking, const struct conf_section *section)
{
    char value[24];

    if (section->values.timeout >= RFC_TIMEOUT || section->origin[CONF_KEY_timeout] == NULL)
        return;
    snprintf(value, sizeof(value), "%lld", (long long)section->values.timeout);
    warn_key(looking, section, CONF_KEY_timeout, value, "RFC 1939 asks for at least 600 seconds");
}

static void look_up_server(struct looking *looking, const struct conf_instance *instance)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int result;

    if (!instance->has_server || instance->section.origin[CONF_KEY_server] == NULL)
        return;
    result = getaddrinfo(instance->server.host, NULL, &hints, &found);
    if (result != 0)
        warn_key(looking, &instance->section, CONF_KEY_server, instance->values->server,
                 gai_strerror(result));
    else
        freeaddrinfo(found);
}

struct expiry_look {
    struct looking *looking;
    const struct conf_section *section;
    enum conf_key key;
};

static void warn_of_expiry(void *context, const char *path, int64_t days)
{
    const struct expiry_look *look = context;
    char words[64] = "the certificate has expired";

    if (days >= 0)
        snprintf(words, sizeof(words), "the certificate expires in %" PRId64 " days", days);
    warn_key(look->looking, look->section, look->key, path, words);
}

static void look_at_certificates(struct looking *looking, const struct conf_instance *instance)
{
    const struct conf_section *section = &instance->section;
    struct expiry_look client = {looking, section, CONF_KEY_tls_certificate};
    struct expiry_look server = {looking, section, CONF_KEY_server_tls_certificate};

    tls_context_report_expiry(instance->client_tls, clock_wall_s(), warn_of_expiry, &client);
    tls_context_report_expiry(instance->server_tls, clock_wall_s(), warn_of_expiry, &server);
}

/* `is_test`: what a start looks at by itself, too. */
static void look_at_instance(struct looking *looking, const struct conf_instance *instance,
                             bool is_test)
{
    const struct conf_section *section = &instance->section;

    look_at_acp(looking, section);
    look_at_directory(looking, section, CONF_KEY_client_log, section->values.client_log,
                      W_OK | X_OK);
    look_at_directory(looking, section, CONF_KEY_chroot, section->values.chroot, 0);
    look_at_trust(looking, section);
    look_at_timeout(looking, section);
    look_at_memory(looking, section);
    look_at_coroutines(looking, section);
    look_at_descriptors(looking, section);
    if (is_test) {
        look_up_server(looking, instance);
        look_at_certificates(looking, instance);
    }
}

void conf_warn(const struct conf *conf, bool is_test, conf_report *report, void *context)
{
    struct looking looking = {.conf = conf};
    const struct conf_values *proxy = &conf->proxy.values;

    looking.warnings.file = conf->proxy.section_origin;
    look_at_file(&looking, CONF_KEY_pidfile, proxy->pidfile, false);
    look_at_file(&looking, CONF_KEY_control, proxy->control, false);
    look_at_file(&looking, CONF_KEY_log, proxy->log, true);
    look_at_processes(&looking);
    for (size_t i = 0; i < conf->count; i++)
        look_at_instance(&looking, &conf->instances[i], is_test);
    (void)mistakes_tell(&looking.warnings, report, context);
}
