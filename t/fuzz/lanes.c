/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The worlds of several sessions, and the sleep of the scheduler that runs them.
 */
#include "lanes.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "io/scheduler.h"

enum {
    DESCRIPTORS = 4096,
    TURNS_MAX = 100000, /* of the scheduler, for one script */
};

struct lane;

/* The task of a session. It lies on the task's own stack, and ends with it. */
struct lane_task {
    struct task task;
    struct lane *lane;
};

struct lane {
    struct peers peers; /* while it is not in place */
    struct session session;
    struct lane_task *task; /* NULL: the session has not begun, or has ended */
    bool has_begun;
};

static struct lane lanes[LANES];
static unsigned in_place;
static unsigned turns;
static bool are_many;
static bool is_one_ready; /* the script has made a task ready: the scheduler must not sleep */

void lanes_set_many(bool many)
{
    are_many = many;
}

bool lanes_are_many(void)
{
    return are_many;
}

/* The clock is the same for all. */
static void put_in_place(unsigned lane)
{
    int64_t now_ms = peers.now_ms;

    if (lane == in_place)
        return;
    lanes[in_place].peers = peers;
    peers_save(in_place);
    in_place = lane;
    peers = lanes[lane].peers;
    peers.now_ms = now_ms;
    peers_load(lane);
}

bool lanes_use(unsigned lane)
{
    if (!are_many)
        return lane == 0;
    put_in_place(lane);
    return lanes[lane].has_begun;
}

/* ---- the script ---- */

static void run(struct task *task)
{
    struct lane *lane = ((struct lane_task *)task)->lane;

    peers_session();
    lane->task = NULL;
}

void lanes_choose(unsigned lane)
{
    put_in_place(lane);
    if (lanes[lane].has_begun)
        return;
    lanes[lane].has_begun = true;
    lanes[lane].task = task_new(sizeof(*lanes[lane].task), run);
    CHECK(lanes[lane].task != NULL);
    lanes[lane].task->lane = &lanes[lane];
    is_one_ready = true;
}

void lanes_stop(void)
{
    if (lanes[in_place].task == NULL)
        return;
    task_stop(&lanes[in_place].task->task);
    is_one_ready = true;
}

/* ---- doubles ---- */

bool __real_coroutine_resume(struct coroutine *coroutine);
bool __wrap_coroutine_resume(struct coroutine *coroutine);
int __real_epoll_wait(int epoll_fd, struct epoll_event *events, int most, int limit_ms);
int __wrap_epoll_wait(int epoll_fd, struct epoll_event *events, int most, int limit_ms);

bool __wrap_coroutine_resume(struct coroutine *coroutine)
{
    struct lane_task *task = (struct lane_task *)coroutine;

    put_in_place((unsigned)(task->lane - lanes));
    return __real_coroutine_resume(coroutine);
}

/* The scheduler is about to sleep: what a session waits for has not come. */
static void check_asleep(const struct task *task)
{
    for (unsigned i = 0; task->is_asleep && i < task->count; i++) {
        struct pollfd one = {.fd = task->fds[i].fd, .events = task->fds[i].events};

        CHECK(poll(&one, 1, 0) == 0);
    }
}

static void turn_all(void)
{
    for (unsigned i = 0; i < LANES; i++) {
        put_in_place(i);
        peers_turn();
    }
}

/* Nothing is ready: the script goes on, or time passes. Returns what is left of the limit. */
static int pass_time(int limit_ms)
{
    unsigned chosen = in_place;
    uint8_t letter;

    turn_all();
    put_in_place(chosen);
    letter = limit_ms > PEERS_MOMENT_MS ? peers_act_next() : 'D';
    if (letter == 0 || letter == 'D') {
        peers.now_ms += limit_ms;
        return 0;
    }
    if (letter != 'W')
        return limit_ms;
    peers.now_ms += limit_ms / 2;
    return limit_ms - limit_ms / 2;
}

int __wrap_epoll_wait(int epoll_fd, struct epoll_event *events, int most, int limit_ms)
{
    for (;;) {
        int count = __real_epoll_wait(epoll_fd, events, most, 0);

        CHECK(++turns < TURNS_MAX);
        if (count != 0 || limit_ms == 0 || is_one_ready) {
            is_one_ready = false;
            return count;
        }
        CHECK(limit_ms > 0); /* no sleep is without a limit */
        for (unsigned i = 0; i < LANES; i++)
            if (lanes[i].task != NULL)
                check_asleep(&lanes[i].task->task);
        limit_ms = pass_time(limit_ms);
    }
}

/* ---- run ---- */

/* Between two sessions of the script there may be none. */
static bool is_over(void)
{
    while (scheduler_tasks() == 0 && peers_act_next() != 0)
        continue;
    return scheduler_tasks() == 0;
}

static void open_scheduler(void)
{
    static bool is_open;

    if (!is_open)
        CHECK(scheduler_open(DESCRIPTORS) == 0);
    is_open = true;
}

/* The numbers of descriptors are used again while other sessions run, so this is checked at the end. */
static void end_lane(void)
{
    if (lanes[in_place].has_begun)
        CHECK(fcntl(peers.client_fds[0], F_GETFD) == -1);
    else
        close(peers.client_fds[0]);
    peers_end();
}

unsigned lanes_run(peers_conf *conf)
{
    turns = 0;
    for (unsigned i = 0; i < LANES; i++) {
        put_in_place(i);
        lanes[i].has_begun = false;
        peers_reset();
        peers_begin(conf, &lanes[i].session);
    }
    open_scheduler();
    lanes_choose(0);
    scheduler_run(is_over);
    for (unsigned i = 0; i < LANES; i++) {
        put_in_place(i);
        end_lane();
    }
    return LANES;
}
