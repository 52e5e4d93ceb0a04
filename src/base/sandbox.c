/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Puts the parts of the sandbox together: what the kernel offers is found out once, in a child that
 * tries it; each process then enters its role, and writes into shared memory what it has. A call
 * that the filter forbids raises SIGSYS, whose handler leaves the number of the call there for the
 * master. The master shows these numbers and uses them for nothing else.
 */
#include "base/sandbox.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/log.h"
#include "base/number.h"
#include "base/process.h"
#include "base/sandbox_names.h"
#include "base/sandbox_parts.h"
#include "base/shared.h"

static const struct sandbox_profile profiles[SANDBOX_KIND_COUNT] = {
#define SANDBOX_ROLE(name, word, title, calls, limits)                                             \
    [SANDBOX_##name] = {word, title, calls, limits},
#define SANDBOX_FREE(name, word, title) [SANDBOX_##name] = {word, title, NOBODY, 0},
#include "base/sandbox_role.def"
#undef SANDBOX_ROLE
#undef SANDBOX_FREE
};

enum {
    REPORTS = 32,
    STACK_BYTES = 64 * 1024,
    IS_USED = 1 << 8, /* beside enum sandbox_part */
};

/* The filters of a role differ by what the process is to do: bits. */
enum {
    LOGS_TO_SYSLOG = 1,
    WRITES_FILES = 2,
    VARIANTS = 4,
};

/* What processes tell of themselves. Each of them can write any of it. */
struct shared_state {
    _Atomic uint32_t in_force[SANDBOX_KIND_COUNT]; /* with IS_USED */
    _Atomic uint32_t next_report;
    struct report {
        _Atomic uint32_t pid; /* 0: empty */
        _Atomic uint32_t call;
    } reports[REPORTS];
};

static struct {
    enum sandbox_mode mode;
    bool is_syslog;
    bool is_tried;
    bool is_told; /* what is missing */
    int seccomp_error; /* 0: it works */
    int landlock_error;
    int landlock_version;
    struct error why_no_filter;
    struct sandbox_filter filters[SANDBOX_ROLE_COUNT][VARIANTS];
    struct shared_state *shared;
    pid_t owner; /* who reaps those that report there; any other process logs for itself */
} sandbox = {.mode = SANDBOX_YES};

/* ---- views ---- */

void sandbox_view_add(struct sandbox_view *view, const char *path, bool is_writable)
{
    if (path == NULL || view->path_count == SANDBOX_PATHS_MAX)
        return;
    view->paths[view->path_count++] =
        (struct sandbox_path){.path = path, .is_writable = is_writable};
}

void sandbox_view_add_port(struct sandbox_view *view, uint16_t port)
{
    for (size_t i = 0; i < view->port_count; i++)
        if (view->ports[i] == port)
            return;
    if (view->port_count < SANDBOX_PORTS_MAX)
        view->ports[view->port_count++] = port;
    else
        view->has_ports = false;
}

/* ---- a call that the filter forbids ---- */

/* The role that this process has entered. */
static const char *role_word PROCESS_OWN;

/* For the master, which logs how the process has ended. */
static void report(int call)
{
    struct shared_state *shared = sandbox.shared;
    struct report *report = &shared->reports[atomic_fetch_add(&shared->next_report, 1) % REPORTS];

    atomic_store(&report->call, (uint32_t)call);
    atomic_store(&report->pid, (uint32_t)getpid());
}

/* A process whose parent is not the master logs it itself. */
static void tell(int call)
{
    const char *known = sandbox_call_word(call);
    char number[NUMBER_TEXT_MAX + 1] = {0};
    struct log_line line;

    (void)number_put(number, (uint64_t)call);
    log_in_handler();
    log_begin(&line, EVENT_SANDBOX);
    line.level = LOG_LEVEL_ALERT;
    log_add(&line, "role", role_word);
    log_add(&line, "call", known != NULL ? known : number);
    log_add_text(&line, "text", "this process made a system call that its sandbox forbids, and ends");
    log_end(&line);
}

/*
 * Calls nothing that allocates memory or waits for a lock, because the forbidden call may come from
 * inside of such a function.
 *
 * SIGSYS is blocked while this handler runs. The filter forbids signal(SIGSYS), so that call raises it
 * again, and a blocked SIGSYS ends the process.
 */
static void on_forbidden(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (sandbox.shared != NULL && getppid() == sandbox.owner)
        report(info->si_syscall);
    else
        tell(info->si_syscall);
    signal(number, SIG_DFL);
    _exit(128 + number); /* not reached where the filter is in force */
}

/* On a stack of its own: that of a coroutine is too small. */
static void catch_forbidden(enum sandbox_role role)
{
    static char stack[STACK_BYTES];
    const stack_t memory = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct sigaction action = {.sa_sigaction = on_forbidden, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    role_word = profiles[role].word;
    sandbox_calls_prepare();
    sigemptyset(&action.sa_mask);
    (void)sigaltstack(&memory, NULL);
    (void)sigaction(SIGSYS, &action, NULL);
}

/* What the process has left there for the master; it may have prevented that. */
static void take_report(pid_t pid, char call[SANDBOX_CALL_SIZE])
{
    call[0] = '\0';
    for (size_t i = 0; i < REPORTS && sandbox.shared != NULL; i++) {
        struct report *report = &sandbox.shared->reports[i];

        if (atomic_load(&report->pid) != (uint32_t)pid)
            continue;
        atomic_store(&report->pid, 0);
        sandbox_call_name((long)atomic_load(&report->call), call);
        return;
    }
}

bool sandbox_take_call(pid_t pid, int wait_status, char call[SANDBOX_CALL_SIZE])
{
    if (!WIFSIGNALED(wait_status) || WTERMSIG(wait_status) != SIGSYS || !sandbox.is_tried)
        return false;
    take_report(pid, call);
    return true;
}

const char *sandbox_end_text(enum sandbox_role role, pid_t pid, int wait_status,
                             char text[SANDBOX_END_SIZE])
{
    char end[CHILD_END_SIZE];
    char call[SANDBOX_CALL_SIZE];

    (void)child_end_text(wait_status, end);
    if (!sandbox_take_call(pid, wait_status, call))
        snprintf(text, SANDBOX_END_SIZE, "%s", end);
    else
        snprintf(text, SANDBOX_END_SIZE, "%s, role=%s call=%s: %s", end, sandbox_role_word(role),
                 call[0] == '\0' ? "-" : call,
                 call[0] == '\0' ? SANDBOX_UNNAMED : "its sandbox forbids this system call");
    return text;
}

/* ---- the trial ---- */

/* libseccomp takes much memory for a moment. So the child compiles the filters, too: the heap of the
 * master, which all processes share, stays in one piece. */
struct trial {
    int is_done;
    int seccomp_error;
    int landlock_error;
    struct error why_no_filter;
    struct sandbox_filter filters[SANDBOX_ROLE_COUNT][VARIANTS];
};

static int make_filter(enum sandbox_role role, unsigned variant, struct error *error)
{
    unsigned groups = profiles[role].calls & ~(unsigned)WRITE_FILES;
    struct sandbox_filter *filter = &sandbox.filters[role][variant];

    if (filter->length > 0)
        return 0;
    if ((variant & LOGS_TO_SYSLOG) != 0)
        groups |= SYSLOG;
    if ((variant & WRITES_FILES) != 0)
        groups |= WRITE_FILES;
    return sandbox_filter_make(filter, groups,
                               (profiles[role].limits & SANDBOX_LIMIT_NO_CODE) == 0, error);
}

static bool has_variant(enum sandbox_role role, unsigned variant)
{
    return (variant & WRITES_FILES) == 0 || (profiles[role].calls & WRITE_FILES) != 0;
}

static void make_filters(void)
{
    for (unsigned i = 0; i < SANDBOX_ROLE_COUNT * VARIANTS; i++) {
        enum sandbox_role role = (enum sandbox_role)(i / VARIANTS);

        if (has_variant(role, i % VARIANTS) && sandbox.why_no_filter.text[0] == '\0')
            (void)make_filter(role, i % VARIANTS, &sandbox.why_no_filter);
    }
}

/* Only what is used of it, since this is memory of the master. */
static void copy_filters(struct sandbox_filter to[SANDBOX_ROLE_COUNT][VARIANTS],
                         const struct sandbox_filter from[SANDBOX_ROLE_COUNT][VARIANTS])
{
    for (unsigned i = 0; i < SANDBOX_ROLE_COUNT * VARIANTS; i++) {
        const struct sandbox_filter *source = &from[i / VARIANTS][i % VARIANTS];
        struct sandbox_filter *target = &to[i / VARIANTS][i % VARIANTS];

        if (source->length == 0 || source->length > SANDBOX_FILTER_MAX)
            continue;
        target->length = source->length;
        memcpy(target->code, source->code, source->length * sizeof(*source->code));
    }
}

static void try_parts(struct trial *trial)
{
    static const struct sandbox_view nothing;
    const struct sandbox_filter *filter = &sandbox.filters[SANDBOX_HELPER][LOGS_TO_SYSLOG | WRITES_FILES];

    make_filters();
    copy_filters(trial->filters, sandbox.filters);
    trial->why_no_filter = sandbox.why_no_filter;
    sandbox_limits_always();
    if (sandbox.landlock_error != 0 ||
        sandbox_landlock_enter(sandbox.landlock_version, &nothing) == 0)
        trial->landlock_error = sandbox.landlock_error != 0 ? sandbox.landlock_error : errno;
    errno = 0;
    if (filter->length == 0 || sandbox_filter_load(filter) == -1)
        trial->seccomp_error = errno == 0 ? ENOSYS : errno;
    trial->is_done = 1;
}

/* No worker runs yet, so nobody else can write to the memory; afterwards it is a copy that counts. */
static void take_trial(const struct trial *trial)
{
    if (trial == NULL || !trial->is_done) {
        sandbox.seccomp_error = sandbox.landlock_error = ECHILD;
        sandbox.is_tried = false; /* the next reload tries again, and so does each process */
        return;
    }
    sandbox.seccomp_error = trial->seccomp_error;
    sandbox.landlock_error = trial->landlock_error;
    sandbox.why_no_filter = trial->why_no_filter;
    copy_filters(sandbox.filters, trial->filters);
}

/* The child tries what cannot be undone. */
static void run_trial(void)
{
    struct trial *trial = shared_new(sizeof(*trial));
    pid_t pid = trial == NULL ? -1 : child_fork();

    if (pid == 0) {
        try_parts(trial);
        _exit(0);
    }
    while (pid != -1 && waitpid(pid, NULL, 0) == -1 && errno == EINTR)
        continue;
    take_trial(trial);
    shared_free(trial, sizeof(*trial));
}

/* Sets landlock_error where there is none. */
static void find_landlock(void)
{
    sandbox.landlock_version = sandbox_landlock_version();
    sandbox.landlock_error = sandbox.landlock_version == 0 ? errno : 0;
}

static void try_once(void)
{
    if (sandbox.is_tried)
        return;
    sandbox.is_tried = true;
    find_landlock();
    sandbox_calls_prepare();
    run_trial();
    if (sandbox.landlock_error != 0)
        sandbox.landlock_version = 0;
}

/* ---- what is in force ---- */

static void note(enum sandbox_role kind, unsigned parts)
{
    if (sandbox.shared != NULL)
        atomic_store(&sandbox.shared->in_force[kind], parts | IS_USED);
}

void sandbox_stay_free(enum sandbox_role kind)
{
    if (profiles[kind].title != NULL)
        process_set_name(profiles[kind].title);
    note(kind, 0);
}

/* ---- what is missing ---- */

static const char *why_not(int number)
{
    if (number == ENOSYS || number == EOPNOTSUPP || number == EINVAL)
        return "the kernel has none, or it is switched off";
    if (number == EPERM || number == EACCES)
        return "what has started this server does not permit it";
    if (number == ENOMEM || number == E2BIG)
        return "too many are in force already, or memory is short";
    return strerror(number);
}

static void add_missing(struct error *missing, const char *what, const char *why)
{
    size_t length = strlen(missing->text);

    snprintf(missing->text + length, sizeof(missing->text) - length, "%s%s: %s",
             length == 0 ? "" : "; ", what, why);
}

/* Returns false where no part is missing as a whole. */
static bool what_is_missing(struct error *missing)
{
    static const char filter[] = "no filter of system calls (seccomp)";

    missing->text[0] = '\0';
    if (sandbox.why_no_filter.text[0] != '\0')
        add_missing(missing, filter, sandbox.why_no_filter.text);
    else if (sandbox.seccomp_error != 0)
        add_missing(missing, filter, why_not(sandbox.seccomp_error));
    if (sandbox.landlock_error != 0)
        add_missing(missing, "no restriction of files (Landlock)", why_not(sandbox.landlock_error));
    return missing->text[0] != '\0';
}

/* What the Landlock of an older kernel does not restrict. */
static void add_older(struct error *missing)
{
    if (sandbox.landlock_error != 0)
        return;
    if (sandbox.landlock_version < SANDBOX_LANDLOCK_PORTS)
        add_missing(missing, "no restriction of ports", "this needs Linux 6.7");
    if (sandbox.landlock_version < SANDBOX_LANDLOCK_SIGNALS)
        add_missing(missing, "no restriction of signals and abstract sockets",
                    "this needs Linux 6.12");
}

static void share(void)
{
    if (sandbox.shared == NULL)
        sandbox.shared = shared_new(sizeof(*sandbox.shared));
    sandbox.owner = getpid();
    sandbox_stay_free(SANDBOX_MASTER);
}

int sandbox_prepare(enum sandbox_mode mode, struct error *error)
{
    struct error missing;

    share();
    sandbox_limits_bound_children();
    if (mode == SANDBOX_NO)
        return 0;
    try_once();
    (void)what_is_missing(&missing);
    add_older(&missing);
    if (missing.text[0] == '\0')
        return 0;
    if (mode == SANDBOX_REQUIRE)
        return error_set(error, "sandbox = require: %s; mend that, or set sandbox = yes",
                         missing.text);
    if (!sandbox.is_told)
        log_message(EVENT_SANDBOX, "%s; the server goes on without", missing.text);
    sandbox.is_told = true;
    return 0;
}

void sandbox_use(enum sandbox_mode mode, bool is_syslog)
{
    sandbox.mode = mode;
    sandbox.is_syslog = is_syslog;
}

/* ---- entering ---- */

/* The process must not go on without a part that is required, or that worked in the trial: the
 * operator was told of what is missing, and this is not. */
static bool is_needed(int error_of_trial)
{
    return sandbox.mode == SANDBOX_REQUIRE || (sandbox.is_tried && error_of_trial == 0);
}

static int fail(const char *part, struct error *error)
{
    const char *why = sandbox.why_no_filter.text;

    return error_set(error, "the process cannot enter its sandbox: %s: %s; the process ends", part,
                     why[0] != '\0' ? why : why_not(errno));
}

/* A process without a master has had no trial. */
static void make_own(enum sandbox_role role, unsigned variant)
{
    if (sandbox.is_tried)
        return;
    find_landlock();
    sandbox.seccomp_error = 0;
    (void)make_filter(role, variant, &sandbox.why_no_filter);
}

/* It says itself what it has to do without. */
static void tell_own(void)
{
    struct error missing;

    if (!sandbox.is_tried && what_is_missing(&missing))
        log_message(EVENT_SANDBOX, "%s; the session goes on without", missing.text);
}

static unsigned variant_of(enum sandbox_role role, const struct sandbox_view *view)
{
    unsigned variant = sandbox.is_syslog ? LOGS_TO_SYSLOG : 0;

    for (size_t i = 0; i < view->path_count; i++)
        if (view->paths[i].is_writable && has_variant(role, WRITES_FILES))
            variant |= WRITES_FILES;
    return variant;
}

/* Landlock first: with the filter it could not be asked for any more. */
static int enter_landlock(const struct sandbox_view *view, unsigned *parts, struct error *error)
{
    bool must = is_needed(sandbox.landlock_error);
    struct error older = {0};
    unsigned in_force = 0;

    add_older(&older);
    if (sandbox.mode == SANDBOX_REQUIRE && older.text[0] != '\0')
        return error_set(error, "sandbox = require: %s", older.text);
    errno = sandbox.landlock_error;
    if (sandbox.landlock_version > 0)
        in_force = sandbox_landlock_enter(sandbox.landlock_version, view);
    *parts |= in_force;
    if (in_force == 0)
        sandbox.landlock_error = errno;
    return in_force == 0 && must ? fail("Landlock", error) : 0;
}

static int enter_seccomp(enum sandbox_role role, unsigned variant, unsigned *parts,
                         struct error *error)
{
    const struct sandbox_filter *filter = &sandbox.filters[role][variant];
    bool must = is_needed(sandbox.seccomp_error) && sandbox.why_no_filter.text[0] == '\0';
    bool is_loaded = false;

    errno = sandbox.seccomp_error != 0 ? sandbox.seccomp_error : ENOSYS;
    if (filter->length > 0 && sandbox.seccomp_error == 0) {
        catch_forbidden(role);
        is_loaded = sandbox_filter_load(filter) == 0;
    }
    if (is_loaded)
        *parts |= SANDBOX_SECCOMP;
    else
        sandbox.seccomp_error = errno;
    return !is_loaded && (must || sandbox.mode == SANDBOX_REQUIRE) ? fail("seccomp", error) : 0;
}

int sandbox_enter(enum sandbox_role role, const struct sandbox_view *view, struct error *error)
{
    unsigned variant = variant_of(role, view);
    unsigned parts = 0;

    sandbox_limits_always();
    sandbox_stay_free(role); /* until it has entered */
    if (sandbox.mode == SANDBOX_NO)
        return 0;
    make_own(role, variant);
#ifdef WITH_INSTRUMENTS
    struct sandbox_view all = *view;
    sandbox_view_add(&all, "/", true); /* sanitizers read /proc */
    view = &all;
#else
    if (sandbox_limits_enter(profiles[role].limits))
        parts |= SANDBOX_LIMITS;
#endif
    if (enter_landlock(view, &parts, error) == -1 || enter_seccomp(role, variant, &parts, error) == -1)
        return -1;
    tell_own();
    note(role, parts);
    return 0;
}

/* ---- for the status ---- */

enum sandbox_mode sandbox_mode(void)
{
    return sandbox.mode;
}

const char *sandbox_role_word(enum sandbox_role role)
{
    return profiles[role].word;
}

static unsigned state_of(enum sandbox_role role)
{
    return sandbox.shared == NULL ? 0 : atomic_load(&sandbox.shared->in_force[role]);
}

bool sandbox_is_used(enum sandbox_role role)
{
    return (state_of(role) & IS_USED) != 0;
}

unsigned sandbox_in_force(enum sandbox_role role)
{
    return state_of(role) & ~(unsigned)IS_USED;
}

int sandbox_landlock_abi(void)
{
    return sandbox.landlock_version;
}
