/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A file in memory that is mapped by the master and inherited by all that it forks. Which entry is
 * whose stands in memory of the master's own; the names in the shared memory are for the next
 * binary, and what a broken worker writes there costs a server its state at most.
 *
 * The file is sealed: a process that has it cannot cut it, which would end all that read it.
 */
#include "pool/group_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/inherit.h"

#define GROUPS "POP3_PROXY_GROUPS_FD" /* the name it is passed under */

enum {
    NAME_SIZE = 512, /* "GROUP SERVER" and a NUL fit */
    SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL,
};

/* A memory of another layout is not taken over. */
struct head {
    char layout[16];
    uint64_t size;
};
static const char layout[sizeof((struct head){0}.layout)] = "groups 1";

struct group_memory {
    struct head head;
    struct {
        char name[NAME_SIZE];
        struct server_state state;
    } servers[GROUP_MEMORY_SERVERS_MAX];
    struct route_stay stay; /* most of it is never touched, and takes no memory */
};

_Static_assert(HOST_PORT_TEXT_SIZE + CONF_NAME_BYTES + 2 <= NAME_SIZE, "every name fits");

static int memory_fd = -1;
static struct group_memory *memory; /* NULL: there is no group yet */

/* The master's own knowledge of the entries. */
static struct {
    char name[NAME_SIZE]; /* "": free */
    unsigned users;       /* configurations */
    int64_t stay_ms;      /* of the newest one */
} entries[GROUP_MEMORY_SERVERS_MAX];

/* ---- the file ---- */

static struct group_memory *map(int fd)
{
    void *mapped = mmap(NULL, sizeof(struct group_memory), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    return mapped == MAP_FAILED ? NULL : mapped;
}

static void close_file(void)
{
    close(memory_fd);
    memory_fd = -1;
}

static int make(struct error *error)
{
    if (memory != NULL)
        return 0;
    memory_fd = memfd_create("pop3.proxy groups", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (memory_fd != -1 && ftruncate(memory_fd, sizeof(struct group_memory)) == 0 &&
        fcntl(memory_fd, F_ADD_SEALS, SEALS) == 0)
        memory = map(memory_fd);
    if (memory != NULL) {
        memory->head.size = sizeof(struct group_memory);
        memcpy(memory->head.layout, layout, sizeof(layout));
        return 0;
    }
    error_set(error, "no memory for the groups of servers: %s", strerror(errno));
    if (memory_fd != -1)
        close_file();
    return -1;
}

static bool is_ours(int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 && status.st_size == sizeof(struct group_memory) &&
           fcntl(fd, F_GET_SEALS) == SEALS;
}

static bool has_our_layout(const struct head *head)
{
    return head->size == sizeof(struct group_memory) &&
           memcmp(head->layout, layout, sizeof(layout)) == 0;
}

void group_memory_inherit(void)
{
    memory_fd = inherit_take(GROUPS, NULL);
    if (memory_fd == -1)
        return;
    if (is_ours(memory_fd))
        memory = map(memory_fd);
    if (memory == NULL || !has_our_layout(&memory->head)) {
        if (memory != NULL)
            munmap(memory, sizeof(*memory));
        memory = NULL;
        close_file();
        return;
    }
    for (size_t i = 0; i < GROUP_MEMORY_SERVERS_MAX; i++)
        snprintf(entries[i].name, NAME_SIZE, "%.*s", NAME_SIZE - 1, memory->servers[i].name);
}

void group_memory_pass(void)
{
    inherit_pass(GROUPS, memory_fd, NULL);
}

/* ---- entries ---- */

/* The entry of this name; one that nobody uses; GROUP_MEMORY_SERVERS_MAX: there is none. */
static size_t find(const char *name)
{
    size_t unused = GROUP_MEMORY_SERVERS_MAX;

    for (size_t i = 0; i < GROUP_MEMORY_SERVERS_MAX; i++) {
        bool is_better = unused == GROUP_MEMORY_SERVERS_MAX ||
                         (entries[i].name[0] == '\0' && entries[unused].name[0] != '\0');

        if (strcmp(entries[i].name, name) == 0)
            return i;
        if (entries[i].users == 0 && is_better)
            unused = i;
    }
    return unused;
}

static void rename_entry(size_t i, const char *name)
{
    if (strcmp(entries[i].name, name) == 0)
        return;
    memset(&memory->servers[i].state, 0, sizeof(memory->servers[i].state));
    snprintf(entries[i].name, NAME_SIZE, "%s", name);
    memcpy(memory->servers[i].name, entries[i].name, NAME_SIZE);
}

static int attach(struct conf_group *group, struct route_server *server, struct error *error)
{
    char name[NAME_SIZE];
    size_t i;

    snprintf(name, sizeof(name), "%s %s", group->section.name, server->text);
    i = find(name);
    if (i == GROUP_MEMORY_SERVERS_MAX)
        return error_set(error, "%s: all groups together have at most %d servers",
                         group->section.section_origin, GROUP_MEMORY_SERVERS_MAX);
    rename_entry(i, name);
    entries[i].users++;
    entries[i].stay_ms = group->route.stay_ms;
    server->state = &memory->servers[i].state;
    server->number = (uint32_t)i + 1;
    group->route.stay = &memory->stay;
    return 0;
}

static bool has_groups(const struct conf *conf)
{
    return conf->groups != NULL && conf->groups->count > 0;
}

int group_memory_attach(const struct conf *conf, struct error *error)
{
    if (!has_groups(conf))
        return 0;
    if (make(error) == -1)
        return -1;
    for (size_t i = 0; i < conf->groups->count; i++) {
        struct conf_group *group = &conf->groups->list[i];

        for (size_t j = 0; j < group->route.count; j++)
            if (attach(group, &group->route.servers[j], error) == -1)
                return -1;
    }
    return 0;
}

void group_memory_detach(const struct conf *conf)
{
    for (size_t i = 0; has_groups(conf) && i < conf->groups->count; i++) {
        const struct route_group *group = &conf->groups->list[i].route;

        for (size_t j = 0; j < group->count; j++)
            if (group->servers[j].number != 0)
                entries[group->servers[j].number - 1].users--;
    }
}

/* ---- sessions ---- */

/* The number is compared, and never used as an index. */
void group_memory_give_back(uint32_t number, bool is_login, uint64_t user)
{
    for (uint32_t i = 0; memory != NULL && number != 0 && i < GROUP_MEMORY_SERVERS_MAX; i++) {
        if (i + 1 != number || entries[i].name[0] == '\0')
            continue;
        server_state_end_session(&memory->servers[i].state);
        if (is_login)
            server_state_end_login(&memory->servers[i].state);
        if (user != 0)
            route_stay_end(&memory->stay, user, number, entries[i].stay_ms, clock_now_ms());
    }
}
