/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a configuration needs and the machine does not have yet: programs, directories, names,
 * memory, limits. Files are checked with the rights of the workers' user, although nothing here
 * changes the user of the process.
 */
#include "config/conf_warn.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/number.h"
#include "config/conf_group.h"
#include "config/conf_route.h"
#include "config/mistakes.h"
#include "tls/tls.h"

enum { RFC_TIMEOUT = 600 };

struct survey {
    const struct conf *conf; /* NULL: one session of a superserver */
    uid_t uid;               /* who serves the sessions */
    gid_t gid;
    struct mistakes warnings;
};

/* ---- what the workers' user may do ---- */

/* The kernel's rule: the first class that fits decides. The workers have no supplementary groups.
 */
static bool is_permitted(const struct stat *status, uid_t uid, gid_t gid, int mode)
{
    mode_t bits = status->st_mode;

    if (status->st_uid == uid)
        bits >>= 6;
    else if (status->st_gid == gid)
        bits >>= 3;
    return ((int)bits & mode) == mode;
}

/* For root, access() would permit everything, so the mode of each directory on the way is checked.
 * An access control list may say otherwise; therefore this only warns. */
static int walk(const struct survey *survey, const char *path, int mode)
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
        if (!is_permitted(&status, survey->uid, survey->gid, path[length] == '\0' ? mode : X_OK)) {
            errno = EACCES;
            return -1;
        }
    } while (path[length] != '\0');
    return 0;
}

static int may_access(const struct survey *survey, const char *path, int mode)
{
    return geteuid() == 0 ? walk(survey, path, mode) : access(path, mode);
}

/* ---- the warnings, each with the origin of its key ---- */

static void warn_key(struct survey *survey, const struct conf_section *section, enum conf_key key,
                     const char *value, const char *why)
{
    struct error error;

    error_set(&error, "%s: %s = %s: %s", conf_origin(section, key), conf_key_info(key)->name, value,
              why);
    mistakes_take(&survey->warnings, error.text);
}

static void check_acp(struct survey *survey, const struct conf_section *section)
{
    const char *acp = section->values.acp;
    struct stat status;

    if (acp == NULL)
        return;
    if (stat(acp, &status) == -1)
        warn_key(survey, section, CONF_KEY_acp, acp, strerror(errno));
    else if (!S_ISREG(status.st_mode))
        warn_key(survey, section, CONF_KEY_acp, acp, "is not a program");
    else if (may_access(survey, acp, X_OK) == -1)
        warn_key(survey, section, CONF_KEY_acp, acp, "the workers' user may not execute it");
}

static void check_directory(struct survey *survey, const struct conf_section *section,
                            enum conf_key key, const char *path, int mode)
{
    struct stat status;

    if (path == NULL)
        return;
    if (stat(path, &status) == -1)
        warn_key(survey, section, key, path, strerror(errno));
    else if (!S_ISDIR(status.st_mode))
        warn_key(survey, section, key, path, "is not a directory");
    else if (mode != 0 && may_access(survey, path, mode) == -1)
        warn_key(survey, section, key, path, "the workers' user may not write there");
}

/* A file that the master makes, or appends to when it exists (`is_continued`). */
static void check_file(struct survey *survey, enum conf_key key, const char *path,
                       bool is_continued)
{
    const struct conf_section *section = &survey->conf->proxy;
    char directory[PATH_MAX];
    const char *slash = path == NULL ? NULL : strrchr(path, '/');
    struct stat status;
    bool is_there;
    bool is_link;

    if (slash == NULL || section->origin[key] == NULL)
        return;
    is_there = lstat(path, &status) == 0;
    is_link = is_there && S_ISLNK(status.st_mode) && !file_may_be_link(path);
    is_there = stat(path, &status) == 0;
    snprintf(directory, sizeof(directory), "%.*s", slash == path ? 1 : (int)(slash - path), path);
    if (is_link)
        warn_key(survey, section, key, path, FILE_LINK_MEND);
    else if (is_there && !is_continued && S_ISDIR(status.st_mode))
        warn_key(survey, section, key, path, "is a directory; name a file in it");
    else if (is_there && is_continued && !S_ISDIR(status.st_mode) && access(path, W_OK) == -1)
        warn_key(survey, section, key, path, "cannot be written");
    else if (!(is_there && is_continued) && access(directory, W_OK | X_OK) == -1)
        warn_key(survey, section, key, path,
                 errno == ENOENT ? "its directory does not exist; create it"
                                 : "its directory cannot be written");
}

