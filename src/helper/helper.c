/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sends requests to the helper and waits for answers, within the caller's limit. Where the helper
 * dies meanwhile, it asks again. Knows nothing of how the helper does its work.
 */
#include "helper/helper.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/process.h"
#include "helper/helper_process.h"
#include "helper/message.h"

enum {
    ATTEMPTS_MAX = 3,
    SESSION_KEY_BYTES = MESSAGE_SESSION_SIZE + 24, /* session id and account in a message */
    QUESTION_BYTES = 1024,                         /* a question to tables that is on the stack */
};

void helper_init_on_demand(struct helper *helper, const struct conf_instance *conf, uid_t uid,
                           gid_t gid)
{
    *helper = (struct helper){
        .conf = conf, .request_fd = -1, .is_on_demand = true, .uid = uid, .gid = gid};
}

void helper_init_shared(struct helper *helper, const struct conf_instance *conf, int request_fd,
                        helper_silence *on_silence, void *context)
{
    *helper = (struct helper){
        .conf = conf, .request_fd = request_fd, .on_silence = on_silence, .context = context};
}

void helper_close(struct helper *helper)
{
    while (helper->pair_count > 0)
        wait_close(helper->pairs[--helper->pair_count]);
    if (helper->request_fd != -1)
        close(helper->request_fd);
    helper->request_fd = -1;
}

/* After a helper died. The one of a pool is replaced by the master, and reached as before. */
static void forget_helper(struct helper *helper)
{
    if (helper->is_on_demand)
        helper_close(helper);
}

/* Forks the helper from a child that ends at once: then init reaps the helper, not this process. */
static enum io_status start_on_demand(struct helper *helper)
{
    int pair[2];
    pid_t pid;

    if (helper->is_last) {
        errno = ECHILD;
        return IO_FAILED;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
        return IO_FAILED;
    pid = process_fork();
    if (pid == 0) {
        if (process_fork() != 0)
            _exit(0);
        close(pair[0]);
        helper_process_run(helper->conf, NULL, pair[1], -1, helper->uid, helper->gid);
        _exit(0);
    }
    close(pair[1]);
    if (pid == -1) {
        close(pair[0]);
        return IO_FAILED;
    }
    while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
        continue;
    helper->request_fd = pair[0];
    return IO_OK;
}

void helper_start(struct helper *helper)
{
    (void)start_on_demand(helper); /* without it the sessions' requests fail, and say so */
    helper->is_last = true;
}

/* ---- a question and its answer ---- */

/* Is called for each message of an answer. Returns IO_AGAIN where more must follow. */
typedef enum io_status answer_handler(void *context, int kind, struct message *answer);

struct question {
    struct helper *helper;
    struct message *request;
    enum io_status (*receive)(const struct question *question, int fd);
    answer_handler *handle;
    void *context;
    int64_t deadline_ms;
};

/* Waits until there is a message. Where none comes for a while, the master is told once. */
static enum io_status wait_for_answer(const struct question *question, int fd)
{
    const struct helper *helper = question->helper;
    int64_t patience_ms =
        clock_earlier(question->deadline_ms, clock_after_ms(HELPER_PATIENCE_MS));
    enum io_status status = wait_for_one(fd, POLLIN, patience_ms);

    if (status == IO_DEADLINE && patience_ms < question->deadline_ms) {
        if (helper->on_silence != NULL)
            helper->on_silence(helper->context);
        status = wait_for_one(fd, POLLIN, question->deadline_ms);
    }
    return status;
}

/* Receives the message that is there, and handles it. IO_AGAIN: it was none, or more must follow. */
static enum io_status take_message(const struct question *question, int fd, char *data, size_t size,
                                   size_t *length_r)
{
    struct message answer;
    enum io_status status = message_read(fd, data, size, length_r);
    int kind;

    if (status != IO_OK)
        return status;
    kind = message_open(&answer, data, *length_r);
    if (answer.is_bad || answer.number != question->request->number) {
        errno = EPROTO;
        return IO_FAILED;
    }
    return question->handle(question->context, kind, &answer);
}

static enum io_status receive_answer(const struct question *question, int fd)
{
    char data[MESSAGE_OUTPUT_BYTES + 16];
    enum io_status status;
    size_t length;

