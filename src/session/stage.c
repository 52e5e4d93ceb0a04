/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ground under the stages: it knows the session, and none of them.
 */
#include "session/stage.h"

#include <string.h>

#include "base/hash.h"
#include "session/trace.h"

void session_progress(const struct session *session)
{
    const struct session_watch *watch = session->start->watch;

    if (watch != NULL && watch->progress != NULL)
        watch->progress(watch->context, session);
}

void session_enter(struct session *session, enum session_stage stage)
{
    session->stage = stage;
    trace_check(session);
    trace_note(session, "stage %s", session_stage_word(stage));
    session_progress(session);
}

void session_note_user(struct session *session)
{
    const char *user = session->credentials.user;

    memset(session->user, 0, sizeof(session->user));
    memcpy(session->user, user, strnlen(user, SESSION_USER_SIZE - 1));
    session->sent_name = hash_text_nocase(user);
}

int64_t session_login_end_ms(const struct session *session, bool is_clients_part)
{
    const struct conf_values *values = session->values;
    int64_t limit_s = values->login_timeout;

    if (is_clients_part && values->client_login_timeout < limit_s)
        limit_s = values->client_login_timeout;
    return session->started_ms + limit_s * 1000;
}

const char *session_stage_word(enum session_stage stage)
{
    static const char *const words[SESSION_STAGE_COUNT] = {
#define SESSION_STAGE(name, word) word,
#include "session/session_stage.def"
#undef SESSION_STAGE
    };

    return words[stage];
}

void session_own_end(const struct session *session, struct address *address)
{
    (void)address_of_own_end(session->client.read_fd, address);
    address_unmap(address);
}

void session_local_address(const struct session *session, struct address *address)
{
    if (session->local_address.sa.sa_family != AF_UNSPEC)
        *address = session->local_address;
    else
        session_own_end(session, address);
}

void session_log_begin(struct log_line *line, const struct session *session, enum event event)
{
    log_begin(line, event);
    log_add(line, "session", session->id);
}

void session_log_words(struct log_line *line, const struct session *session, const char *words)
{
    char client[ADDRESS_TEXT_SIZE];

    log_add_words(line, "text", words, session->user,
                  address_host_text(&session->client_address, client));
}
