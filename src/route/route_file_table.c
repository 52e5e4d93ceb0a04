/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `file:PATH`: a file of lines, all of it in memory. It is read again when it changes; while the new
 * one is read, and if it is broken, the old content answers.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/number.h"
#include "route/route_file.h"
#include "route/route_watch.h"

extern const struct route_table_ops route_file_table;

struct file_table {
    struct route_table table;
    const struct route_environment *environment;
    struct route_watch watch;
    struct route_file *file;    /* answers; NULL: broken from the start, or gone */
    struct route_file *reading; /* the next one, or NULL */
    ev_idle read;
};

/* ---- reading again, step by step ---- */

static void drop_reading(struct file_table *table)
{
    route_file_free(table->reading);
    table->reading = NULL;
    ev_idle_stop(table->watch.loop, &table->read);
}

static void refuse(struct file_table *table, const struct error *error)
{
    drop_reading(table);
    route_watch_complain(&table->watch, error->text, table->file != NULL);
}

static void on_read(struct ev_loop *loop, ev_idle *watcher, int events)
{
    struct file_table *table = watcher->data;
    struct error error;
    int result = route_file_read(table->reading, &error);

    (void)events;
    if (result == 0)
        return;
    if (result == -1) {
        refuse(table, &error);
        return;
    }
    ev_idle_stop(loop, watcher);
    route_file_free(table->file);
    table->file = table->reading;
    table->reading = NULL;
    log_message(EVENT_ROUTE_TABLE_READ, "%s: %zu key%s", table->watch.path,
                route_file_count(table->file), number_plural(route_file_count(table->file)));
}

static void on_changed(void *owner)
{
    struct file_table *table = owner;
    struct error error;

    drop_reading(table);
    table->reading = route_file_open(table->watch.path, table->environment, &error);
    if (table->reading == NULL)
        refuse(table, &error);
    else
        ev_idle_start(table->watch.loop, &table->read);
}

static void on_gone(void *owner)
{
    struct file_table *table = owner;

    drop_reading(table);
    route_file_free(table->file);
    table->file = NULL;
}

/* ---- as a table ---- */

/* Reads a file to its end at once. NULL with `error` set when it is broken. */
static struct route_file *read_whole(const char *path, const struct route_environment *environment,
                                     struct error *error)
{
    struct route_file *file = route_file_open(path, environment, error);
    int result = 0;

    while (file != NULL && (result = route_file_read(file, error)) == 0)
        continue;
    if (result == -1) {
        route_file_free(file);
        return NULL;
    }
    return file;
}

static int try_file(const char *location, const struct route_environment *environment,
                    struct error *error)
{
    struct route_file *file = read_whole(location, environment, error);

    if (file == NULL)
        return -1;
    route_file_free(file);
    return 0;
}

/* A file that is broken or changes meanwhile was a mistake before. */
static void inspect_file(const char *location, route_warning *warn, void *context)
{
    struct error error;
    struct route_file *file = read_whole(location, NULL, &error);
    const char *first;
    size_t count;

    if (file == NULL)
        return;
    first = route_file_unknown(file, &count);
    if (count == 1)
        error_set(&error, "%s: unknown field, without effect", first);
    else if (count > 1)
        error_set(&error, "%s: unknown field, without effect; %zu lines have one", first, count);
    if (count > 0)
        warn(context, error.text);
    route_file_free(file);
}

static struct route_table *open_file(struct ev_loop *loop, const char *location,
                                     const struct route_environment *environment)
{
    struct file_table *table = calloc(1, sizeof(*table));
    struct error error;

    if (table == NULL)
        return NULL;
    *table = (struct file_table){.table = {.ops = &route_file_table},
                                 .environment = environment,
                                 .watch = {.changed = on_changed, .gone = on_gone}};
    ev_idle_init(&table->read, on_read);
    table->read.data = table;
    route_watch_start(&table->watch, loop, location, table);
    /* Nobody has asked anything yet, so the first reading may take its time. */
    table->file = read_whole(location, environment, &error);
    if (table->file == NULL)
        refuse(table, &error);
    return &table->table;
}

static void ask_file(struct route_table *table, const struct route_question *question,
                     route_reply *reply, void *context)
{
    const struct file_table *own = (const struct file_table *)table;
    const char *value;
    size_t length;

    if (own->file == NULL) {
        route_reply_failed(reply, context, own->watch.why);
        return;
    }
    value = route_file_find(own->file, question->key, &length);
    if (value == NULL)
        route_reply_not_found(reply, context);
    else
        route_reply_value(reply, context, value, length);
}

static void close_file(struct route_table *table)
{
    struct file_table *own = (struct file_table *)table;

    route_watch_stop(&own->watch);
    drop_reading(own);
    route_file_free(own->file);
    free(own);
}

const struct route_table_ops route_file_table = {
    .scheme = "file",
    .check = route_check_path,
    .try = try_file,
    .inspect = inspect_file,
    .open = open_file,
    .ask = ask_file,
    .close = close_file,
};
