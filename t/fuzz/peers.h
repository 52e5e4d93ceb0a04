/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everything around a session under fuzzing: a client, a server, a helper, a clock and a log that
 * follow a script. The session's own code runs over socket pairs, unchanged. The functions by which
 * it waits or reads the time are replaced at link time (--wrap), so no real time passes and a
 * script always gives the same session. TLS is only a flag: what the peers send after it counts as
 * decrypted.
 *
 * A script is three octets of settings, a fourth if one of the first says so, and then actions.
 * 0xff and a letter begin an action; the octets after them up to the next 0xff belong to it. An
 * action takes place when the session can only wait.
 *
 *   C, S  the client, the server sends these octets      B  the server sends a body of so many KiB
 *   c, s  ends its direction                             R, r  the client, the server is gone
 *   H     the client stops reading, or starts again      D  the deadline passes
 *   T     the session is told to stop                    W  half the time to the deadline passes
 *   +     the next action happens together with the one after it
 *
 * One of the settings makes several sessions of one script, as a worker with many sessions runs them
 * (lanes.h):
 *
 *   0 to 3  what follows is done by the client and the server of this session, which begins with it
 */
#ifndef FUZZ_PEERS_H
#define FUZZ_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "session/session.h"

/* Not assert(): these checks remain with NDEBUG. */
#define CHECK(condition) ((condition) ? (void)0 : abort())

/* A word that must not be in memory after the session has ended. */
#define PEERS_SECRET "Sesam-99"

enum { PEERS_OCTETS_MAX = 1024 * 1024 };

struct octets {
    char *data; /* of PEERS_OCTETS_MAX */
    size_t length;
};

enum peers_access {
    PEERS_ACCESS_GRANTED,
    PEERS_ACCESS_DENIED,
    PEERS_ACCESS_FAILED,
    PEERS_ACCESS_LATE
};

/* As the settings `tls` and `server_tls` count. */
enum peers_tls { PEERS_TLS_NO, PEERS_TLS_STLS, PEERS_TLS_REQUIRED, PEERS_TLS_IMPLICIT };
enum peers_server_tls { PEERS_SERVER_TLS_NO, PEERS_SERVER_TLS_STLS, PEERS_SERVER_TLS_IMPLICIT };

/* One scripted end of a connection. */
struct peers_end {
    int fd; /* to read from, and to write to where out_fd is -1; -1: gone */
    int out_fd;
    bool is_held; /* does not read */
    bool is_ending;
    struct octets *sent;
    struct octets pending; /* not yet taken by the kernel */
};

/* A session and its world. */
struct peers {
    /* settings */
    uint8_t variant; /* the fourth octet; 0: none of these: */
    enum peers_tls tls;
    enum peers_server_tls server_tls;
    bool has_bad_handshakes;
    bool has_auth_plain; /* at the server */
    bool takes_header;
    unsigned sends_header; /* its version; 0: none */
    bool sends_xclient;
    bool selects_server;
    bool has_acp;
    bool has_pipes; /* standard input and output instead of one socket */
    bool has_small_buffers;
    enum peers_access access;
    const char *acp_text;
    size_t io_most; /* octets a call moves; 0: as many as it likes */
    int dial_errno;
    struct server_facts server_facts; /* what the session has learned of the server before */

    /* what went over the wire */
    struct octets from_client; /* taken by the kernel */
    struct octets to_client;   /* written by the session */
    struct octets from_server;
    struct octets to_server;
    size_t read_from_server; /* by the session */
    bool is_client_well;     /* it reads, and was never gone */

    /* what happened */
    struct session *session;
    bool is_client_tls; /* by now */
    bool is_server_tls;
    int client_fds[2]; /* the session's ends */
    int server_fd;     /* -1 before it was dialled */
    bool was_stopped;
    unsigned sessions_logged;
    int64_t now_ms;
    int64_t ended_ms; /* when the session has ended */
    enum outcome outcome;

    /* the doubles' own */
    struct peers_end client, server;
    struct session_start start;
    struct known_servers known_servers;
    int server_session_fd; /* -1 once it is the session's */
    bool is_stop_requested;
    unsigned idle_turns;
};

/* The one in place. */
extern struct peers peers;

/* Called before octets are written to the server, and after. */
void peers_before_server_write(void);
void peers_after_server_write(void);

/* The settings of a session, as an instance. */
typedef const struct conf_instance *peers_conf(void);

/* Called before a session begins: the target forgets what it has noted. */
void peers_reset(void);

/* Keeps what the target has noted of session `lane`, and puts what it has kept in place. */
void peers_save(unsigned lane);
void peers_load(unsigned lane);

/* Runs the script: whole sessions. Returns how many; lanes_use() puts one of them in place. */
unsigned peers_run(peers_conf *conf, const uint8_t *script, size_t size);

/* ---- for the doubles and lanes.c ---- */

enum { PEERS_MOMENT_MS = 10 }; /* a shorter wait has no room for an action */

void peers_begin(peers_conf *conf, struct session *session);
void peers_session(void); /* the session, to its end */
void peers_end(void);

/* For a double that has nothing to say before the deadline. */
enum io_status peers_pass_until(int64_t deadline_ms);

/* Performs the next actions. Returns the letter of the last, 0 at the script's end. */
uint8_t peers_act_next(void);

/* Moves what the peers have to send and to read. */
void peers_turn(void);

#endif
