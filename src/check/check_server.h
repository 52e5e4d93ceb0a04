/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One check of one server: as a session would reach it, but nobody logs in.
 */
#ifndef CHECK_CHECK_SERVER_H
#define CHECK_CHECK_SERVER_H

#include "config/conf.h"
#include "helper/helper.h"
#include "route/route_group.h"

/* What to check, and how. */
struct check {
    const struct conf_instance *instance; /* its settings: TLS, certificate, PROXY header, port */
    const struct route_server *server;
    int64_t level;         /* of enum conf_group_check */
    struct helper *helper; /* for names */
    uint64_t number;       /* of the server, for the helper: each may ask so many names at a time */
};

/*
 * Resolves and connects; sends a PROXY header where the instance does; reads the greeting, after
 * TLS where that comes first; for `tls` makes the handshake, and the certificate must be good; sends
 * QUIT, which before a login commits nothing. Returns SERVER_FAILURE_COUNT where all is good. Sleeps
 * in wait_for(). *is_helper_lost_r: the names cannot be resolved any more, so nothing is known.
 */
enum server_failure check_server(const struct check *check, int64_t deadline_ms,
                                 bool *is_helper_lost_r);

#endif
