/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The list of a group's servers, and the choice.
 */
#include "route/route_group.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/log.h"
#include "base/octet.h"
#include "route/route_hash.h"

enum { WEIGHT_DIGITS_MAX = 5, SHOWN_MAX = 80 };

/* ---- the list ---- */

/* Returns false where the text is not a weight. */
static bool parse_weight(const char *text, unsigned *weight_r)
{
    size_t length = strlen(text);
    unsigned long weight = strtoul(text, NULL, 10);

    if (length == 0 || length > WEIGHT_DIGITS_MAX || strspn(text, "0123456789") != length ||
        (text[0] == '0' && length > 1) || weight > ROUTE_GROUP_WEIGHT_MAX)
        return false;
    *weight_r = (unsigned)weight;
    return true;
}

static int parse_server(struct route_server *server, const char *text, struct error *error)
{
    char *star = strchr(server->text, '*');

    server->weight = ROUTE_GROUP_WEIGHT_DEFAULT;
    if (star != NULL && !parse_weight(star + 1, &server->weight))
        return error_set(error, "%.*s: a weight is a whole number from 0 to %d", SHOWN_MAX, text,
                         ROUTE_GROUP_WEIGHT_MAX);
    if (star != NULL)
        *star = '\0';
    if (host_port_parse(&server->name, server->text) == -1)
        return error_set(error, "%.*s: must be HOST, HOST:PORT or [IPV6]:PORT, and may end in *WEIGHT",
                         SHOWN_MAX, text);
    server->text_length = strlen(server->text);
    return 0;
}

/* Two spellings of one server are a mistake too: it would get twice the users. */
static int check_repeated(const struct route_server *servers, size_t count, struct error *error)
{
    const struct route_server *last = &servers[count];

    for (size_t i = 0; i < count; i++)
        if (strcmp(servers[i].name.host, last->name.host) == 0 &&
            servers[i].name.port == last->name.port)
            return error_set(error, "%.*s is there twice; keep one", SHOWN_MAX, last->text);
    return 0;
}

static int parse_entry(struct route_server *servers, size_t count, const struct list_entry *entry,
                       struct error *error)
{
    struct route_server *server = &servers[count];
    char text[SHOWN_MAX + 1];

    if (count == ROUTE_GROUP_SERVERS_MAX)
        return error_set(error, "a group has at most %d servers", ROUTE_GROUP_SERVERS_MAX);
    server->text = strndup(entry->text, entry->length);
    if (server->text == NULL)
        return error_set(error, "out of memory");
    snprintf(text, sizeof(text), "%s", server->text);
    if (parse_server(server, text, error) == -1 || check_repeated(servers, count, error) == -1) {
        free(server->text);
        return -1;
    }
    return 0;
}

int route_group_parse(const char *list, struct route_server **servers_r, size_t *count_r,
                      struct error *error)
{
    struct route_server *servers = calloc(ROUTE_GROUP_SERVERS_MAX, sizeof(*servers));
    struct list_entry entry;
    size_t count = 0;

    if (servers == NULL)
        return error_set(error, "out of memory");
    while (list_next(&list, &entry)) {
        if (parse_entry(servers, count, &entry, error) == -1) {
            route_group_free_servers(servers, count);
            return -1;
        }
        count++;
    }
    *servers_r = servers;
    *count_r = count;
    return 0;
}

void route_group_free_servers(struct route_server *servers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(servers[i].text);
    free(servers);
}

/* ---- what a login has tried ---- */

bool route_tried_has(const struct route_tried *tried, size_t server)
{
    return (tried->bits[server / 64] >> server % 64 & 1) != 0;
}

void route_tried_add(struct route_tried *tried, size_t server)
{
    tried->bits[server / 64] |= UINT64_C(1) << server % 64;
}

/* ---- the choice ---- */

const char *route_group_key(const struct route_group *group, const char *login,
                            const char *delimiters)
{
    const char *domain = "";

    if (group->hash != ROUTE_GROUP_HASH_DOMAIN)
        return login;
    for (const char *c = login; *c != '\0'; c++)
        if (strchr(delimiters, *c) != NULL)
            domain = c + 1;
    return *domain == '\0' ? login : domain;
}

uint64_t route_group_user(const struct route_group *group, const char *login)
{
    return route_hash(login, strlen(login), group->name, strlen(group->name));
}

bool route_server_is_drained(const struct route_server *server)
{
    return server->weight == 0 || server_state_is_drained(server->state);
}

static uint64_t hash_of(const struct route_server *server, const char *key, size_t key_length)
{
    return route_hash(key, key_length, server->text, server->text_length);
}

double route_group_score(const struct route_server *server, const char *key, size_t key_length)
{
    if (route_server_is_drained(server))
        return 0;
    return route_hash_score(hash_of(server, key, key_length), server->weight);
}

/* The better a rank, the larger. */
enum rank {
    RANK_NONE, /* drained, or full, or tried */
    RANK_DOWN,
    RANK_SLOW, /* it has come back, but does not take this user yet */
    RANK_UP,
};

/* A server while the best is looked for. */
struct candidate {
    size_t server;
    enum rank rank;
    double load; /* sessions for its weight, where the group counts them; else 0 */
    double score;
};

