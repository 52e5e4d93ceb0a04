/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Doubles a pause between its limits.
 */
#include "base/back_off.h"

int64_t back_off_next_ms(struct back_off *back_off, const struct back_off_limits *limits,
                         int64_t now_ms)
{
    if (back_off->pause_ms == 0 || now_ms > back_off->over_at_ms + limits->forget_ms)
        back_off->pause_ms = limits->min_ms;
    else
        back_off->pause_ms *= 2;
    if (back_off->pause_ms > limits->max_ms)
        back_off->pause_ms = limits->max_ms;
    back_off->over_at_ms = now_ms + back_off->pause_ms;
    return back_off->pause_ms;
}
