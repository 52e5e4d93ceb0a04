/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the difference of two mailboxes means to a mail program that has fetched from the old one and
 * next asks the new one. Pure; no I/O.
 */
#ifndef COMPARE_COMPARE_RESULT_H
#define COMPARE_COMPARE_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compare/compare_mailbox.h"

/* Numbers of messages. */
struct compare_result {
    uint64_t same;    /* the same UIDL at both; `changed` are among them */
    uint64_t changed; /* their sizes differ, or their octets if hashes are known */
    uint64_t again;   /* at both, but with another UIDL: downloaded again */
    uint64_t lost;    /* only at the old server */
    uint64_t added;   /* only at the new server */
};

/*
 * Compares two mailboxes that were read. Messages are the same if their UIDLs are. Of the others,
 * those with the same octets are downloaded again, if `with_hashes`; without hashes as many as both
 * servers have without a partner are taken for the same. Returns false without memory.
 */
bool compare_result_find(struct compare_result *result, const struct compare_mailbox *old,
                         const struct compare_mailbox *new, bool with_hashes);

/* Nothing differs. */
bool compare_result_is_same(const struct compare_result *result);

/* There are messages that the client has, and each of them would be downloaded again. */
bool compare_result_is_all_again(const struct compare_result *result);

#endif