static bool is_better(const struct candidate *a, const struct candidate *b)
{
    if (a->rank != b->rank)
        return a->rank > b->rank;
    return a->load != b->load ? a->load < b->load : a->score > b->score;
}

/* What a search has found out. */
struct search {
    const struct route_group *group;
    const struct route_login *login;
    size_t key_length;
    int64_t now_ms;
    bool has_drained_only;
    bool has_up;   /* one that is up, tried or not */
    bool has_full; /* one that is full, and would be a candidate if it were not */
    struct candidate best;
};

/* Where nobody checks a server that is down, a login tries it after a while. */
static bool is_up(const struct search *search, const struct route_server *server)
{
    const struct route_group *group = search->group;

    return !server_state_is_down(server->state) ||
           (!group->is_checked &&
            server_state_is_retry_due(server->state, group->retry_ms, search->now_ms));
}

/* Takes the user of a server that came back lately in the order of the lowest bits of his hash, which
 * the score does not use: each is taken once, and stays. */
static bool takes_user(const struct search *search, const struct route_server *server,
                       uint64_t hash)
{
    double share =
        server_state_share(server->state, search->group->slow_start_ms, search->now_ms);

    return ((double)(hash & 0x7ff) + 0.5) / 0x800 < share;
}

static struct candidate make_candidate(const struct search *search, size_t index)
{
    const struct route_server *server = &search->group->servers[index];
    uint64_t hash = hash_of(server, search->login->key, search->key_length);
    struct candidate candidate = {.server = index, .rank = RANK_DOWN};

    if (is_up(search, server))
        candidate.rank = takes_user(search, server, hash) ? RANK_UP : RANK_SLOW;
    if (search->group->hash == ROUTE_GROUP_HASH_NONE)
        candidate.load = (server_state_sessions(server->state) + 1.0) / server->weight;
    candidate.score = route_hash_score(hash, server->weight);
    return candidate;
}

static void consider(struct search *search, size_t index)
{
    const struct route_server *server = &search->group->servers[index];
    struct candidate candidate;

    if (route_server_is_drained(server))
        return;
    search->has_drained_only = false;
    search->has_up = search->has_up || is_up(search, server);
    if (route_tried_has(&search->login->tried, index))
        return;
    if (server_state_is_full(server->state, search->group->max_sessions)) {
        search->has_full = search->has_full || is_up(search, server);
        return;
    }
    candidate = make_candidate(search, index);
    if (is_better(&candidate, &search->best))
        search->best = candidate;
}

static void search_all(struct search *search)
{
    search->has_drained_only = true;
    search->has_up = search->has_full = false;
    search->best = (struct candidate){.rank = RANK_NONE};
    for (size_t i = 0; i < search->group->count; i++)
        consider(search, i);
}

/* A server that is down is tried by one login of those that find it due; the others go on without
 * it. */
static bool may_use(const struct search *search)
{
    struct server_state *state = search->group->servers[search->best.server].state;

    return search->best.rank == RANK_DOWN || !server_state_is_down(state) ||
           server_state_may_retry(state, search->group->retry_ms, search->now_ms);
}

/* The server where the user stays. A drained one keeps only a user who has a session there. */
static bool find_stay(const struct route_group *group, const struct route_login *login,
                      int64_t now_ms, size_t *server_r)
{
    struct route_stay_place place = {.server = 0};

    if (group->stay_ms > 0)
        place = route_stay_find(group->stay, login->user, now_ms);
    for (size_t i = 0; place.server != 0 && i < group->count; i++) {
        const struct route_server *server = &group->servers[i];

        if (server->number != place.server)
            continue;
        *server_r = i;
        return !route_tried_has(&login->tried, i) && !server_state_is_down(server->state) &&
               !server_state_is_full(server->state, group->max_sessions) &&
               (place.is_running || !route_server_is_drained(server));
    }
    return false;
}

enum route_choice route_group_choose(const struct route_group *group,
                                     const struct route_login *login, int64_t now_ms,
                                     size_t *server_r)
{
    struct search search = {.group = group,
                            .login = login,
                            .key_length = strlen(login->key),
                            .now_ms = now_ms};

    if (find_stay(group, login, now_ms, server_r))
        return ROUTE_CHOICE_SERVER;
    do {
        search_all(&search);
        if (search.has_drained_only)
            return ROUTE_CHOICE_DRAINED;
        if (search.best.rank == RANK_NONE || (search.best.rank == RANK_DOWN && search.has_up))
            return search.has_full ? ROUTE_CHOICE_FULL : ROUTE_CHOICE_NONE;
    } while (!may_use(&search));
    *server_r = search.best.server;
    return ROUTE_CHOICE_SERVER;
}

/* ---- the log ---- */

void route_group_log(const struct route_group *group, const struct route_server *server,
                     enum server_change change, const char *why)
{
    struct log_line line;

    if (change == SERVER_UNCHANGED)
        return;
    log_begin(&line, change == SERVER_WENT_DOWN ? EVENT_SERVER_DOWN : EVENT_SERVER_UP);
    log_add(&line, "group", group->name);
    log_add(&line, "server", server->text);
    if (change == SERVER_WENT_DOWN)
        log_add(&line, "reason", why);
    log_end(&line);
}
