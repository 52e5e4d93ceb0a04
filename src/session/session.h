/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One POP3 session between a client and a server, from greeting to close:
 *
 *   greeting -> login -> select server -> ask acp -> reach the server: connect, log in -> relay
 *
 * Each stage has a file of its own (stages.h). A session does not know what started it or what its
 * streams are made of. It shares nothing with other sessions of its process but known_servers.
 */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "config/conf.h"
#include "helper/helper.h"
#include "io/stream.h"
#include "pop3/refusal.h"
#include "session/credentials.h"
#include "session/known_servers.h"
#include "session/outcome.h"
#include "session/secret.h"
#include "tls/tls.h"

enum {
    SESSION_ID_SIZE = 32,
    SESSION_USER_SIZE = 256, /* for logs; longer names are cut there, and only there */
    SESSION_SERVER_SIZE = HOST_PORT_TEXT_SIZE,
    SESSION_CODE_SIZE = 32, /* for logs; longer codes are cut there */
};

enum session_stage {
#define SESSION_STAGE(name, word) SESSION_STAGE_##name,
#include "session/session_stage.def"
#undef SESSION_STAGE
    SESSION_STAGE_COUNT
};

/* The word for logs and the status. */
const char *session_stage_word(enum session_stage stage);

struct session;

/* The selected server, as logs and the status name it: "host:port", an IPv6 address in brackets;
 * "" until one is selected. A text that is not a server name is shown as the client wrote it.
 * Returns `text`. */
const char *session_server_text(const struct session *session, char text[SESSION_SERVER_SIZE]);

/*
 * The pool's side of a session: it admits, counts and shows the session. Each function may be NULL
 * and gets `context`.
 */
struct session_watch {
    void *context;
    /* Called when the client's address is known and nothing has been said yet. Any outcome but
     * OUTCOME_NONE ends the session, and the client gets its reply in place of the greeting. */
    enum outcome (*admit)(void *context, const struct session *session);
    /* Called when the credentials are complete, before anybody is asked about them. */
    enum outcome (*may_log_in)(void *context, const struct session *session);
    /* Called when a login has been refused and the session may try another. has_failed: the server
     * was asked, and the login counts as failed. */
    void (*login_refused)(void *context, bool has_failed);
    /* Called when the server has let the user in and the client does not know it yet. */
    enum outcome (*log_in)(void *context, const struct session *session);
    /* Called when the stage has changed, and after octets were passed on. */
    void (*progress)(void *context, const struct session *session);
    /* Called when session->claim has changed. */
    void (*claim)(void *context, const struct session *session);
    /* Whether the logins of this user wait now, by its `typed_name` and `sent_name`. */
    bool (*is_held)(void *context, const struct session *session);
    /* By which traces of operators the session is followed, as bits; see trace.h. */
    uint32_t (*traced_by)(void *context, const struct session *session);
    /* Gives them a line. Returns false when it is lost. */
    bool (*tell)(void *context, uint32_t traces, const char *line, size_t length);
    /* What a requested stop means for this session: OUTCOME_STOPPED, SHED or KICKED. */
    enum outcome (*why_stopped)(void *context);
};

/* What a session is started with. It must stay as it is until the session has ended. */
struct session_start {
    const struct conf_instance *conf;
    struct helper *helper;
    const struct session_watch *watch;    /* NULL: nobody watches */
    struct known_servers *known_servers;  /* NULL: no server is ever known */
    const struct address *client_address; /* as accepted; NULL: ask the descriptor */
    const struct address *own_addresses;  /* where we listen: a server among them is a loop */
    size_t own_address_count;             /* 0: not known */
};

enum { SESSION_ROUTE_SIZE = 64 }; /* for logs; longer names of tables are cut there */

/* What the session has claimed of a server of a group, where it is counted. All zero: nothing. */
struct session_claim {
    struct server_state *state;
    uint32_t number; /* of the server */
    bool is_login;   /* its login is under way */
    bool has_logged_in;
    bool is_staying;      /* the user stays at the server */
    uint64_t stay_before; /* where he was before */
};

