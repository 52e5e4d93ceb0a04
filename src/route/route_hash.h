/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Weighted rendezvous hashing: which server of a group serves a user. Every gateway that has the
 * same servers with the same weights chooses the same one, in whatever order its list has them,
 * without asking anybody. When a server goes, only its users move, spread over all the others, and
 * all of them come back with it.
 *
 * The function is fixed for ever, since gateways of different versions must agree:
 *
 *   h     = XXH64(seed 0, login NUL server), where `login` is in lower case and `server` is the
 *           name as the group's list has it
 *   u     = ((h >> 11) + 0.5) / 2^53, and at most 1 - 2^-53
 *   score = -weight / ln(u)
 *
 * The largest score wins; the next largest is the next choice.
 */
#ifndef ROUTE_ROUTE_HASH_H
#define ROUTE_ROUTE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* This binary can hash: it was built with libxxhash. */
bool route_hash_is_supported(void);

/* XXH64 of login NUL server. */
uint64_t route_hash(const char *login, size_t login_length, const char *server,
                    size_t server_length);

/* The score of a server with this hash and weight; 0 for a weight of 0, which never wins. */
double route_hash_score(uint64_t hash, double weight);

#endif
