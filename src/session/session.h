/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One POP3 session between a client and a server, from greeting to close:
 *
 *   greeting -> login -> select server -> ask acp -> connect -> log in at the server -> relay
 *
 * Each stage is a file of its own. A session knows neither what started it nor what its streams
 * are made of, and shares nothing with other sessions of its process.
 */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/buffer.h"
#include "config/conf.h"
#include "helper/helper.h"
#include "io/stream.h"
#include "pop3/sasl.h"
#include "session/known_servers.h"
#include "session/outcome.h"
#include "tls/tls.h"

enum {
    SESSION_ID_SIZE = 32,
    SESSION_USER_SIZE = 256, /* for logs; longer names are cut there, and only there */
    SESSION_REFUSED_MAX = 5, /* the manual: the next one ends the session */
};

enum session_stage {
    SESSION_STAGE_OPEN, /* nothing may be said yet */
    SESSION_STAGE_LOGIN,
    SESSION_STAGE_ACCESS,
    SESSION_STAGE_RESOLVE,
    SESSION_STAGE_CONNECT,
    SESSION_STAGE_SERVER_LOGIN,
    SESSION_STAGE_RELAY,
    SESSION_STAGE_COUNT
};

/* The word for logs and the status. */
const char *session_stage_word(enum session_stage stage);

struct session;

/* The server as selected, as logs and the status name it: "host:port", an IPv6 address in brackets;
 * empty until one is. Returns `text`. */
enum { SESSION_SERVER_SIZE = ADDRESS_HOST_SIZE + 16 };
const char *session_server_text(const struct session *session, char text[SESSION_SERVER_SIZE]);

/* What the login stages pass to each other; wiped and gone once the login is answered. The texts
 * lie in `memory`, a secret buffer. */
struct credentials {
    struct buffer memory;
    enum sasl_mechanism mechanism; /* NONE: USER and PASS */
    const char *message;           /* of a token mechanism, as the client sent it */
    size_t message_length;
    char *user;        /* for the server */
    char *password;    /* "" where the mechanism has none */
    char *proxy_user;  /* for the acp; "" without proxy authentication */
    char *proxy_password;
};

/*
 * What watches over a session from outside: admits it, counts it, shows it. Each function may be
 * NULL.
 */
struct session_watch {
    void *context;
    /* The client's address is known and nothing has been said yet. Anything but OUTCOME_NONE ends
     * the session in place of the greeting. */
    enum outcome (*admit)(void *context, const struct session *session);
    /* The credentials are there, nobody has been asked about them. */
    enum outcome (*may_log_in)(void *context, const struct session *session);
    /* The stage has changed, or octets were passed on. */
    void (*progress)(void *context, const struct session *session);
    /* A stop that was requested is meant for this session alone, to make room. */
    bool (*is_shed)(void *context);
};

struct session {
    const struct conf_instance *conf;
    const struct session_watch *watch;
    struct known_servers *known_servers;
    struct helper *helper;
    const struct address *own_addresses; /* listening addresses: a server among them is a loop */
    size_t own_address_count;

    struct stream client;
    struct stream server;
    struct address server_address; /* connected to */
    struct address client_address; /* AF_UNSPEC when standard input is no socket */
    /* Where the client says it has connected to, if a load balancer tells; see
     * session_local_address(). */
    struct address local_address;
    struct address proxy_address; /* the load balancer; AF_UNSPEC without one */

    char id[SESSION_ID_SIZE];
    enum session_stage stage;
    int64_t started_ms;
    int64_t login_deadline_ms;
    bool is_reply_owed; /* the client waits for a word and has not seen the start of one */
    struct tls_facts client_tls; /* empty texts in the clear */
    struct tls_facts server_tls;
    bool is_server_known; /* lately it was quiet where it should be, and is not listened to */
    bool is_login_sent; /* the server was told who logs in, and may repeat it */
    bool is_client_gone; /* nothing more reaches it; what it sent before is still served */

    size_t line_length;    /* of the command line at the start of the client's input */
    bool is_skipping_line; /* inside a line that is too long */

    struct credentials credentials;
    char user[SESSION_USER_SIZE]; /* as sent to the server, for logs */
    struct host_port server_name; /* as selected; port 0 until one is */

    unsigned refused;
    uint64_t reply_octets;
    uint64_t retrieved;
    uint64_t deleted;
    bool is_committed; /* there were deletions, and the server confirmed QUIT */
};

/* What starts a session. */
struct session_start {
    const struct conf_instance *conf;
    struct helper *helper;
    const struct session_watch *watch; /* NULL: nobody */
    struct known_servers *known_servers; /* NULL: each is met for the first time */
    const struct address *client_address; /* as accepted; NULL: ask the descriptor */
    const struct address *own_addresses;
    size_t own_address_count;
};

/*
 * Runs a session over the two descriptors, which are closed at the end, and writes its log line.
 * If they are the same, it is a socket. Returns how it ended.
 */
enum outcome session_run(struct session *session, const struct session_start *start, int read_fd,
                         int write_fd);

#endif