    do {
        status = wait_for_answer(question, fd);
        if (status == IO_OK)
            status = take_message(question, fd, data, sizeof(data), &length);
    } while (status == IO_AGAIN);
    return status;
}

/* For a message that may have passwords in it, and may be longer than a small stack has room for. */
static enum io_status take_secret(const struct question *question, int fd)
{
    struct buffer scratch = {.is_secret = true};
    size_t size;
    size_t length = 0;
    char *data = buffer_room(&scratch, HELPER_ROUTED_BYTES, &size);
    enum io_status status;

    if (data == NULL)
        return IO_FAILED;
    status = take_message(question, fd, data, size, &length);
    buffer_added(&scratch, length);
    buffer_clear(&scratch);
    return status;
}

/* Takes memory only once there is an answer: many sessions may wait for a slow table. */
static enum io_status receive_secret(const struct question *question, int fd)
{
    enum io_status status;

    do {
        status = wait_for_answer(question, fd);
        if (status == IO_OK)
            status = take_secret(question, fd);
    } while (status == IO_AGAIN);
    return status;
}

/* ---- pairs ---- */

/* Nothing is left on a pair after a complete answer, and nothing will come: the helper speaks only
 * when it is asked. */
static void keep_pair(struct helper *helper, int fd)
{
    if (helper->pair_count == MESSAGE_PAIRS_KEPT) {
        wait_close(fd);
        return;
    }
    wait_note(fd, POLLIN, true);
    helper->pairs[helper->pair_count++] = fd;
}

/* `sent`: whether the question could be sent. */
static enum io_status finish(const struct question *question, int fd, enum io_status sent)
{
    enum io_status status = sent == IO_OK ? question->receive(question, fd) : sent;

    if (status == IO_OK)
        keep_pair(question->helper, fd);
    else
        wait_close(fd);
    return status;
}

static enum io_status send_on(const struct question *question, int fd, int passed_fd)
{
    const struct message *request = question->request;

    return message_send(fd, request->data, request->length, passed_fd, question->deadline_ms);
}

/* IO_EOF: there is no pair, or the helper has closed them all: it has ended, or needs the room. */
static enum io_status ask_on_kept(const struct question *question)
{
    struct helper *helper = question->helper;
    enum io_status status = IO_EOF;

    while (status == IO_EOF && helper->pair_count > 0) {
        int fd = helper->pairs[--helper->pair_count];
        status = finish(question, fd, send_on(question, fd, -1));
    }
    return status;
}

/* IO_EOF: the helper has died. */
static enum io_status ask_on_new(const struct question *question)
{
    struct helper *helper = question->helper;
    int pair[2];
    enum io_status status = IO_OK;

    if (helper->request_fd == -1)
        status = start_on_demand(helper);
    if (status != IO_OK)
        return status;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
        return IO_FAILED;
    status = send_on(question, helper->request_fd, pair[1]);
    close(pair[1]);
    return finish(question, pair[0], status);
}

/* Asks until an answer comes, the time limit passes, or ATTEMPTS_MAX helpers have died. */
static enum io_status ask(const struct question *question)
{
    enum io_status status;

