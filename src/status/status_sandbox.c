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

static const char *const modes[] = {
    [SANDBOX_YES] = "yes", [SANDBOX_REQUIRE] = "require", [SANDBOX_NO] = "no"};

static void draw(struct table *table)
{
    table_cell(table, TABLE_LEFT, "SANDBOX");
    for (size_t i = 0; i < PART_COUNT; i++)
        table_cell(table, TABLE_LEFT, parts[i].heading);
    table_end_row(table);
    for (int i = 0; i < SANDBOX_KIND_COUNT; i++) {
        enum sandbox_role kind = (enum sandbox_role)i;

        if (!sandbox_is_used(kind))
            continue;
        table_cell(table, TABLE_LEFT, sandbox_role_word(kind));
        for (size_t j = 0; j < PART_COUNT; j++)
            table_cell(table, TABLE_LEFT, (sandbox_in_force(kind) & parts[j].part) != 0 ? "yes" : "no");
        table_end_row(table);
    }
}

/* Drawn twice, first only to measure the columns. */
void status_sandbox_table(FILE *out)
{
    struct table table = {.out = NULL};

    draw(&table);
    table.out = out;
    draw(&table);
    if (sandbox_mode() == SANDBOX_NO)
        fputs("sandbox = no: no process is confined\n", out);
    fputc('\n', out);
}

static void put_kind(enum sandbox_role kind, FILE *out)
{
    fprintf(out, "{\"role\":\"%s\"", sandbox_role_word(kind));
    for (size_t i = 0; i < PART_COUNT; i++)
        fprintf(out, ",\"%s\":%s", parts[i].field,
                (sandbox_in_force(kind) & parts[i].part) != 0 ? "true" : "false");
    fputc('}', out);
}

void status_sandbox_json(FILE *out)
{
    const char *comma = "";

    fprintf(out, ",\"sandbox\":{\"mode\":\"%s\",\"landlock_abi\":%d,\"roles\":[",
            modes[sandbox_mode()], sandbox_landlock_abi());
    for (int i = 0; i < SANDBOX_KIND_COUNT; i++) {
        if (!sandbox_is_used((enum sandbox_role)i))
            continue;
        fputs(comma, out);
        put_kind((enum sandbox_role)i, out);
        comma = ",";
    }
    fputs("]}", out);
}
