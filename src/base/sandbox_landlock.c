/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Landlock, by its three system calls: the C library has no functions for them, and the headers of
 * a system are often older than its kernel. Each version of the interface adds rights; those that a
 * kernel does not know are left out.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sandbox_parts.h"

#ifndef SYS_landlock_create_ruleset /* the numbers are the same on all processors */
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif

enum {
    CREATE_VERSION = 1, /* a flag of landlock_create_ruleset() */
    RULE_PATH = 1,
    RULE_PORT = 2,
};

/* Rights of files, by the version that added them. */
#define FILES_WRITE     (UINT64_C(1) << 1)
#define FILES_READ      (UINT64_C(1) << 2)
#define FILES_READ_DIR  (UINT64_C(1) << 3)
#define FILES_REMOVE    (UINT64_C(1) << 5)
#define FILES_MAKE      (UINT64_C(1) << 8)
#define FILES_V1        ((UINT64_C(1) << 13) - 1)
#define FILES_REFER     (UINT64_C(1) << 13) /* 2 */
#define FILES_TRUNCATE  (UINT64_C(1) << 14) /* 3 */
#define FILES_IOCTL     (UINT64_C(1) << 15) /* 5 */
#define FILES_OF_A_FILE (FILES_WRITE | FILES_READ | FILES_TRUNCATE | FILES_IOCTL)

#define PORTS_BIND    UINT64_C(1) /* 4 */
#define PORTS_CONNECT UINT64_C(2) /* 4 */

#define SCOPE_ABSTRACT UINT64_C(1) /* 6: abstract UNIX sockets of others */
#define SCOPE_SIGNAL   UINT64_C(2) /* 6 */

struct ruleset {
    uint64_t files;
    uint64_t ports;
    uint64_t scopes;
};

struct path_rule {
    uint64_t allowed;
    int32_t directory;
} __attribute__((packed));

struct port_rule {
    uint64_t allowed;
    uint64_t port;
};

int sandbox_landlock_version(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);

    return version < 1 ? 0 : (int)version;
}

/* An older kernel knows a shorter structure, and refuses a longer one that is not zero there. */
static size_t ruleset_size(int version)
{
    if (version >= 6)
        return sizeof(struct ruleset);
    return version >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
}

static struct ruleset what_is_handled(int version, const struct sandbox_view *view)
{
    struct ruleset rules = {.files = FILES_V1};

    if (version >= 2)
        rules.files |= FILES_REFER;
    if (version >= 3)
        rules.files |= FILES_TRUNCATE;
    if (version >= 5)
        rules.files |= FILES_IOCTL;
    if (version >= SANDBOX_LANDLOCK_PORTS)
        rules.ports = view->has_ports ? PORTS_BIND | PORTS_CONNECT : PORTS_BIND;
    if (version >= SANDBOX_LANDLOCK_SIGNALS)
        rules.scopes = SCOPE_ABSTRACT | SCOPE_SIGNAL;
    return rules;
}

/* What is not there cannot be opened later either: for a file that may come, name its directory. */
static void add_path(int ruleset, const struct ruleset *rules, const struct sandbox_path *path)
{
    struct path_rule rule = {.allowed = FILES_READ | FILES_READ_DIR};
    struct stat status;

    rule.directory = open(path->path, O_PATH | O_CLOEXEC);
    if (rule.directory == -1)
        return;
    if (path->is_writable)
        rule.allowed |= FILES_WRITE | FILES_REMOVE | FILES_MAKE | FILES_TRUNCATE;
    rule.allowed &= rules->files;
    if (fstat(rule.directory, &status) == 0 && !S_ISDIR(status.st_mode))
        rule.allowed &= FILES_OF_A_FILE;
    (void)syscall(SYS_landlock_add_rule, ruleset, RULE_PATH, &rule, 0);
    close(rule.directory);
}

static void add_port(int ruleset, uint16_t port, uint64_t allowed)
{
    struct port_rule rule = {.allowed = allowed, .port = port};

    (void)syscall(SYS_landlock_add_rule, ruleset, RULE_PORT, &rule, 0);
}

static void add_rules(int ruleset, const struct ruleset *rules, const struct sandbox_view *view)
{
    for (size_t i = 0; i < view->path_count; i++)
        add_path(ruleset, rules, &view->paths[i]);
    for (size_t i = 0; (rules->ports & PORTS_CONNECT) != 0 && i < view->port_count; i++)
        add_port(ruleset, view->ports[i], PORTS_CONNECT);
    if (rules->ports != 0 && view->may_bind)
        add_port(ruleset, 0, PORTS_BIND);
}

static unsigned what_is_in_force(const struct ruleset *rules)
{
    unsigned parts = SANDBOX_FILES;

    if ((rules->ports & PORTS_CONNECT) != 0)
        parts |= SANDBOX_PORTS;
    if (rules->scopes != 0)
        parts |= SANDBOX_SIGNALS;
    return parts;
}

unsigned sandbox_landlock_enter(int version, const struct sandbox_view *view)
{
    const struct ruleset rules = what_is_handled(version, view);
    int ruleset =
        (int)syscall(SYS_landlock_create_ruleset, &rules, ruleset_size(version), 0);

    if (ruleset == -1)
        return 0;
    add_rules(ruleset, &rules, view);
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) == -1) {
        (void)file_close_failed(ruleset);
        return 0;
    }
    close(ruleset);
    return what_is_in_force(&rules);
}