    if (question->request->is_bad) {
        errno = EMSGSIZE;
        return IO_FAILED;
    }
    message_set_number(question->request, ++question->helper->number);
    status = ask_on_kept(question);
    for (int attempt = 0; attempt < ATTEMPTS_MAX && status == IO_EOF; attempt++) {
        status = ask_on_new(question);
        if (status == IO_EOF)
            forget_helper(question->helper);
    }
    return status == IO_EOF ? IO_FAILED : status;
}

static enum io_status call(struct helper *helper, struct message *request, answer_handler *handle,
                           void *context, int64_t deadline_ms)
{
    const struct question question = {.helper = helper,
                                      .request = request,
                                      .receive = receive_answer,
                                      .handle = handle,
                                      .context = context,
                                      .deadline_ms = deadline_ms};

    return ask(&question);
}

/* ---- the requests ---- */

static enum io_status fail_protocol(void)
{
    errno = EPROTO;
    return IO_FAILED;
}

static enum io_status take_addresses(void *context, int kind, struct message *answer)
{
    struct helper_addresses *addresses = context;
    struct helper_addresses found;
    size_t length;
    const char *data = message_rest(answer, &length);

    if (kind != MESSAGE_ADDRESSES || length != sizeof(found))
        return fail_protocol();
    memcpy(&found, data, sizeof(found));
    if (found.count > DIAL_ADDRESSES_MAX)
        return fail_protocol();
    *addresses = found;
    return IO_OK;
}

enum io_status helper_resolve(struct helper *helper, const char *session, uint64_t account,
                              const char *host, uint16_t port, enum helper_extent extent,
                              int64_t deadline_ms, struct helper_addresses *addresses)
{
    char memory[SESSION_KEY_BYTES + ADDRESS_HOST_SIZE + 16];
    struct message request;
    enum io_status status;

    message_begin(&request, memory, sizeof(memory), MESSAGE_RESOLVE);
    message_put(&request, session);
    message_put_number(&request, (int64_t)account);
    message_put(&request, host);
    message_put_number(&request, extent);
    status = call(helper, &request, take_addresses, addresses, deadline_ms);
    for (size_t i = 0; status == IO_OK && i < addresses->count; i++)
        address_set_port(&addresses->list[i], port);
    return status;
}

struct route_answer_reader {
    helper_take_route *take;
    void *context;
    struct helper_addresses *addresses;
    bool is_routed;
};

static enum io_status read_routed(const struct route_answer_reader *reader, struct message *answer)
{
    struct helper_routed routed;
    int64_t result = message_get_number(answer);

    routed.is_stale = message_get_number(answer) != 0;
    routed.table = message_get(answer);
    for (size_t i = 0; i < ROUTE_FIELD_COUNT; i++)
        routed.fields[i] = message_get_marked(answer);
    if (!message_is_done(answer) || result < 0 || result >= ROUTE_RESULT_COUNT)
        return fail_protocol();
    routed.result = (enum route_result)result;
    return reader->take(reader->context, &routed);
}

/* The route, then the addresses of its server, if a name had to be resolved. */
static enum io_status take_routed(void *context, int kind, struct message *answer)
{
    struct route_answer_reader *reader = context;
    enum io_status status;

    if (reader->is_routed)
        return take_addresses(reader->addresses, kind, answer);
    if (kind != MESSAGE_ROUTED && kind != MESSAGE_ROUTED_PART)
        return fail_protocol();
    reader->is_routed = true;
    status = read_routed(reader, answer);
    return status == IO_OK && kind == MESSAGE_ROUTED_PART ? IO_AGAIN : status;
}

static void put_question(struct message *message, const struct helper_question *question)
{
    message_put(message, question->login);
    message_put(message, question->password);
    message_put(message, question->client);
    message_put(message, question->client_port);
    message_put(message, question->local);
    message_put(message, question->local_port);
    message_put_number(message, question->is_tls);
}

static enum io_status ask_tables(struct helper *helper, struct message *request,
                                 const char *session, uint64_t account,
                                 const struct helper_question *question,
                                 struct route_answer_reader *reader, int64_t deadline_ms)
{
    const struct question asked = {.helper = helper,
                                   .request = request,
                                   .receive = receive_secret,
                                   .handle = take_routed,
                                   .context = reader,
                                   .deadline_ms = deadline_ms};

