/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The processes themselves say what is in force for them, so it is only shown.
 */
#include "status/status_sandbox.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/sandbox.h"
#include "status/table.h"

static const struct {
    unsigned part; /* of enum sandbox_part */
    const char *field;
    const char *heading;
} parts[] = {
    {SANDBOX_LIMITS, "limits", "LIMITS"},    {SANDBOX_SECCOMP, "seccomp", "SECCOMP"},
    {SANDBOX_FILES, "files", "FILES"},       {SANDBOX_PORTS, "ports", "PORTS"},
    {SANDBOX_SIGNALS, "signals", "SIGNALS"},
};
enum { PART_COUNT = sizeof(parts) / sizeof(parts[0]) };

static void draw(struct table *table)
{
    table_cell(table, TABLE_LEFT, "SANDBOX");
    for (size_t i = 0; i < PART_COUNT; i++)
        table_cell(table, TABLE_LEFT, parts[i].heading);
    table_end_row(table);
    for (int role = 0; role < SANDBOX_ROLE_COUNT; role++) {
        unsigned in_force = sandbox_in_force((enum sandbox_role)role);

        if (in_force == 0)
            continue;
        table_cell(table, TABLE_LEFT, sandbox_role_word((enum sandbox_role)role));
        for (size_t i = 0; i < PART_COUNT; i++)
            table_cell(table, TABLE_LEFT, (in_force & parts[i].part) != 0 ? "yes" : "no");
        table_end_row(table);
    }
}

static bool has_any(void)
{
    for (int role = 0; role < SANDBOX_ROLE_COUNT; role++)
        if (sandbox_in_force((enum sandbox_role)role) != 0)
            return true;
    return false;
}

/* Drawn twice, first only to measure the columns. */
void status_sandbox_table(FILE *out)
{
    struct table table = {.out = NULL};

    if (!has_any())
        return;
    draw(&table);
    table.out = out;
    draw(&table);
    fputc('\n', out);
}

static void put_role(enum sandbox_role role, unsigned in_force, FILE *out)
{
    fprintf(out, "{\"role\":\"%s\"", sandbox_role_word(role));
    for (size_t i = 0; i < PART_COUNT; i++)
        fprintf(out, ",\"%s\":%s", parts[i].field,
                (in_force & parts[i].part) != 0 ? "true" : "false");
    fputc('}', out);
}

void status_sandbox_json(FILE *out)
{
    const char *comma = "";

    fprintf(out, ",\"sandbox\":{\"landlock_abi\":%d,\"roles\":[", sandbox_landlock_abi());
    for (int role = 0; role < SANDBOX_ROLE_COUNT; role++) {
        unsigned in_force = sandbox_in_force((enum sandbox_role)role);

        if (in_force == 0)
            continue;
        fputs(comma, out);
        put_role((enum sandbox_role)role, in_force, out);
        comma = ",";
    }
    fputs("]}", out);
}
