/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The time that a text is kept grows with the time that it took to make.
 */
#include "status/kept_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum {
    KEEP_US = 1000000,
    KEEP_FACTOR = 200, /* kept so many times as long as the text took to make */
};

int kept_text_renew(struct kept_text *kept, kept_text_make *make)
{
    int64_t begin_us = clock_now_us();
    int64_t keep_us;
    size_t length;
    char *text;

    if (kept->text != NULL && begin_us < kept->until_us)
        return 0;
    text = make(&length);
    if (text == NULL)
        return -1;
    keep_us = (clock_now_us() - begin_us) * KEEP_FACTOR;
    free(kept->text);
    kept->text = text;
    kept->length = length;
    kept->number++;
    kept->until_us = clock_now_us() + (keep_us > KEEP_US ? keep_us : KEEP_US);
    return 0;
}

char *kept_text_copy(const struct kept_text *kept)
{
    char *copy = malloc(kept->length + 1);

    if (copy != NULL)
        memcpy(copy, kept->text, kept->length);
    return copy;
}
