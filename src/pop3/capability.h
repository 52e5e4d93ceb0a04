/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The CAPA list (RFC 2449): what we announce, and what of a server's list may pass.
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

/* Finds one of ours by its word, in any case; CAPABILITY_COUNT when there is none. */
enum capability capability_find(const char *word, size_t length);

/* What decides over an announcement of ours. */
struct capability_view {
    bool may_log_in; /* or has logged in */
    bool may_stls;
    bool has_mechanisms;
    unsigned shown; /* bit mask of those that may be announced at all */
};

/* We announce it ourselves. */
bool capability_is_ours(enum capability capability, const struct capability_view *view);

/* A line of a server's list (without its end) that is passed on: its first word is the server's to
 * announce, and nothing in it is a control or 8-bit octet. */
bool capability_is_relayed(const char *line, size_t length);

#endif
