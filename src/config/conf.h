/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A checked configuration: the instances that sessions are run with, and the server process around
 * them. It is built as a whole, checked as a whole, and never changed afterwards. Where the values
 * come from (command line, file) is not known here.
 */
#ifndef CONFIG_CONF_H
#define CONFIG_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/address.h"
#include "base/error.h"
#include "base/host_list.h"
#include "base/unix_socket.h"
#include "config/conf_section.h"
#include "route/route_group.h"
#include "tls/tls.h"

/* ---- the pool of an instance ---- */

/* How large a pool can become, and how its scoreboard is laid out. Where a worker cannot carry more
 * than one session at once, this is the shape for sessions_per_worker = 1. */
struct conf_pool_shape {
    size_t places;       /* sessions a worker carries at once */
    size_t worker_slots; /* slots of a worker: one for itself, and one for each of several places */
    size_t worker_count; /* workers that there are slots for */
};

/* The memory that one slot takes, for a warning before there is too little. */
enum { CONF_SLOT_BYTES = 352 };

struct conf_pool_shape conf_pool_shape(const struct conf_values *values);

/* Open files of a worker. A session has its client and its server, and for a moment the helper's
 * answer or a second address (a server with many addresses may need more at once). Besides there are
 * the worker's own, and the pairs that it keeps for questions to the helper. */
enum { CONF_DESCRIPTORS_A_SESSION = 3, CONF_DESCRIPTORS_BESIDES = 64 };

/* ---- groups of servers ---- */

enum { CONF_NAME_BYTES = 32 }; /* the longest name of an instance or a group */

struct conf_group {
    struct conf_section section; /* its name, and its keys as they are set */
    struct route_group route;    /* what is made of them */
};

/* All groups of a configuration. It does not move. */
struct conf_groups {
    size_t count;
    struct conf_group *list;
};

/* ---- one instance ---- */

/* An instance, checked and ready: what a session is run with. It does not move: `values` points
 * into it. */
struct conf_instance {
    struct conf_section section;      /* defaults and inheritance applied */
    const struct conf_values *values; /* those of the section */
    struct unix_socket_rights socket_rights; /* of the UNIX socket that it listens on */
    bool has_server;
    uint16_t server_port;    /* for a server named without a port: 110, or 995 */
    struct host_port server; /* its port is filled in */
    const struct conf_group *group;   /* the default server is one of this group; NULL: it is not */
    const struct conf_groups *groups; /* of the whole configuration; NULL: none */
    unsigned capabilities;   /* bit mask of those that may be announced */
    unsigned mechanisms;     /* bit mask of the SASL mechanisms that are offered */
    unsigned clear_mechanisms; /* those of them that are announced without TLS */
    struct host_list *allowed;    /* NULL: the client may choose every server */
    struct address_network *proxies; /* the load balancers that send a PROXY header */
    size_t proxy_count;
    struct address *sources; /* our own addresses towards servers */
    size_t source_count;     /* 0: the kernel chooses */
    struct address_network *exempt; /* addresses whose sessions max_per_ip and the like do not limit */
    size_t exempt_count;
    struct tls_context *client_tls; /* towards clients; NULL: none */
    struct tls_context *server_tls_any; /* the same, and takes any certificate; for routing */
    struct tls_context *server_tls; /* towards servers; NULL: none */
};

/* Called once for each mistake, with one line "FILE:LINE: what is wrong and how to mend it". */
typedef void conf_report(void *context, const char *text);

/*
 * Checks a filled section as a whole and makes an instance of it. The instance takes the section
 * over, and it is freed on failure as well. Limits that were not set are lowered to `timeout`.
 * Reads the files that the settings name, private keys among them: call it before privileges are
 * given up. Reports every mistake. Returns 0, or -1.
 */
int conf_instance_build(struct conf_instance *instance, struct conf_section *section,
                        conf_report *report, void *context);

/* The same for a caller that can tell only one mistake. Returns 0, or -1 with `error` set. */
int conf_instance_init(struct conf_instance *instance, struct conf_section *section,
                       struct error *error);
void conf_instance_free(struct conf_instance *instance);

/* The port of a server that a routing table, or a list, names without one: 995 where TLS begins with
 * the first octet, as the login or its answer wants it, otherwise the port of the instance. */
uint16_t conf_port_for(const struct conf_instance *instance, enum conf_server_tls tls);

/* ---- a whole configuration ---- */

/* User and group of the workers when root starts the server and `user` is not set. */
enum { CONF_DEFAULT_UID = 65535, CONF_DEFAULT_GID = 65534 };

/* The server process and its instances. */
struct conf {
    struct conf_section proxy;
    uid_t uid; /* of the workers, when root starts the server: never 0 */
    gid_t gid;
    struct unix_socket_rights metrics_rights; /* if metrics_listen is a path */
    struct conf_groups *groups; /* NULL: none */
    size_t count;
    struct conf_instance *instances;
};

/* Fills the rights from the keys listen_mode, listen_owner and listen_group, or metrics_mode,
 * metrics_owner and metrics_group. Returns 0, or -1 with `error` set where there is no such user or
 * group. */
int conf_find_listen_rights(const struct conf_section *section, struct unix_socket_rights *rights,
                            struct error *error);
int conf_find_metrics_rights(const struct conf_section *section, struct unix_socket_rights *rights,
                             struct error *error);

/* The longest path of the sockets of control and metrics_listen, which are bound under a longer name at
 * first. */
enum { CONF_SOCKET_PATH_MAX = 103 };

/*
 * Finds the section's `user`, given by name or number, or takes the default. USER without a group
 * means the user's own group. Returns 0, or -1 with `error` set when there is no such user or
 * group, or when it is root.
 */
int conf_find_user(const struct conf_section *section, uid_t *uid, gid_t *gid, struct error *error);

void conf_free(struct conf *conf);

#endif