/* ---- what the machine has ---- */

/* At a start, mind_syslog() warns. */
static void check_syslog(struct survey *survey)
{
    const struct conf_section *section = &survey->conf->proxy;
    struct error why, with_mend;

    if (strcmp(section->values.log, "syslog") != 0 || log_find_daemon(&why) == 0)
        return;
    error_set(&with_mend, "%s; start one, or set log to a file", why.text);
    warn_key(survey, section, CONF_KEY_log, section->values.log, with_mend.text);
}

/* A number from a file of the kernel; `otherwise` when the file cannot be read. */
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

static void warn_limit(struct survey *survey, const struct conf_section *section, enum conf_key key,
                       int64_t number, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

static void warn_limit(struct survey *survey, const struct conf_section *section, enum conf_key key,
                       int64_t number, const char *format, ...)
{
    char value[24];
    char why[ERROR_TEXT_SIZE];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);
    snprintf(value, sizeof(value), "%" PRId64, number);
    warn_key(survey, section, key, value, why);
}

static void check_memory(struct survey *survey, const struct conf_section *section)
{
    struct conf_pool_shape shape = conf_pool_shape(&section->values);
    double needed =
        (double)shape.worker_count * (double)shape.worker_slots * (double)CONF_SLOT_BYTES;
    double there = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);

    if (needed > there)
        warn_limit(survey, section, CONF_KEY_max_workers, section->values.max_workers,
                   "with sessions_per_worker = %zu the scoreboard needs %.1f GB, and this machine "
                   "has %.1f GB; lower one of the two",
                   shape.places, needed / 1e9, there / 1e9);
}

/* Whether a worker could raise its limit: root may, unless it lacks the capability. */
static bool can_raise_descriptors(struct rlimit limit, unsigned long long needed)
{
    struct rlimit raised = {.rlim_cur = limit.rlim_cur, .rlim_max = (rlim_t)needed};

    if (setrlimit(RLIMIT_NOFILE, &raised) == -1)
        return false;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    return true;
}

static void check_coroutines(struct survey *survey, const struct conf_section *section)
{
    int64_t wanted = section->values.sessions_per_worker;

    if (wanted > (int64_t)conf_pool_shape(&section->values).places)
        warn_limit(survey, section, CONF_KEY_sessions_per_worker, wanted,
                   "each worker serves one session at a time, because the kernel enforces a shadow "
                   "stack; set max_workers to the number of sessions you want");
}

static void check_descriptors(struct survey *survey, const struct conf_section *section)
{
    size_t places = conf_pool_shape(&section->values).places;
    unsigned long long needed = places * CONF_DESCRIPTORS_A_SESSION + CONF_DESCRIPTORS_BESIDES;
    struct rlimit limit;

    if (places == 1 || getrlimit(RLIMIT_NOFILE, &limit) == -1 || limit.rlim_max == RLIM_INFINITY)
        return;
    if (needed > limit.rlim_max && !can_raise_descriptors(limit, needed))
        warn_limit(survey, section, CONF_KEY_sessions_per_worker, (int64_t)places,
                   "needs %llu open files for each worker, and the limit is %llu; raise the limit "
                   "(ulimit -n, LimitNOFILE), or lower sessions_per_worker and raise max_workers",
                   needed, (unsigned long long)limit.rlim_max);
}

/* All pools at their full size, a helper for each, the master and the status process. */
static void check_processes(struct survey *survey)
{
    const struct conf *conf = survey->conf;
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
        warn_limit(survey, largest, CONF_KEY_max_workers, largest->values.max_workers,
                   "all instances together may have %llu processes, and the kernel allows %llu; "
                   "raise kernel.pid_max or lower max_workers",
                   needed, allowed);
}

