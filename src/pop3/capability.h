/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The CAPA list (RFC 2449): what we announce, and which lines of a server's list we pass on.
 */
#ifndef POP3_CAPABILITY_H
#define POP3_CAPABILITY_H

#include <stdbool.h>
#include <stddef.h>

enum capability {
#define CAPABILITY(name, word, source) CAPABILITY_##name,
#include "pop3/capability.def"
#undef CAPABILITY
    CAPABILITY_COUNT
};

/* The word on the wire. */
const char *capability_word(enum capability capability);

/* Finds one of our own capabilities by its word, in any case. Returns CAPABILITY_COUNT if there is
 * none. */
enum capability capability_find(const char *word, size_t length);

/* What our own announcements depend on. */
struct capability_view {
    bool may_log_in; /* now, or the client has logged in already */
    bool may_stls;
    bool has_mechanisms;
    unsigned shown; /* bit mask of those that may be announced at all */
};

/* True if we announce this capability ourselves. */
bool capability_is_ours(enum capability capability, const struct capability_view *view);

/* True if this line of a server's list (without its end) is passed on: the server may announce its
 * first word, and all octets are printable ASCII. */
bool capability_is_relayed(const char *line, size_t length);

#endif
