/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stage that connects to the server: finds its addresses, makes sure that none is our own, and
 * dials.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/process.h"
#include "session/identity.h"
#include "session/source.h"
#include "session/stage.h"
#include "session/stages.h"
#include "session/trace.h"

enum {
    HALF_KNOWN_MS = 2000, /* for the addresses of one family, until the other one is waited for */
    FAILING_PAUSE_MS = 60000, /* between two reports of failing addresses */
};

static enum io_status resolve(struct session *session, enum helper_extent extent,
                              int64_t deadline_ms, struct helper_addresses *found)
{
    const struct host_port *name = &session->server_name;

    session_enter(session, SESSION_STAGE_RESOLVE);
    return helper_resolve(session->start->helper, session->id,
                          address_account_key(&session->client_address), name->host, name->port,
                          extent, deadline_ms, found);
}

/* Asks the helper for the addresses of the server, unless its name is a literal. */
static enum outcome find_addresses(struct session *session, int64_t deadline_ms,
                                   struct helper_addresses *found)
{
    const struct host_port *name = &session->server_name;
    enum io_status status;

    if (session->route.addresses != NULL) {
        *found = *session->route.addresses;
        return OUTCOME_NONE;
    }
    found->count = 1;
    found->is_partial = false;
    if (address_from_literal(&found->list[0], name->host, name->port) == 0)
        return OUTCOME_NONE;
    status = resolve(session, HELPER_SOON, deadline_ms, found);
    if (status == IO_STOPPED)
        return OUTCOME_STOPPED;
    if (status == IO_DEADLINE)
        return OUTCOME_RESOLVE_TIMEOUT;
    if (status != IO_OK || found->count == 0) {
        session->failure = "the name has no address, or no resolver answers";
        return OUTCOME_RESOLVE_FAILED;
    }
    return OUTCOME_NONE;
}

static bool is_covered(const struct helper_addresses *found, const struct address *own)
{
    for (size_t i = 0; i < found->count; i++)
        if (address_is_covered_by(&found->list[i], own))
            return true;
    return false;
}

/* A connection to ourselves would be a loop without end. If we do not know where we listen, because
 * a superserver does it, then it is at least where this client has connected to. */
static bool is_loop(const struct session *session, const struct helper_addresses *found)
{
    struct address local;

    for (size_t i = 0; i < session->start->own_address_count; i++)
        if (is_covered(found, &session->start->own_addresses[i]))
            return true;
    if (session->start->own_address_count > 0)
        return false;
    session_own_end(session, &local);
    return is_covered(found, &local);
}

/* Both addresses are this machine's: they are the same, or both are in 127.0.0.0/8. */
static bool is_one_machine(struct address a, struct address b)
{
    address_set_port(&a, 0);
    address_set_port(&b, 0);
    return address_is_equal(&a, &b) ||
           (a.sa.sa_family == b.sa.sa_family && address_is_loopback(&a) && address_is_loopback(&b));
}

/*
 * Called after the connection is made. A superserver may listen on all addresses of the machine, of
 * which we know one. A client could name another one at each hop, and make a process for each. So a
 * server that the client has named is a loop if it is this machine, at the port that we are
 * reached at. The operator may have a server there, and names it himself then.
 */
static bool is_loop_in_machine(const struct session *session, int fd)
{
    struct address from, own;
    struct address to = session->server_address;

    if (session->start->own_address_count > 0 || !session->route.is_client_choice ||
        !address_of_own_end(fd, &from))
        return false;
    session_own_end(session, &own);
    address_unmap(&from);
    address_unmap(&to);
    return address_port(&own) != 0 && address_port(&own) == address_port(&to) &&
           is_one_machine(from, to);
}

static enum outcome dial_outcome(struct session *session, enum io_status status)
{
    switch (status) {
    case IO_OK:
        return OUTCOME_NONE;
    case IO_STOPPED:
        return OUTCOME_STOPPED;
    case IO_DEADLINE:
        return OUTCOME_CONNECT_TIMEOUT;
    default:
        session->failure = strerror(errno);
        return OUTCOME_CONNECT_FAILED;
    }
}

static void log_failing(const struct session *session, const struct address *address, int error)
{
    char server[SESSION_SERVER_SIZE];
    char text[ADDRESS_TEXT_SIZE];
    struct log_line line;

    session_log_begin(&line, session, EVENT_ADDRESS_FAILED);
    log_add(&line, "server", session_server_text(session, server));
    log_add(&line, "server_address", address_text(address, text));
    log_add_text(&line, "error", strerror(error));
    log_end(&line);
}

/* An address of the name that does not answer makes logins slow, and nobody sees why, because
 * another one serves them. That may last for months, so a process logs it once a minute at most.
 * localhost is left out: it has two addresses whether or not the server listens on both. */
