/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Recognises a client that speaks another protocol by the first octets of a line. We would refuse
 * each of its lines, and it would take our refusals for answers to something else. Pure.
 */
#ifndef POP3_OPENING_H
#define POP3_OPENING_H

#include <stddef.h>

enum opening {
    OPENING_POP3,         /* POP3, or too few octets to tell */
    OPENING_TLS,          /* a TLS handshake: the client waits for a TLS answer */
    OPENING_PROXY_HEADER, /* a header of the PROXY protocol, version 1 or 2 */
    OPENING_FOREIGN,      /* HTTP, SMTP, IMAP, SSH, RDP, SMB */
};

/* `data` holds the first `length` octets of a line before the login, with its end if that has come.
 * No POP3 command is anything but OPENING_POP3. */
enum opening opening_find(const char *data, size_t length);

#endif
