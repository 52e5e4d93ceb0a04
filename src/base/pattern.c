/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Matching of wildcard patterns.
 */
#include "base/pattern.h"

#include <string.h>

#include "base/octet.h"

bool pattern_is_match(const char *pattern, const char *text)
{
    const char *star = NULL; /* after the last '*' seen */
    const char *retry = NULL;

    /* Where the rest does not match, only the last '*' has to take one octet more: what those
     * before it took stays right. So there is no recursion, and no pattern takes exponential time.
     */
    while (*text != '\0') {
        if (*pattern == '*') {
            star = ++pattern;
            retry = text;
        } else if (*pattern == '?' || octet_lower(*pattern) == octet_lower(*text)) {
            pattern++;
            text++;
        } else if (star != NULL) {
            pattern = star;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

bool pattern_has_wildcard(const char *text)
{
    return strpbrk(text, "*?") != NULL;
}
