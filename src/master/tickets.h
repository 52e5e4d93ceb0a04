/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The keys of TLS session tickets: one set for every worker of every pool, made and rotated by the
 * master, kept over reloads and handed on to the next binary.
 */
#ifndef MASTER_TICKETS_H
#define MASTER_TICKETS_H

#include "tls/tls.h"

/* The keys, made when they are asked for first. NULL where there is no memory for them; without
 * randomness (logged) they are empty, and no tickets are issued. */
const struct tls_ticket_keys *tickets_keys(void);

/* Makes a new current key, where there are keys. A failure is logged: the old ones stay. */
void tickets_rotate(void);

/* In the new binary: takes over what the old one has handed on. Call it once, at the start. */
void tickets_inherit(void);

/* In the process that is about to become the next binary: passes a copy of the keys on to it. */
void tickets_pass(void);

#endif
