/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lists of hosts with ports, such as the servers that clients may choose. Never asks the DNS.
 *
 *   host        this host at the default port
 *   host:1110   this host at this port
 *   host:*      this host at any port
 *
 * A host is a name, an IPv4 address, or an IPv6 address (in brackets if a port follows). It may have
 * the wildcards '?' and '*', which never reach over to the port:
 *   - with a letter, '-' or '_' it matches names only;
 *   - with digits and dots, or with a colon, it matches addresses only, as host_port_parse() writes
 *     them: a name such as 10.0.0.evil.test must not pass as one of 10.0.0.*;
 *   - without any of these ("*") it matches both.
 */
#ifndef BASE_HOST_LIST_H
#define BASE_HOST_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"

/* Entries without wildcards are found by hash, so 100,000 of them cost the same as ten; entries with
 * wildcards are tried in turn. Owns copies of its texts. */
struct host_list;

/* Returns an empty list, or NULL when out of memory. */
struct host_list *host_list_new(void);
void host_list_free(struct host_list *list); /* NULL is fine */

/* Adds one entry. Returns 0; -1 with errno ENOMEM; -1 with errno EINVAL when the text is not an
 * entry as above. A repeated entry is kept once. */
int host_list_add(struct host_list *list, const char *entry);

/* Adds every entry of a list that is separated by commas; blanks around an entry do not count.
 * Returns like host_list_add(); an empty entry is EINVAL. The entries before the one that failed
 * have been added. */
int host_list_add_csv(struct host_list *list, const char *csv);

/* Whether an entry matches the host as host_port_parse() has left it. A port of 0 stands for
 * `default_port`. An empty list matches nothing. */
bool host_list_is_match(const struct host_list *list, const struct host_port *server,
                        uint16_t default_port);

#endif
