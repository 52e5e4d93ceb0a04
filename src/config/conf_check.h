/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checks of text values that conf_keys.def names. Each returns 0, or -1 with `error` saying
 * what the value must be.
 */
#ifndef CONFIG_CONF_CHECK_H
#define CONFIG_CONF_CHECK_H

#include "base/address.h"
#include "base/error.h"

typedef int conf_check(const char *value, struct error *error);

conf_check conf_check_SERVER;
conf_check conf_check_SERVERS;
conf_check conf_check_PATH;
conf_check conf_check_PATHS;
conf_check conf_check_CAPABILITIES;
conf_check conf_check_MECHANISMS;
conf_check conf_check_ANY;
conf_check conf_check_NETWORKS;
conf_check conf_check_ADDRESSES;
conf_check conf_check_LISTEN;
conf_check conf_check_METRICS;
conf_check conf_check_MODE;
conf_check conf_check_LOG;
conf_check conf_check_USER;
conf_check conf_check_DELIMITERS;
conf_check conf_check_PREFIX;
conf_check conf_check_ROUTES;
conf_check conf_check_ROUTE_KEYS;
conf_check conf_check_GROUP_SERVERS;

/* The name of the group in "group:NAME", or NULL where the text is something else. */
const char *conf_group_name(const char *text);

/* The addresses and networks of a list separated by commas, in memory that the caller frees.
 * Returns 0, or -1 when an entry is neither; nothing is allocated then. */
int conf_networks(const char *list, struct address_network **networks_r, size_t *count_r);

/* The same for a list of addresses, each without a port. */
int conf_addresses(const char *list, struct address **addresses_r, size_t *count_r);

/* Bit masks of what the values of `capabilities` (enum capability), and of `auth_mechanisms` and
 * `clear_auth_mechanisms` (enum sasl_mechanism) name. Return 0, or -1 when a word is unknown. */
int conf_capability_mask(const char *list, unsigned *mask_r);
int conf_mechanism_mask(const char *list, unsigned *mask_r);

#endif
