/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `cdb:PATH`: a constant database, mapped into memory and opened again when it has been replaced.
 * Millions of users cost the helper no memory of its own: the pages belong to the file.
 *
 * Keys are stored with a closing NUL by some programs (postmap) and without by others: both are
 * found.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "route/route_table.h"
#include "route/route_watch.h"

extern const struct route_table_ops route_cdb_table;

#ifdef HAVE_CDB
#include <cdb.h>

struct cdb_table {
    struct route_table table;
    struct route_watch watch;
    struct cdb cdb;
    int fd; /* -1: nothing is mapped */
};

/* Returns the descriptor of the mapped database, or -1 with `error` set. */
static int map_file(const char *path, struct cdb *cdb, struct error *error)
{
    int fd = file_open_regular(path, NULL);

    if (fd == -1)
        return error_set(error, "%s: %s", path, errno == EINVAL || errno == EISDIR
                                                    ? "not a regular file" : strerror(errno));
    if (cdb_init(cdb, fd) == 0)
        return fd;
    error_set(error, "%s: not a cdb file; make it with cdb -c or postmap cdb:", path);
    return file_close_failed(fd);
}

static int try_cdb(const char *location, const struct route_environment *environment,
                   struct error *error)
{
    struct cdb cdb;
    int fd = map_file(location, &cdb, error);

    (void)environment;
    if (fd == -1)
        return -1;
    cdb_free(&cdb);
    close(fd);
    return 0;
}

static void unmap(void *owner)
{
    struct cdb_table *table = owner;

    if (table->fd == -1)
        return;
    cdb_free(&table->cdb);
    close(table->fd);
    table->fd = -1;
}

/* Takes the file that is there now in place of the old one. A broken one takes nothing away. */
static void map_again(void *owner)
{
    struct cdb_table *table = owner;
    struct cdb cdb;
    struct error error;
    int fd = map_file(table->watch.path, &cdb, &error);

    if (fd == -1) {
        route_watch_complain(&table->watch, error.text, table->fd != -1);
        return;
    }
    unmap(table);
    table->cdb = cdb;
    table->fd = fd;
}

static struct route_table *open_cdb(struct ev_loop *loop, const char *location,
                                    const struct route_environment *environment)
{
    struct cdb_table *table = calloc(1, sizeof(*table));

    (void)environment;
    if (table == NULL)
        return NULL;
    *table = (struct cdb_table){.table = {.ops = &route_cdb_table},
                                .watch = {.changed = map_again, .gone = unmap},
                                .fd = -1};
    route_watch_start(&table->watch, loop, location, table);
    map_again(table);
    return &table->table;
}

/* 1: found, 0: not, -1: the file is broken. */
static int find(struct cdb *cdb, const char *key)
{
    unsigned length = (unsigned)strlen(key);
    int result = cdb_find(cdb, key, length);

    return result == 0 ? cdb_find(cdb, key, length + 1) : result;
}

static void ask_cdb(struct route_table *table, const struct route_question *question,
                    route_reply *reply, void *context)
{
    struct cdb_table *own = (struct cdb_table *)table;
    int result = own->fd == -1 ? -1 : find(&own->cdb, question->key);
    const char *value;
    size_t length;

    if (result == 0) {
        route_reply_not_found(reply, context);
        return;
    }
    value = result == 1 ? cdb_getdata(&own->cdb) : NULL;
    if (value == NULL) {
        route_reply_failed(reply, context, own->fd == -1 ? own->watch.why : "the cdb file is broken");
        return;
    }
    length = cdb_datalen(&own->cdb);
    if (length > 0 && value[length - 1] == '\0')
        length--;
    route_reply_value(reply, context, value, length);
}

static void close_cdb(struct route_table *table)
{
    struct cdb_table *own = (struct cdb_table *)table;

    route_watch_stop(&own->watch);
    unmap(own);
    free(own);
}
#endif

const struct route_table_ops route_cdb_table = {
    .scheme = "cdb",
    .check = route_check_path,
#ifdef HAVE_CDB
    .try = try_cdb,
    .open = open_cdb,
    .ask = ask_cdb,
    .close = close_cdb,
#else
    .package = "libcdb-dev (tinycdb)",
#endif
};