static void tell_failing(const struct session *session, const struct helper_addresses *found,
                         const int *errors)
{
    static int64_t quiet_until_ms PROCESS_OWN;

    if (clock_now_ms() < quiet_until_ms || strcasecmp(session->server_name.host, "localhost") == 0)
        return;
    for (size_t i = 0; i < found->count && i < DIAL_ADDRESSES_MAX; i++) {
        if (errors[i] == 0)
            continue;
        log_failing(session, &found->list[i], errors[i]);
        quiet_until_ms = clock_after_ms(FAILING_PAUSE_MS);
    }
}

/* Which of the addresses took the connection, and why the others did not. */
static void trace_dial(struct session *session, const struct helper_addresses *found,
                       enum io_status status, const int *errors, size_t chosen)
{
    char text[ADDRESS_TEXT_SIZE];

    for (size_t i = 0; trace_is_on(session) && i < found->count && i < DIAL_ADDRESSES_MAX; i++) {
        int error = status == IO_DEADLINE ? ETIMEDOUT : errors[i];

        if (status == IO_OK && i == chosen)
            trace_note(session, "connected to %s", address_text(&found->list[i], text));
        else if (status != IO_STOPPED && error != 0)
            trace_note(session, "cannot connect to %s: %s",
                       address_text(&found->list[i], text), strerror(error));
    }
}

/* Dials the addresses that are known. They have less time if there may be others to try. */
static enum io_status dial_known(struct session *session, const struct helper_addresses *found,
                                 int64_t deadline_ms, int *fd_r, size_t *chosen_r)
{
    int64_t until_ms =
        found->is_partial ? clock_earlier(deadline_ms, clock_after_ms(HALF_KNOWN_MS)) : deadline_ms;
    char server[SESSION_SERVER_SIZE];
    int errors[DIAL_ADDRESSES_MAX];
    enum io_status status;

    session_enter(session, SESSION_STAGE_CONNECT);
    trace_note(session, "connect to server %s", session_server_text(session, server));
    status = source_dial(session, found, until_ms, fd_r, chosen_r, errors);
    trace_dial(session, found, status, errors, *chosen_r);
    if (status == IO_OK && found->count > 1)
        tell_failing(session, found, errors);
    return status;
}

/* After dialling the addresses of one family has failed: waits for those of the other one. Where
 * the first ones may just be slow, they get the second half of the time that is left. Returns
 * whether there is anything to dial. */
static bool find_rest(struct session *session, enum io_status failure, int64_t deadline_ms,
                      struct helper_addresses *found)
{
    int64_t half_ms = (deadline_ms - clock_now_ms()) / 2;
    int64_t until_ms = failure == IO_DEADLINE ? clock_after_ms(half_ms) : deadline_ms;
    size_t known = found->count;
    int error = errno;
    struct helper_addresses all;
    enum io_status status;

    if (half_ms <= 0)
        return false;
    status = resolve(session, HELPER_ALL, until_ms, &all);
    if (status == IO_OK)
        *found = all;
    found->is_partial = false;
    errno = error;
    if (status == IO_STOPPED || found->count == 0)
        return false;
    return failure == IO_DEADLINE || (status == IO_OK && found->count > known);
}

static enum outcome dial_server(struct session *session, struct helper_addresses *found,
                                int64_t deadline_ms, int *fd_r, size_t *chosen_r)
{
    enum io_status status;

    if (is_loop(session, found))
        return OUTCOME_LOOP;
    status = dial_known(session, found, deadline_ms, fd_r, chosen_r);
    if (found->is_partial && (status == IO_FAILED || status == IO_DEADLINE) &&
        find_rest(session, status, deadline_ms, found)) {
        if (is_loop(session, found))
            return OUTCOME_LOOP;
        status = dial_known(session, found, deadline_ms, fd_r, chosen_r);
    }
    return dial_outcome(session, status);
}

enum outcome connect_run(struct session *session)
{
    int64_t deadline_ms = clock_earlier(session->login_deadline_ms,
                                        clock_after_ms(session->values->connect_timeout * 1000));
    struct helper_addresses found;
    size_t chosen = 0;
    int fd;
    enum outcome outcome = find_addresses(session, deadline_ms, &found);

    if (outcome == OUTCOME_NONE)
        outcome = dial_server(session, &found, deadline_ms, &fd, &chosen);
    if (outcome != OUTCOME_NONE)
        return outcome;
    stream_open_socket(&session->server, fd);
    session->server_address = found.list[chosen];
    if (is_loop_in_machine(session, fd))
        return OUTCOME_LOOP;
    session->server.out.is_secret = true; /* until the login is answered */
    return identity_send_header(session, deadline_ms);
}
