/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Draws a picture of the server once a second, with the totals as rates. On a terminal each picture
 * is painted over the previous one, with the few sequences that every terminal knows; elsewhere the
 * pictures follow each other. A curses library would paint no better, and where it is linked the
 * process of each session takes 1 ms longer to start.
 */
#include "status/top.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/complain.h"
#include "base/utf8.h"
#include "status/control_ask.h"
#include "status/status_render.h"
#include "status/status_view.h"

#define ENTER      "\033[?1049h\033[?25l" /* the second screen, without a cursor */
#define LEAVE      "\033[?25h\033[?1049l"
#define HOME       "\033[H"
#define CLEAR_LINE "\033[K"
#define CLEAR_REST "\033[J"

enum { TICK_MS = 1000, ROWS = 24, COLUMNS = 80, ROWS_MIN = 2, KEYS_BYTES = 64 };

/* What a terminal sends for a key. */
#define KEY_UP        "\033[A"
#define KEY_DOWN      "\033[B"
#define KEY_PAGE_UP   "\033[5~"
#define KEY_PAGE_DOWN "\033[6~"

static volatile sig_atomic_t is_told_to_leave;

struct top {
    const char *path;
    enum status_order order;
    enum status_tables tables;
    int first;       /* line that is shown */
    bool has_screen; /* standard output is a terminal that can be painted on */
    bool has_keys;   /* standard input is a terminal */
    struct termios before;
    struct status_view view;
    struct status_view last;
    bool has_last;
};

static void on_leave(int number)
{
    (void)number;
    is_told_to_leave = 1;
}

/* ---- the terminal ---- */

static bool can_paint(void)
{
    const char *terminal = getenv("TERM");

    return isatty(STDOUT_FILENO) && terminal != NULL && terminal[0] != '\0' &&
           strcmp(terminal, "dumb") != 0;
}

