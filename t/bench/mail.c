/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The prepared maildrops; see mail.h. Everything is built before it is needed, so a reply costs one
 * copy on one side and one memcmp() on the other.
 */
#include "mail.h"

#include "bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define KINDS_MAX 16
#define COUNT_MAX 10000
#define SIZE_MAX_OCTETS (1ULL << 40)

static __attribute__((format(printf, 1, 2))) struct text text_make(const char *format, ...)
{
    struct text text = {.at = NULL};
    va_list arguments;
    int len;

    va_start(arguments, format);
    len = vasprintf(&text.at, format, arguments);
    va_end(arguments);
    if (len < 0)
        bench_die("out of memory");
    text.len = (size_t)len;
    return text;
}

/* A multi-line reply with a line for each message: its number, and its size or identifier. */
static struct text listing(const struct mailbox *box, const char *head, bool is_uidl)
{
    size_t room = strlen(head) + box->count * 64UL + 2 * sizeof(MAIL_END);
    struct text text = {.at = bench_alloc(room, 1)};
    unsigned n;

    text.len = (size_t)snprintf(text.at, room, "%s\r\n", head);
    for (n = 1; n <= box->count; n++) {
        char *at = text.at + text.len;
        unsigned long long size = box->size;

        text.len += (size_t)(is_uidl ? snprintf(at, 64, "%u canned-%llu.%u\r\n", n, size, n)
                                     : snprintf(at, 64, "%u %llu\r\n", n, size));
    }
    memcpy(text.at + text.len, MAIL_END, sizeof(MAIL_END));
    text.len += sizeof(MAIL_END) - 1;
    return text;
}

static void mailbox_build(struct mailbox *box)
{
    unsigned long long total = box->count * box->size;
    unsigned n;

    box->pass = text_make("+OK maildrop has %u messages (%llu octets)\r\n", box->count, total);
    box->stat = text_make("+OK %u %llu\r\n", box->count, total);
    box->list = listing(box, "+OK scan listing follows", false);
    box->uidl = listing(box, "+OK unique-id listing follows", true);
    box->retr = text_make("+OK %llu octets\r\n", (unsigned long long)box->size);
    box->dele = bench_alloc(box->count + 1, sizeof(*box->dele));
    for (n = 1; n <= box->count; n++)
        box->dele[n - 1] = text_make("+OK message %u deleted\r\n", n);
}

static bool parse_user(const char *user, unsigned *count_r, uint64_t *size_r)
{
    unsigned long long size;
    char dash;

    if (sscanf(user, "m%5ux%14llu%c", count_r, &size, &dash) != 3 || dash != '-')
        return false;
    *size_r = size;
    return *count_r <= COUNT_MAX && size <= SIZE_MAX_OCTETS && size % MAIL_LINE == 0;
}

const struct mailbox *mail_find(const char *user)
{
    static struct mailbox kinds[KINDS_MAX];
    static size_t used;
    unsigned count;
    uint64_t size;
    size_t i;

    if (!parse_user(user, &count, &size))
        return NULL;
    for (i = 0; i < used; i++)
        if (kinds[i].count == count && kinds[i].size == size)
            return &kinds[i];
    if (used == KINDS_MAX)
        return NULL;
    kinds[used].count = count;
    kinds[used].size = size;
    mailbox_build(&kinds[used]);
    return &kinds[used++];
}

void mail_password(const char *user, char *password_r, size_t size)
{
    snprintf(password_r, size, "secret of %s", user);
}

/* 62 printable characters and CRLF, different in every line; some begin with stuffed dots. */
static void fill_line(char *line, unsigned number)
{
    unsigned i;

    for (i = 0; i < MAIL_LINE - 2; i++)
        line[i] = (char)('!' + 1 + (number * 7 + i) % 90);
    line[0] = 'x';
    if (number % 16 == 5)
        memcpy(line, "..", 2);
    if (number % 64 == 9)
        memcpy(line, "...\r", 4);       /* a CR in the middle of a line does not end it */
    memcpy(line + MAIL_LINE - 2, "\r\n", 2);
}

const char *mail_block_rest(void)
{
    static char block[MAIL_BLOCK];
    unsigned number;

    if (!block[0])
        for (number = 0; number < MAIL_BLOCK / MAIL_LINE; number++)
            fill_line(block + number * MAIL_LINE, number);
    return block + MAIL_LINE;
}

static char *put_digits(char *end, unsigned width, uint64_t value)
{
    while (width--) {
        *--end = (char)('0' + value % 10);
        value /= 10;
    }
    return end;
}

void mail_stamp(unsigned message, uint64_t block, char *stamp_r)
{
    static const char form[] = "X-Stamp: message 00000 block 000000000000 of a canned maildrop\r\n";

    _Static_assert(sizeof(form) == MAIL_LINE + 1, "a stamp is one line");
    memcpy(stamp_r, form, MAIL_LINE);
    put_digits(stamp_r + 22, 5, message);
    put_digits(stamp_r + 41, 12, block);
}

bool mail_body_is(unsigned message, uint64_t offset, const char *data, size_t len)
{
    const char *rest = mail_block_rest();
    char stamp[MAIL_LINE];

    while (len) {
        size_t in_block = (size_t)(offset % MAIL_BLOCK);
        bool is_stamp = in_block < MAIL_LINE;
        size_t n = (is_stamp ? MAIL_LINE : MAIL_BLOCK) - in_block;
        const char *want = is_stamp ? stamp + in_block : rest + in_block - MAIL_LINE;

        if (is_stamp)
            mail_stamp(message, offset / MAIL_BLOCK, stamp);
        if (n > len)
            n = len;
        if (memcmp(data, want, n) != 0)
            return false;
        data += n;
        offset += n;
        len -= n;
    }
    return true;
}