/* How this session's server is reached, and what to log in with: as for all sessions of the instance
 * unless a routing table says otherwise. The pointers lead into the memory of the credentials. */
struct session_route {
    char name[SESSION_ROUTE_SIZE]; /* the table that decided, or "client", "group" or "default" */
    enum conf_server_tls tls;
    bool is_client_choice; /* the client has named the server */
    bool is_any_certificate;
    uint16_t port; /* that a table has named for a server of a group; 0: none */
    const struct route_group *group; /* that the server is chosen from; NULL: it is the only one */
    struct route_login login;        /* what the group chooses by */
    uint32_t group_server;           /* the chosen one */
    uint32_t attempt; /* counts the servers of the group that were tried */
    const char *master; /* the user whose password opens the mailbox; NULL: the user's own */
    const struct address *source;             /* our address towards the server; NULL: any */
    const struct helper_addresses *addresses; /* of the server; NULL: not resolved yet */
};

struct session {
    const struct session_start *start;
    const struct conf_values *values; /* those of start->conf */

    struct stream client;
    struct stream server;
    struct address server_address; /* connected to */
    struct address client_address; /* AF_UNSPEC when the client's input is not a socket */
    struct address proxy_address;  /* the load balancer; AF_UNSPEC without one */
    bool is_proxy_local;           /* the connection is the load balancer's own: a check */
    /* Where the client has connected to, if a load balancer told us; see session_local_address().
     */
    struct address local_address;

    char id[SESSION_ID_SIZE];
    enum session_stage stage;
    int64_t started_ms;
    int64_t login_deadline_ms;
    bool is_reply_owed;          /* see client_owe_reply() */
    struct tls_facts client_tls; /* empty texts in the clear */
    struct tls_names client_names;
    struct tls_facts server_tls;
    struct server_facts server_facts; /* of the server we log in at */
    bool is_login_sent;               /* the server has the credentials, and might repeat them */
    bool is_password_tried;           /* it has taken the user name: its answer is about the rest */
    bool has_taken_response;          /* it has taken AUTH with the response in the same line */
    bool has_last_words; /* at the start of its input: why it refuses the login, or closes */
    bool is_in_use; /* it refuses because the mailbox is in use, and the client does not know yet */
    enum refusal refusal; /* what such words of a refused login mean */
    struct secret_prints secrets;
    const char *failure;  /* why no connection to the server was made, for logs; NULL: no more to say */
    bool is_client_gone; /* nothing more reaches it; what it sent before is still served */

    size_t line_length;    /* of the command line at the start of the client's input */
    bool is_skipping_line; /* inside a line that is too long */
    unsigned skipped_octets; /* of the last such line */

    struct credentials credentials;
    char user[SESSION_USER_SIZE]; /* as sent to the server, for logs */
    /* Hashes by hash_text_nocase(): the login as the client typed it, and as sent to the server. */
    uint64_t typed_name;
    uint64_t sent_name;
    struct host_port server_name; /* as selected; port 0 until one is; see select.c */
    struct session_route route;
    struct session_claim claim;
    int32_t in_use_left_ms;  /* of the time for further tries */
    int32_t in_use_pause_ms; /* before the next one */
    int64_t try_deadline_ms; /* until which the server must take a login, or another one is tried; 0:
                              * there is no other */

    unsigned refused;       /* commands */
    unsigned free_commands; /* see login.c */
    uint64_t reply_octets;
    uint64_t retrieved;
    uint64_t deleted;
    bool is_quit_sent; /* to the server, and its reply has not come: nobody knows what it does */
    bool is_committed; /* there were deletions, and the server confirmed QUIT */
    bool has_logged_loose_end; /* see transfer.c */
    uint32_t trace_marks;      /* see trace.h */
    uint32_t trace_lost;       /* lines that could not be told */
};

/*
 * Runs a session over the two descriptors, closes them and writes the session's log line. If both
 * are the same descriptor, it is a socket. Returns how the session ended.
 */
enum outcome session_run(struct session *session, const struct session_start *start, int read_fd,
                         int write_fd);

#endif
