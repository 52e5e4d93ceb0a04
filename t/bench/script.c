/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands and the check of replies for the load generator; see script.h. A reply is compared as it
 * arrives, in whatever pieces, and not collected.
 */
#include "script.h"

#include "bench.h"

#include <stdio.h>
#include <string.h>

#define STATUS_MAX 512

static struct step *add(struct script *script, enum step_command command, const char *text)
{
    struct step *step = &script->steps[script->count++];

    step->command = command;
    snprintf(step->text, sizeof(step->text), "%s", text);
    return step;
}

static void add_exact(struct script *script, const char *text, struct text reply, unsigned message)
{
    struct step *step = add(script, STEP_FIXED, text);

    step->is_exact = true;
    step->reply = reply;
    step->message = message;
}

static void add_messages(struct script *script, bool is_deleting)
{
    char text[24];
    unsigned n;

    for (n = 1; n <= script->box->count; n++) {
        snprintf(text, sizeof(text), "RETR %u\r\n", n);
        add_exact(script, text, script->box->retr, n);
        if (is_deleting) {
            snprintf(text, sizeof(text), "DELE %u\r\n", n);
            add_exact(script, text, script->box->dele[n - 1], 0);
        }
    }
}

void script_build(struct script *script, const char *name, unsigned count, uint64_t size)
{
    static char quit_ok[] = MAIL_QUIT_OK;
    bool is_fetch = strcmp(name, "fetch") == 0;
    bool is_poll = strcmp(name, "poll") == 0;

    if (!is_fetch && !is_poll && strcmp(name, "bulk") != 0)
        bench_die("--script %s: must be poll, fetch or bulk", name);
    snprintf(script->users, sizeof(script->users), "m%ux%llu", is_poll ? 0 : count,
             (unsigned long long)(is_poll ? 0 : size));
    snprintf(script->users + strlen(script->users), 2, "-");
    script->box = mail_find(script->users);
    if (!script->box)
        bench_die("--messages %u --size %llu: at most 10000, a multiple of %d", count,
                  (unsigned long long)size, MAIL_LINE);
    script->steps = bench_alloc(script->box->count * 2 + 8, sizeof(*script->steps));
    add(script, STEP_GREETING, "the greeting");
    add(script, STEP_USER, "USER");
    add(script, STEP_PASS, "PASS");
    script->login_done = script->count;
    add_exact(script, "STAT\r\n", script->box->stat, 0);
    if (is_fetch) {
        add_exact(script, "UIDL\r\n", script->box->uidl, 0);
        add_exact(script, "LIST\r\n", script->box->list, 0);
    }
    add_messages(script, is_fetch);
    add_exact(script, "QUIT\r\n", (struct text){quit_ok, sizeof(quit_ok) - 1}, 0);
    script->steps[script->count - 1].command = STEP_QUIT;
}

size_t script_command(const struct script *script, size_t step, unsigned number, char *text_r)
{
    char user[MAIL_USER_MAX + 16], password[MAIL_USER_MAX + 48];
    int len = 0;

    snprintf(user, sizeof(user), "%s%06u", script->users, number);
    switch (script->steps[step].command) {
    case STEP_GREETING:
        return 0;
    case STEP_USER:
        len = snprintf(text_r, SCRIPT_COMMAND_MAX, "USER %s%s\r\n", user,
                       script->suffix ? script->suffix : "");
        break;
    case STEP_PASS:
        mail_password(user, password, sizeof(password));
        len = snprintf(text_r, SCRIPT_COMMAND_MAX, "PASS %s\r\n", password);
        break;
    case STEP_FIXED:
    case STEP_QUIT:
        len = snprintf(text_r, SCRIPT_COMMAND_MAX, "%s", script->steps[step].text);
        break;
    }
    return (size_t)len;
}

static enum script_result wrong(uint64_t pos, const char *data, size_t len)
{
    return pos == 0 && len >= 4 && memcmp(data, "-ERR", 4) == 0 ? SCRIPT_REFUSED : SCRIPT_WRONG;
}

/* One line that begins with "+OK", ends with CRLF and is no longer than RFC 1939 allows. */
static enum script_result check_status(struct progress *progress, const char *data, size_t len,
                                       size_t *used_r)
{
    static const char ok[] = "+OK";
    size_t i;

    for (i = 0; i < len; i++, progress->pos++) {
        if ((progress->pos < 3 && data[i] != ok[progress->pos]) || progress->pos >= STATUS_MAX)
            return wrong(progress->pos, data + i, len - i);
        if (data[i] == '\n') {
            *used_r = i + 1;
            return progress->last == '\r' ? SCRIPT_DONE : SCRIPT_WRONG;
        }
        progress->last = data[i];
    }
    return SCRIPT_MORE;
}

/* Compares with a text that begins at `start` of the reply. False on a difference. */
static bool same(const char *want, uint64_t want_len, uint64_t start, uint64_t pos,
                 const char *data, size_t len, size_t *n_r)
{
    uint64_t left;

    *n_r = 0;
    if (pos < start || pos >= start + want_len)
        return true;
    left = start + want_len - pos;
    *n_r = left < len ? (size_t)left : len;
    return memcmp(want + (pos - start), data, *n_r) == 0;
}

enum script_result script_check(const struct step *step, const struct mailbox *box,
                                struct progress *progress, const char *data, size_t len,
                                size_t *used_r)
{
    uint64_t body_end = step->reply.len + (step->message ? box->size : 0);
    uint64_t end = body_end + (step->message ? sizeof(MAIL_END) - 1 : 0);
    size_t used, n;

    if (!step->is_exact)
        return check_status(progress, data, len, used_r);
    if (!same(step->reply.at, step->reply.len, 0, progress->pos, data, len, &n))
        return wrong(progress->pos, data, len);
    used = n;
    progress->pos += n;
    if (step->message && progress->pos >= step->reply.len && progress->pos < body_end) {
        uint64_t left = body_end - progress->pos;

        n = left < len - used ? (size_t)left : len - used;
        if (!mail_body_is(step->message, progress->pos - step->reply.len, data + used, n))
            return SCRIPT_WRONG;
        used += n;
        progress->pos += n;
    }
    if (step->message) {
        if (!same(MAIL_END, sizeof(MAIL_END) - 1, body_end, progress->pos, data + used, len - used,
                  &n))
            return SCRIPT_WRONG;
        used += n;
        progress->pos += n;
    }
    *used_r = used;
    return progress->pos == end ? SCRIPT_DONE : SCRIPT_MORE;
}