/* Whoever reaches the address sees the page. */
static void check_page(struct survey *survey)
{
    const struct conf_section *proxy = &survey->conf->proxy;
    const char *listen = proxy->values.metrics_listen;
    struct address address;

    if (proxy->values.status_page == 0 || listen == NULL ||
        address_parse_listen(&address, listen) == -1 || address.sa.sa_family == AF_UNIX ||
        address_is_loopback(&address))
        return;
    warn_key(survey, proxy, CONF_KEY_metrics_listen, listen,
             "the status page asks for no password; listen on 127.0.0.1, and let a web server with "
             "passwords pass requests on");
}

/* ---- one instance ---- */

static void check_timeout(struct survey *survey, const struct conf_section *section)
{
    char value[24];

    if (section->values.timeout >= RFC_TIMEOUT || section->origin[CONF_KEY_timeout] == NULL)
        return;
    snprintf(value, sizeof(value), "%lld", (long long)section->values.timeout);
    warn_key(survey, section, CONF_KEY_timeout, value, "RFC 1939 requires at least 600 seconds");
}

static void check_tls_version(struct survey *survey, const struct conf_section *section,
                              enum conf_key key, int version, const char *mend)
{
    struct error why;

    if (version != CONF_TLS_VERSION_1_0 && version != CONF_TLS_VERSION_1_1)
        return;
    error_set(&why, "TLS 1.0 and 1.1 are not secure (RFC 8996); %s", mend);
    warn_key(survey, section, key, version == CONF_TLS_VERSION_1_0 ? "1.0" : "1.1", why.text);
}

struct expiry {
    struct survey *survey;
    const struct conf_section *section;
    enum conf_key key;
};

static void warn_of_expiry(void *context, const char *path, int64_t days)
{
    const struct expiry *expiry = context;
    char words[64] = "the certificate has expired";

    if (days >= 0)
        snprintf(words, sizeof(words), "the certificate expires in %" PRId64 " day%s", days,
                 number_plural((uint64_t)days));
    warn_key(expiry->survey, expiry->section, expiry->key, path, words);
}

static void check_certificates(struct survey *survey, const struct conf_instance *instance)
{
    const struct conf_section *section = &instance->section;
    struct expiry client = {survey, section, CONF_KEY_tls_certificate};
    struct expiry server = {survey, section, CONF_KEY_server_tls_certificate};

    tls_context_report_expiry(instance->client_tls, clock_wall_s(), warn_of_expiry, &client);
    tls_context_report_expiry(instance->server_tls, clock_wall_s(), warn_of_expiry, &server);
}

/* A connection from an address that the machine does not have fails. */
static void check_sources(struct survey *survey, const struct conf_instance *instance)
{
    char text[ADDRESS_TEXT_SIZE];

    for (size_t i = 0; i < instance->source_count; i++) {
        const struct address *source = &instance->sources[i];
        int fd = socket(source->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd != -1 && bind(fd, &source->sa, source->length) == -1)
            warn_key(survey, &instance->section, CONF_KEY_source_addresses,
                     address_host_text(source, text), strerror(errno));
        if (fd != -1)
            close(fd);
    }
}

static bool is_at_path(const struct conf_section *section)
{
    return section->values.listen != NULL && section->values.listen[0] == '/';
}

/* Whether the key is set under [proxy], for instances that listen on UNIX sockets. */
static bool is_for_others(const struct conf *conf, const struct conf_section *section,
                          enum conf_key key)
{
    if (conf->proxy.origin[key] == NULL ||
        strcmp(conf->proxy.origin[key], section->origin[key]) != 0)
        return false;
    for (size_t i = 0; i < conf->count; i++)
        if (is_at_path(&conf->instances[i].section))
            return true;
    return false;
}

static void check_socket_rights(struct survey *survey, const struct conf_section *section)
{
    const struct {
        enum conf_key key;
        const char *value;
    } rights[] = {
        {CONF_KEY_listen_mode, section->values.listen_mode},
        {CONF_KEY_listen_owner, section->values.listen_owner},
        {CONF_KEY_listen_group, section->values.listen_group},
    };

    for (size_t i = 0; !is_at_path(section) && i < sizeof(rights) / sizeof(rights[0]); i++)
        if (section->origin[rights[i].key] != NULL &&
            !is_for_others(survey->conf, section, rights[i].key))
            warn_key(survey, section, rights[i].key, rights[i].value,
                     "has no effect, because listen is not the path of a UNIX socket; remove it");
}

