/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The openings of other protocols. Scanners send them, and machines that were given the wrong port.
 */
#include "pop3/opening.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/octet.h"
#include "pop3/proxy_header.h"

enum {
    TLS_HANDSHAKE_OCTET = 0x16, /* a record of TLS begins with it */
    SMB_HEAD = 4,               /* octets of NetBIOS before the SMB message: a type, a length */
    NETBIOS_REQUEST = 0x81,     /* the other type: a session request */
    KEYWORD_LENGTH = 4,         /* of HELO and EHLO */
    TAG_MAX = 16,               /* octets of the longest tag that IMAP clients use, and more */
};

static bool begins_with(const char *data, size_t length, const char *text, size_t width)
{
    return length >= width && memcmp(data, text, width) == 0;
}

/* The methods of RFC 9110 and RFC 5789, and the preface of HTTP/2 (RFC 9113). */
static bool is_http(const char *data, size_t length)
{
    static const char *const starts[] = {"GET ",     "HEAD ",    "POST ",  "PUT ",   "DELETE ",
                                         "CONNECT ", "OPTIONS ", "TRACE ", "PATCH ", "PRI * "};

    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
        if (begins_with(data, length, starts[i], strlen(starts[i])))
            return true;
    return false;
}

static bool is_smtp(const char *data, size_t length)
{
    return length > KEYWORD_LENGTH && memchr(" \r\n", data[KEYWORD_LENGTH], 3) != NULL &&
           (strncasecmp(data, "HELO", KEYWORD_LENGTH) == 0 ||
            strncasecmp(data, "EHLO", KEYWORD_LENGTH) == 0);
}

static bool is_of_tag(char octet)
{
    char lower = octet_lower(octet);

    return octet_is_digit(octet) || (lower >= 'a' && lower <= 'z') || octet == '.';
}

static bool is_imap_command(const char *word, size_t length)
{
    static const char *const words[] = {"CAPABILITY", "LOGIN", "AUTHENTICATE", "STARTTLS",
                                        "ID",         "NOOP",  "LOGOUT"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (length == strlen(words[i]) && strncasecmp(word, words[i], length) == 0)
            return true;
    return false;
}

/*
 * The first line of RFC 9051: a tag, a blank, a command. A tag has a digit, or fewer letters than
 * the commands of POP3, so that a user may be called like a command of IMAP.
 */
static bool is_imap(const char *data, size_t length)
{
    size_t tag = 0, end;
    bool has_digit = false;

    for (; tag < length && tag <= TAG_MAX && is_of_tag(data[tag]); tag++)
        has_digit |= octet_is_digit(data[tag]);
    if (tag == 0 || tag > TAG_MAX || tag == length || data[tag] != ' ' || !(has_digit || tag < 3))
        return false;
    for (end = tag + 1; end < length && memchr(" \r\n", data[end], 3) == NULL;)
        end++;
    return end < length && is_imap_command(data + tag + 1, end - tag - 1);
}

/* A TPKT header (RFC 1006): version 3, and a zero. */
static bool is_rdp(const char *data, size_t length)
{
    return begins_with(data, length, "\x03\0", 2);
}

/* Version 1 begins with 0xff, later ones with 0xfe; 0xfc and 0xfd are encrypted and compressed
 * ones, which cannot come first. A NetBIOS session request has a name of 32 letters after its
 * length and theirs. */
static bool is_smb(const char *data, size_t length)
{
    static const char name_length = 0x20;

    if (length <= SMB_HEAD)
        return false;
    if ((unsigned char)data[0] == NETBIOS_REQUEST)
        return data[1] == 0 && data[SMB_HEAD] == name_length;
    return data[0] == 0 && (begins_with(data + SMB_HEAD, length - SMB_HEAD, "\xffSMB", 4) ||
                            begins_with(data + SMB_HEAD, length - SMB_HEAD, "\xfeSMB", 4));
}

enum opening opening_find(const char *data, size_t length)
{
    if (length == 0)
        return OPENING_POP3;
    if (data[0] == TLS_HANDSHAKE_OCTET)
        return OPENING_TLS;
    if (begins_with(data, length, "PROXY ", 6) || proxy_header_is_v2(data, length))
        return OPENING_PROXY_HEADER;
    if (is_http(data, length) || is_smtp(data, length) || begins_with(data, length, "SSH-", 4) ||
        is_rdp(data, length) || is_smb(data, length) || is_imap(data, length))
        return OPENING_FOREIGN;
    return OPENING_POP3;
}
