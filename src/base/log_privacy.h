/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the log tells of people: the key log_privacy. It changes the values of a few keys, in every
 * line that has them: addresses of clients, names of users and of their certificates.
 */
#ifndef BASE_LOG_PRIVACY_H
#define BASE_LOG_PRIVACY_H

#include <stdbool.h>
#include <stdint.h>

/* As the key has them. */
enum log_privacy {
    LOG_PRIVACY_FULL,   /* everything */
    LOG_PRIVACY_SHORT,  /* networks instead of addresses: 24 bits of IPv4, 48 of IPv6 */
    LOG_PRIVACY_HASHED, /* the same, and keyed hashes instead of names */
};

enum { LOG_PRIVATE_SIZE = 64 };

/* Sets what lines of this process and of the children that it forks tell from now on. */
void log_privacy_set(enum log_privacy privacy);

/* The value as a line may tell it: `value`, or `text`. A name in upper and lower case has one hash,
 * which begins with ~. */
const char *log_private(const char *key, const char *value, char text[LOG_PRIVATE_SIZE]);

/* True if lines have hashes in place of names. */
bool log_privacy_hides_names(void);

/* Returns the hash that stands for this name in the log, for a process that has no room for the name;
 * log_add_hash() writes it. Returns 0 if the log shows names, if there is no key yet, or if the name is
 * empty. */
uint64_t log_private_hash(const char *name);

/* The text of such a hash. Returns `text`. */
const char *log_private_hash_text(uint64_t hash, char text[LOG_PRIVATE_SIZE]);

/*
 * Words from elsewhere, such as a server's, as a line about this user may tell them: the name, the
 * part of it before an @, and the client's address are replaced by what log_private() makes of `user`
 * and `client`. Names are found in any case, one of less than 4 octets only as a word of its own.
 * NULL: not known. Returns `words`, or `text`, where words that do not fit are cut.
 */
enum { LOG_WORDS_SIZE = 448 };
const char *log_private_words(const char *words, const char *user, const char *client,
                              char text[LOG_WORDS_SIZE]);

/* The key of the hashes is made at the first need. The next binary takes it over, so that lines
 * before and after an upgrade match. */
void log_privacy_inherit(void);
void log_privacy_pass(void);

#endif
