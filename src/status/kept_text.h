/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A text about the whole server that is kept for a second, or longer if it took long to make:
 * however often and by however many it is asked for, making it costs half a percent of a processor
 * at most.
 */
#ifndef STATUS_KEPT_TEXT_H
#define STATUS_KEPT_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* All zero: there is no text yet. */
struct kept_text {
    char *text;
    size_t length;
    uint64_t number; /* how often it was made */
    int64_t until_us;
};

/* Makes the text, of malloc(); NULL when there is no memory. */
typedef char *kept_text_make(size_t *length);

/* Makes the text again if its time is over. Returns 0, or -1 when there is no memory; then the text
 * is the old one, or there is none. */
int kept_text_renew(struct kept_text *kept, kept_text_make *make);

/* A copy of the text, which the caller frees; NULL when there is no memory. */
char *kept_text_copy(const struct kept_text *kept);

#endif
