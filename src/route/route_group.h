/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A group of servers, each of which can serve every user, and the choice of one of them for a login.
 * The choice is arithmetic over memory: it asks nobody and waits for nobody.
 */
#ifndef ROUTE_ROUTE_GROUP_H
#define ROUTE_ROUTE_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/error.h"
#include "route/route_stay.h"
#include "route/server_state.h"

enum {
    ROUTE_GROUP_SERVERS_MAX = 128,
    ROUTE_GROUP_WEIGHT_DEFAULT = 100,
    ROUTE_GROUP_WEIGHT_MAX = 10000,
};

/* What chooses the server, in the order of the words of the key `hash`. */
enum route_group_hash {
    ROUTE_GROUP_HASH_USER,   /* the login */
    ROUTE_GROUP_HASH_DOMAIN, /* what follows its last delimiter */
    ROUTE_GROUP_HASH_NONE,   /* how many sessions the servers have */
};

struct route_server {
    char *text; /* as the list has it, without the weight: this is what is hashed */
    size_t text_length;
    struct host_port name;      /* port 0: the default of the instance */
    unsigned weight;            /* 0: drained */
    struct server_state *state; /* shared; NULL: nobody watches the server */
    uint32_t number;            /* of the state, and no other server's; 0: none */
};

/* The settings are valid while the group is; `name` is the owner's. */
struct route_group {
    const char *name;
    enum route_group_hash hash;
    bool is_checked;  /* a check brings back a server that is down; otherwise a login tries it */
    int64_t retry_ms; /* after so long */
    int64_t fall;     /* failures in a row that take a server down */
    int64_t slow_start_ms;
    int64_t stay_ms;
    int64_t in_use_wait_ms; /* -1: that of the instance */
    unsigned max_sessions;  /* of a server; 0: no limit */
    unsigned max_logins;
    size_t count;
    struct route_server *servers;
    struct route_stay *stay; /* shared; NULL: nobody stays */
};

/* The servers that a login has tried. All zero: none. */
struct route_tried {
    uint64_t bits[ROUTE_GROUP_SERVERS_MAX / 64];
};

bool route_tried_has(const struct route_tried *tried, size_t server);
void route_tried_add(struct route_tried *tried, size_t server);

enum route_choice {
    ROUTE_CHOICE_SERVER,  /* there is one */
    ROUTE_CHOICE_DRAINED, /* every server of the group is drained */
    ROUTE_CHOICE_FULL,    /* every server that may be tried has been tried or is full */
    ROUTE_CHOICE_NONE,    /* every server that may be tried has been tried */
};

/*
 * Reads the list "HOST[:PORT][*WEIGHT], ..." into `servers`, of which there is room for
 * ROUTE_GROUP_SERVERS_MAX. Returns 0, or -1 with `error` saying what is wrong with it, and nothing to
 * free. route_group_free_servers() frees what was read.
 */
int route_group_parse(const char *list, struct route_server **servers_r, size_t *count_r,
                      struct error *error);
void route_group_free_servers(struct route_server *servers, size_t count);

/* The part of a login that the group hashes, in lower case as the login is: the domain after the last
 * of the delimiters, or all of it. It lies in `login`. */
const char *route_group_key(const struct route_group *group, const char *login,
                            const char *delimiters);

/* A user of the group, for `stay`: a hash of the group and his login, which is in lower case. */
uint64_t route_group_user(const struct route_group *group, const char *login);

/* A login that a server is chosen for. */
struct route_login {
    const char *key; /* see route_group_key() */
    uint64_t user;   /* see route_group_user() */
    struct route_tried tried;
};

/*
 * Chooses a server for the login: the one where the user stays, or the one with the largest score. A
 * server that is drained or full is left out, and so is one that is down unless all are. One that came
 * back lately has a part of its users. *server_r is the index.
 */
enum route_choice route_group_choose(const struct route_group *group,
                                     const struct route_login *login, int64_t now_ms,
                                     size_t *server_r);

/* The server's score for the key: the largest is the first choice. 0: it is drained. */
double route_group_score(const struct route_server *server, const char *key, size_t key_length);

/* Drained by its weight or by a command. */
bool route_server_is_drained(const struct route_server *server);

/* Logs that a server of the group has gone down, `why` in one word, or has come up. Does nothing for
 * SERVER_UNCHANGED. */
void route_group_log(const struct route_group *group, const struct route_server *server,
                     enum server_change change, const char *why);

#endif
