/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The prepared maildrops: what the server of the benchmark sends and what the load generator
 * therefore expects, octet for octet. A user name describes its maildrop: "m10x8192-000017" has 10
 * messages of 8,192 octets. So neither program needs a list of users.
 *
 * A body consists of blocks of 1,024 lines of 64 octets, CRLF included. The first line of a block
 * is its stamp with the numbers of the message and the block, so a lost, repeated or exchanged
 * block is noticed. Some lines begin with stuffed dots and some with a single letter, to test the
 * search for the end of a message. No line is "." alone.
 */
#ifndef POP3_BENCH_MAIL_H
#define POP3_BENCH_MAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAIL_LINE 64
#define MAIL_BLOCK (1024 * MAIL_LINE)
#define MAIL_END ".\r\n"
#define MAIL_USER_MAX 64
#define MAIL_GREETING "+OK canned POP3 server ready\r\n"
#define MAIL_USER_OK "+OK send the password\r\n"
#define MAIL_QUIT_OK "+OK canned POP3 server signing off\r\n"

struct text {
    char *at;
    size_t len;
};

/* A kind of maildrop with all its replies, ready to be sent or compared. */
struct mailbox {
    unsigned count;
    uint64_t size;              /* of each message, as on the wire, without the last line "." */
    struct text pass;
    struct text stat;
    struct text list;           /* whole, with its end */
    struct text uidl;
    struct text retr;           /* the status line only; body and MAIL_END follow */
    struct text *dele;          /* one for each message */
};

/*
 * The maildrop of a user name. It is built at the first call, kept, and shared by all users that
 * have the same kind. NULL if the name describes none, or if there are too many kinds (16).
 */
const struct mailbox *mail_find(const char *user);

/* The password of a user. Any other is refused, so an exchanged login is noticed. */
void mail_password(const char *user, char *password_r, size_t size);

/* The lines of a block after its stamp, MAIL_BLOCK - MAIL_LINE octets, the same in all blocks. */
const char *mail_block_rest(void);

/* Writes the stamp of a block: MAIL_LINE octets, no NUL. */
void mail_stamp(unsigned message, uint64_t block, char *stamp_r);

/* True if the body of `message` has these octets at `offset`. */
bool mail_body_is(unsigned message, uint64_t offset, const char *data, size_t len);

#endif