static void check_metrics_rights(struct survey *survey)
{
    const struct conf_section *proxy = &survey->conf->proxy;
    const char *listen = proxy->values.metrics_listen;
    const struct {
        enum conf_key key;
        const char *value;
    } rights[] = {
        {CONF_KEY_metrics_mode, proxy->values.metrics_mode},
        {CONF_KEY_metrics_owner, proxy->values.metrics_owner},
        {CONF_KEY_metrics_group, proxy->values.metrics_group},
    };
    bool is_path = listen != NULL && listen[0] == '/';

    for (size_t i = 0; !is_path && i < sizeof(rights) / sizeof(rights[0]); i++)
        if (rights[i].value != NULL)
            warn_key(survey, proxy, rights[i].key, rights[i].value,
                     "has no effect, because metrics_listen is not the path of a UNIX socket; "
                     "remove it");
}

/* With `is_test` also what a start logs by itself. */
static void check_instance(struct survey *survey, const struct conf_instance *instance,
                           bool is_test)
{
    const struct conf_section *section = &instance->section;

    check_acp(survey, section);
    check_directory(survey, section, CONF_KEY_client_log, section->values.client_log, W_OK | X_OK);
    check_timeout(survey, section);
    check_tls_version(survey, section, CONF_KEY_tls_min_version, section->values.tls_min_version,
                      "let only clients use this instance that have nothing newer");
    check_tls_version(survey, section, CONF_KEY_server_tls_min_version,
                      section->values.server_tls_min_version,
                      "set 1.2 as soon as the servers have it");
    check_memory(survey, section);
    check_coroutines(survey, section);
    check_descriptors(survey, section);
    check_sources(survey, instance);
    check_socket_rights(survey, section);
    conf_route_warn(instance, is_test, mistakes_take, &survey->warnings);
    if (is_test)
        check_certificates(survey, instance);
}

/* A server that one of the instances cannot reach is down for all of them. */
static void check_group(struct survey *survey, const struct conf_group *group)
{
    const struct conf_section *section = &group->section;
    size_t at = 0;

    if (section->values.group_check != CONF_GROUP_CHECK_NO &&
        conf_group_next_user(survey->conf, group, &at) != NULL &&
        conf_group_next_user(survey->conf, group, &at) != NULL)
        warn_key(survey, section, CONF_KEY_group_servers, section->values.group_servers,
                 "instances reach these servers with different settings (server_tls*, "
                 "source_addresses, send_proxy_protocol); each is checked, and all must be good");
}

void conf_warn(const struct conf *conf, bool is_test, conf_report *report, void *context)
{
    struct survey survey = {.conf = conf, .uid = conf->uid, .gid = conf->gid};
    const struct conf_values *proxy = &conf->proxy.values;

    survey.warnings.file = conf->proxy.section_origin;
    check_file(&survey, CONF_KEY_pidfile, proxy->pidfile, false);
    check_file(&survey, CONF_KEY_control, proxy->control, false);
    check_file(&survey, CONF_KEY_log, proxy->log, true);
    if (is_test)
        check_syslog(&survey);
    check_processes(&survey);
    check_page(&survey);
    check_metrics_rights(&survey);
    for (size_t i = 0; i < conf->count; i++)
        check_instance(&survey, &conf->instances[i], is_test);
    for (size_t i = 0; conf->groups != NULL && i < conf->groups->count; i++)
        check_group(&survey, &conf->groups->list[i]);
    (void)mistakes_tell(&survey.warnings, report, context);
}

void conf_warn_session(const struct conf_instance *instance, uid_t uid, gid_t gid,
                       conf_report *report, void *context)
{
    const struct conf_section *section = &instance->section;
    struct survey survey = {.uid = uid, .gid = gid};

    check_acp(&survey, section);
    check_directory(&survey, section, CONF_KEY_client_log, section->values.client_log, W_OK | X_OK);
    if (!section->values.quiet)
        check_timeout(&survey, section);
    (void)mistakes_tell(&survey.warnings, report, context);
}