static void take_terminal(struct top *top)
{
    struct sigaction action = {.sa_handler = on_leave};
    struct termios raw;

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    top->has_screen = can_paint();
    top->has_keys = top->has_screen && tcgetattr(STDIN_FILENO, &top->before) == 0;
    if (top->has_keys) {
        raw = top->before;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    if (top->has_screen)
        fputs(ENTER, stdout);
}

static void restore_terminal(const struct top *top)
{
    if (top->has_screen) {
        fputs(LEAVE, stdout);
        fflush(stdout);
    }
    if (top->has_keys)
        tcsetattr(STDIN_FILENO, TCSANOW, &top->before);
}

static void window_size(int *rows, int *columns)
{
    struct winsize size = {0};

    (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    *rows = size.ws_row >= ROWS_MIN ? size.ws_row : ROWS;
    *columns = size.ws_col > 0 ? size.ws_col : COLUMNS;
}

static int count_lines(const char *text)
{
    int lines = 0;

    for (; *text != '\0'; text++)
        lines += *text == '\n';
    return lines;
}

static const char *skip_lines(const char *text, int lines)
{
    for (; lines > 0 && *text != '\0'; lines--) {
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    return text;
}

/* The last line: which lines are shown, if not all are, and the keys. */
static void paint_foot(const struct top *top, int shown, int lines, int columns)
{
    char foot[160] = "";

    if (shown < lines)
        snprintf(foot, sizeof(foot), "%d-%d of %d  ", top->first + 1, top->first + shown, lines);
    snprintf(foot + strlen(foot), sizeof(foot) - strlen(foot),
             "%s  1 2 3 0: tables  j k: scroll  q: leave",
             top->order == STATUS_BY_AGE ? "oldest first  o: by octets"
                                         : "biggest first  a: by age");
    fprintf(stdout, "%.*s" CLEAR_REST, columns - 1, foot);
}

/* Paints as many lines as there are rows but one, each cut to the width, and then the line that
 * names the keys. */
static void paint(struct top *top, const char *text)
{
    int lines = count_lines(text);
    int shown = 0;
    int rows;
    int columns;

    if (!top->has_screen) {
        fprintf(stdout, "%s\n", text);
        return;
    }
    window_size(&rows, &columns);
    if (top->first > lines - (rows - 1))
        top->first = lines - (rows - 1);
    if (top->first < 0)
        top->first = 0;
    fputs(HOME, stdout);
    for (text = skip_lines(text, top->first); shown < rows - 1 && *text != '\0'; shown++) {
        size_t length = strcspn(text, "\n");

        fprintf(stdout, "%.*s" CLEAR_LINE "\r\n", (int)utf8_fit(text, length, (size_t)columns), text);
        text += length;
        text += *text == '\n';
    }
    paint_foot(top, shown, lines, columns);
}

/* ---- a picture ---- */

static int read_view(struct status_view *view, char *answer, size_t length)
{
    FILE *in = fmemopen(answer, length, "r");
    int result = in == NULL ? -1 : status_view_read(view, in);

    if (in != NULL)
        fclose(in);
    return result;
}

/* Returns an exit code. */
static int fetch(struct top *top, struct error *error)
{
    size_t length;
    char *answer;
    int code;
    int result;

    if (control_ask(top->path, "view", &answer, &length, &code, error) == -1)
        return code;
    if (top->has_last)
        status_view_free(&top->last);
    top->last = top->view;
    top->has_last = top->view.instances != NULL;
    result = read_view(&top->view, answer, length);
    free(answer);
    if (result == 0)
        return EX_OK;
    status_view_free(&top->view);
    error_set(error, "the server runs another version of pop3.proxy");
    return EX_UNAVAILABLE;
}

static void draw(struct top *top)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    if (out == NULL)
        return;
    status_view_sort(&top->view, top->order);
    status_render_live(&top->view, top->has_last ? &top->last : NULL, top->tables, out);
    if (fclose(out) == 0)
        paint(top, text);
    free(text);
}

/* ---- the loop ---- */

static void show_tables(struct top *top, enum status_tables tables)
{
    top->tables = tables;
    top->first = 0;
}

static int page(void)
{
    int rows;
    int columns;

    window_size(&rows, &columns);
    return rows - 2; /* one line of the last page stays */
}

/* Returns false when the user wants to leave. paint() keeps the first line within the picture. */
static bool obey(struct top *top, char key)
{
    switch (key) {
    case 'a':
        top->order = STATUS_BY_AGE;
        break;
    case 'o':
        top->order = STATUS_BY_OCTETS;
        break;
    case '0':
        show_tables(top, STATUS_TABLES_ALL);
        break;
    case '1':
        show_tables(top, STATUS_TABLE_POOLS);
        break;
    case '2':
        show_tables(top, STATUS_TABLE_TOTALS);
        break;
    case '3':
        show_tables(top, STATUS_TABLE_SESSIONS);
        break;
    case 'j':
        top->first++;
        break;
    case 'k':
        top->first--;
        break;
    case ' ':
        top->first += page();
        break;
    case 'b':
        top->first -= page();
        break;
    default:
        return key != 'q' && key != 'Q';
    }
    return true;
}

/* The letter that does the same as a key whose sequence `keys` begins with; *length_r octets are
 * the key. */
static char letter_of(const char *keys, size_t *length_r)
{
    static const struct {
        const char *sequence;
        char letter;
    } known[] = {{KEY_UP, 'k'}, {KEY_DOWN, 'j'}, {KEY_PAGE_UP, 'b'}, {KEY_PAGE_DOWN, ' '}};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        *length_r = strlen(known[i].sequence);
        if (strncmp(keys, known[i].sequence, *length_r) == 0)
            return known[i].letter;
    }
    *length_r = 1;
    return keys[0];
}

/* Returns false at the end of the input, or when the user wants to leave. */
static bool read_keys(struct top *top)
{
    char keys[KEYS_BYTES + 1];
    ssize_t length = read(STDIN_FILENO, keys, KEYS_BYTES);
    size_t width;

    if (length <= 0)
        return false;
    keys[length] = '\0';
    for (const char *key = keys; *key != '\0'; key += width)
        if (!obey(top, letter_of(key, &width)))
            return false;
    return true;
}

/* Waits for the next tick and obeys keys at once. Returns false when the user leaves. */
static bool wait_for_tick(struct top *top, int64_t tick_ms)
{
    struct pollfd input = {.fd = top->has_keys ? STDIN_FILENO : -1, .events = POLLIN};
    int64_t left_ms = tick_ms - clock_now_ms();

    while (left_ms > 0 && !is_told_to_leave) {
        int ready = poll(&input, 1, (int)left_ms);

        if (ready > 0 && !read_keys(top))
            return false;
        if (ready != 0 && top->view.instances != NULL) {
            draw(top); /* a key was pressed, or the window has changed its size */
            fflush(stdout);
        }
        left_ms = tick_ms - clock_now_ms();
    }
    return !is_told_to_leave;
}

int top_run(const char *path)
{
    struct top top = {.path = path, .tables = STATUS_TABLES_ALL};
    struct error error;
    int code = fetch(&top, &error);

    if (code != EX_OK) {
        complain("%s", error.text);
        return code;
    }
    take_terminal(&top);
    for (;;) {
        int64_t tick_ms = clock_after_ms(TICK_MS);

        if (code == EX_OK)
            draw(&top);
        else
            paint(&top, error.text); /* the server may come back */
        if (fflush(stdout) != 0 || !wait_for_tick(&top, tick_ms))
            break;
        code = fetch(&top, &error);
    }
    restore_terminal(&top);
    status_view_free(&top.view);
    status_view_free(&top.last);
    return EX_OK;
}
