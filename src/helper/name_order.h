/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The order in which the addresses of a name are tried: the two families in turn, first the one
 * that this machine can use and that RFC 6724 prefers. A family that does not work then costs one
 * attempt, not all of its addresses.
 */
#ifndef HELPER_NAME_ORDER_H
#define HELPER_NAME_ORDER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/address.h"

/* Whether to try IPv6 first, judged by the best address of each family. */
bool name_order_is_ipv6_first(const struct address *ipv4, const struct address *ipv6);

/* Fills `list`, which has room for `size`, from two lists in turn, beginning with `first`. Returns
 * how many there are. */
size_t name_order_merge(const struct address *first, size_t first_count,
                        const struct address *second, size_t second_count, struct address *list,
                        size_t size);

#endif
