/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What has been learned about servers, kept for an hour. The workers of an instance share it, so
 * that a server is asked once and not once for each worker.
 *
 * Every worker can write all of it. Nothing read from it is an index, and a false fact costs one
 * login: the server's replies show that it is false.
 */
#ifndef SESSION_KNOWN_SERVERS_H
#define SESSION_KNOWN_SERVERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"

enum {
    KNOWN_SERVERS_MAX = 1024, /* a server may take the entry of another */
    KNOWN_SERVERS_KEPT_MS = 60 * 60 * 1000,
};

/* What a server says of itself (RFC 2449), and what we have seen. */
struct server_facts {
    bool has_capa;       /* it answers CAPA with a list */
    bool has_pipelining; /* PIPELINING is in the list */
    bool answers_once;   /* a login, a command at a time, has shown one reply to each */
    bool takes_response; /* it has taken AUTH with the response in the same line */
    unsigned mechanisms; /* those of the line SASL: bits are enum sasl_mechanism */
};

/* All zero: no server is known. */
struct known_servers {
    struct {
        _Atomic uint64_t mark; /* the server's key, combined with the value */
        _Atomic uint64_t value;
    } entries[KNOWN_SERVERS_MAX];
};

/* The key of a server at this address; `is_tls`: as it is seen after TLS has begun. */
uint64_t known_servers_key(const struct address *server, bool is_tls);

/* The key of a server with this name, whatever its addresses. */
uint64_t known_servers_name_key(const struct host_port *server, bool is_tls);

/* In all functions below `known` may be NULL: nothing is known, and nothing is kept. */

/* Returns false, and leaves *facts_r alone, if the server is not known, or was known an hour ago. */
bool known_servers_find(const struct known_servers *known, uint64_t key, int64_t now_ms,
                        struct server_facts *facts_r);

/* The same, however long ago the server was known. */
bool known_servers_recall(const struct known_servers *known, uint64_t key,
                          struct server_facts *facts_r);

void known_servers_put(struct known_servers *known, uint64_t key, int64_t now_ms,
                       const struct server_facts *facts);
void known_servers_remove(struct known_servers *known, uint64_t key);

#endif