    message_put(request, session);
    message_put_number(request, (int64_t)account);
    put_question(request, question);
    return ask(&asked);
}

/* Most questions are short. A token may be too long for the stack. */
static bool is_short(const struct helper_question *question)
{
    return strlen(question->login) + strlen(question->password) < QUESTION_BYTES / 2;
}

enum io_status helper_route(struct helper *helper, const char *session, uint64_t account,
                            const struct helper_question *question, helper_take_route *take,
                            void *context, int64_t deadline_ms, struct helper_addresses *addresses)
{
    struct route_answer_reader reader = {.take = take, .context = context, .addresses = addresses};
    struct buffer scratch = {.is_secret = true};
    struct message request;
    char small[QUESTION_BYTES];
    size_t room = sizeof(small);
    char *memory = is_short(question) ? small : buffer_room(&scratch, MESSAGE_BYTES, &room);
    enum io_status status;

    addresses->count = 0;
    if (memory == NULL)
        return IO_FAILED;
    message_begin(&request, memory, room, MESSAGE_ROUTE);
    status = ask_tables(helper, &request, session, account, question, &reader, deadline_ms);
    explicit_bzero(memory, request.length);
    buffer_clear(&scratch);
    return status;
}

struct access_answer {
    helper_output *output;
    void *context;
    bool is_granted;
};

static enum io_status take_access(void *context, int kind, struct message *message)
{
    struct access_answer *answer = context;
    size_t length;
    const char *data = message_rest(message, &length);

    if (kind == MESSAGE_OUTPUT) {
        enum io_status status = answer->output(answer->context, data, length);
        return status == IO_OK ? IO_AGAIN : status;
    }
    if (kind != MESSAGE_RESULT || length != 1)
        return fail_protocol();
    answer->is_granted = data[0] == MESSAGE_RESULT_DONE;
    if (data[0] == MESSAGE_RESULT_TIME_LIMIT)
        return IO_DEADLINE;
    return data[0] == MESSAGE_RESULT_FAILED ? IO_FAILED : IO_OK;
}

enum io_status helper_ask_access(struct helper *helper, uint64_t account,
                                 const struct helper_access *access, helper_output *output,
                                 void *context, int64_t deadline_ms, bool *granted_r)
{
    struct access_answer answer = {.output = output, .context = context};
    struct buffer scratch = {.is_secret = true};
    struct message request;
    size_t room;
    char *memory = buffer_room(&scratch, MESSAGE_BYTES, &room);
    enum io_status status;

    *granted_r = false;
    if (memory == NULL)
        return IO_FAILED;
    message_begin(&request, memory, room, MESSAGE_ACCESS);
    message_put(&request, access->session);
    message_put_number(&request, (int64_t)account);
    message_put_number(&request, deadline_ms - clock_now_ms());
#define ACP_VARIABLE(name, field) message_put(&request, access->field);
#include "helper/acp.def"
#undef ACP_VARIABLE
    buffer_added(&scratch, request.length);
    status = call(helper, &request, take_access, &answer, deadline_ms + HELPER_GRACE_MS);
    buffer_clear(&scratch);
    *granted_r = status == IO_OK && answer.is_granted;
    return status;
}

static enum io_status take_result(void *context, int kind, struct message *answer)
{
    size_t length;
    const char *data = message_rest(answer, &length);

    (void)context;
    return kind == MESSAGE_RESULT && length == 1 && data[0] == MESSAGE_RESULT_DONE ? IO_OK
                                                                                   : IO_FAILED;
}

enum io_status helper_record_client(struct helper *helper, const char *session, const char *client,
                                    const char *line, int64_t deadline_ms)
{
    char memory[MESSAGE_RECORD_BYTES];
    struct message request;

    message_begin(&request, memory, sizeof(memory), MESSAGE_RECORD_CLIENT);
    message_put(&request, session);
    message_put(&request, client);
    message_put(&request, line);
    return call(helper, &request, take_result, NULL, deadline_ms);
}
