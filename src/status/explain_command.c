/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reasons and events share some words, such as route-failed: then both are printed.
 */
#include "status/explain_command.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/complain.h"
#include "base/event.h"
#include "config/conf_meant.h"
#include "session/outcome.h"

enum { WIDTH = 79, INDENT = 2 };

static void print_wrapped(const char *text)
{
    int column = printf("%*s", INDENT, "");

    while (*text != '\0') {
        int word = (int)strcspn(text, " ");

        if (column > INDENT && column + 1 + word > WIDTH)
            column = printf("\n%*s", INDENT, "") - 1;
        else if (column > INDENT)
            column += printf(" ");
        column += printf("%.*s", word, text);
        text += word;
        text += strspn(text, " ");
    }
    putchar('\n');
}

static void print_reason(enum outcome outcome)
{
    const char *reply = outcome_reply(outcome);

    printf("reason=%s (%s): why a session ended\n", outcome_reason(outcome),
           log_level_word(outcome_level(outcome)));
    print_wrapped(outcome_explanation(outcome));
    if (reply != NULL)
        printf("  The client is told: %s\n", reply);
}

static void print_event(enum event event)
{
    printf("event=%s (%s): a line of the log\n", event_word(event),
           log_level_word(event_level(event)));
    print_wrapped(event_explanation(event));
}

/* The word that was probably meant; NULL when none is near. */
static const char *find_near(const char *word)
{
    for (int i = OUTCOME_NONE + 1; i < OUTCOME_COUNT; i++)
        if (conf_is_near(word, outcome_reason((enum outcome)i)))
            return outcome_reason((enum outcome)i);
    for (int i = 0; i < EVENT_COUNT; i++)
        if (conf_is_near(word, event_word((enum event)i)))
            return event_word((enum event)i);
    return NULL;
}

static int refuse(const char *word)
{
    const char *near = find_near(word);

    complain("no reason and no event of the log is called %s%s%s%s", word,
             near == NULL ? "; pop3.proxy-runbook(7) lists them" : "; did you mean ",
             near == NULL ? "" : near, near == NULL ? "" : "?");
    return EX_USAGE;
}

/* The word alone, where a pair was copied from a line of the log. */
static const char *without_key(const char *word)
{
    static const char *const keys[] = {"reason=", "event="};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (strncmp(word, keys[i], strlen(keys[i])) == 0)
            return word + strlen(keys[i]);
    return word;
}

int explain_command_run(const char *text)
{
    const char *word = without_key(text);
    bool is_found = false;

    for (int i = OUTCOME_NONE + 1; i < OUTCOME_COUNT; i++) {
        if (strcmp(outcome_reason((enum outcome)i), word) != 0)
            continue;
        print_reason((enum outcome)i);
        is_found = true;
    }
    for (int i = 0; i < EVENT_COUNT; i++) {
        if (strcmp(event_word((enum event)i), word) != 0)
            continue;
        if (is_found)
            putchar('\n');
        print_event((enum event)i);
        is_found = true;
    }
    return is_found ? EX_OK : refuse(word);
}
