/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parses status lines and finds the end of a multi-line reply. The search reads every octet of
 * every message, so its common path uses vector instructions. Everything else here is plain C.
 */
#include "pop3/reply.h"

#include <string.h>
#include <strings.h>

#include "base/octet.h"
#include "config.h"

#ifdef HAVE_AVX2_TARGET
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

/* ---- status lines ---- */

static bool has_indicator(const char *line, size_t length, const char *indicator)
{
    size_t width = strlen(indicator);

    return length >= width && memcmp(line, indicator, width) == 0;
}

/* True if these octets can be the beginning of a status line. */
static bool may_become_status(const char *data, size_t length)
{
    static const char ok[] = "+OK";
    static const char err[] = "-ERR";
    size_t ok_width = length < sizeof(ok) - 1 ? length : sizeof(ok) - 1;
    size_t err_width = length < sizeof(err) - 1 ? length : sizeof(err) - 1;

    return length < REPLY_LINE_BYTES &&
           (memcmp(data, ok, ok_width) == 0 || memcmp(data, err, err_width) == 0);
}

enum reply_status reply_parse(const char *data, size_t length, size_t *length_r)
{
    size_t limit = length < REPLY_LINE_BYTES ? length : REPLY_LINE_BYTES;
    const char *newline = length == 0 ? NULL : memchr(data, '\n', limit);

    *length_r = 0;
    if (newline == NULL)
        return length == 0 || may_become_status(data, length) ? REPLY_INCOMPLETE : REPLY_INVALID;
    if (newline == data || newline[-1] != '\r')
        return REPLY_INVALID;

    size_t text_length = (size_t)(newline - data) - 1;
    *length_r = text_length + 2;
    if (has_indicator(data, text_length, "+OK"))
        return REPLY_OK;
    if (has_indicator(data, text_length, "-ERR"))
        return REPLY_ERR;
    return REPLY_INVALID;
}

enum reply_status reply_parse_auth(const char *data, size_t length, size_t *length_r)
{
    size_t limit = length < REPLY_CHALLENGE_BYTES ? length : REPLY_CHALLENGE_BYTES;
    const char *newline;

    if (length < 2 || data[0] != '+' || (data[1] != ' ' && data[1] != '\r'))
        return reply_parse(data, length, length_r);
    *length_r = 0;
    newline = memchr(data, '\n', limit);
    if (newline == NULL)
        return limit < REPLY_CHALLENGE_BYTES ? REPLY_INCOMPLETE : REPLY_INVALID;
    *length_r = (size_t)(newline - data) + 1;
    return newline[-1] == '\r' ? REPLY_CHALLENGE : REPLY_INVALID;
}

char reply_clean_octet(char octet)
{
    return octet_is_control(octet) ? '?' : octet;
}

void reply_clean(char *line, size_t length)
{
    for (size_t i = 0; i + 2 < length; i++)
        line[i] = reply_clean_octet(line[i]);
}

static const char code_start[] = "-ERR [";
enum { CODE_START_LENGTH = sizeof(code_start) - 1 };

bool reply_has_code(const char *line, size_t length)
{
    return length > CODE_START_LENGTH + 1 && memcmp(line, code_start, CODE_START_LENGTH) == 0 &&
           line[CODE_START_LENGTH] != ']' &&
           memchr(line + CODE_START_LENGTH, ']', length - CODE_START_LENGTH) != NULL;
}

/* The line has this response code, perhaps with a part after a slash. */
static bool has_code(const char *line, size_t length, const char *word)
{
    const char *code = line + CODE_START_LENGTH;
    size_t width = strlen(word);

    if (!reply_has_code(line, length))
        return false;
    return length - CODE_START_LENGTH > width && strncasecmp(code, word, width) == 0 &&
           (code[width] == ']' || code[width] == '/');
}

bool reply_is_unavailable(const char *line, size_t length)
{
    return has_code(line, length, "SYS") || has_code(line, length, "LOGIN-DELAY") ||
           reply_is_in_use(line, length);
}

bool reply_is_in_use(const char *line, size_t length)
{
    return has_code(line, length, "IN-USE");
}

/* ---- the end of a multi-line reply ---- */

static const char end_mark[] = "\r\n.\r\n";
enum { END_MARK_LENGTH = sizeof(end_mark) - 1 };

void reply_end_init(struct reply_end *end)
{
    *end = (struct reply_end){.matched = 2}; /* the status line's CRLF */
}

/* Moves the automaton by one octet. After a mismatch at most one octet of the mark can be matched
 * already: a CR. */
static void step(struct reply_end *end, char octet)
{
    if (octet == end_mark[end->matched])
        end->matched++;
    else
        end->matched = octet == '\r' ? 1 : 0;
}

/*
 * Steps over octets, a block at a time, as long as no LF in them is followed by a '.'. Stops at a
 * block that may hold such a pair, or when less than a block and one octet are left. Such a pair is
 * rare in a message, so this goes on for pages. The loops over a block are unrolled here because
 * the compiler does not do it at -O2.
 */
#ifdef __SSE2__
static const char *skip_sse2(const char *data, const char *end)
{
    const __m128i lf = _mm_set1_epi8('\n');
    const __m128i dot = _mm_set1_epi8('.');

    for (; end - data > 64; data += 64) {
        __m128i hit = _mm_setzero_si128();
#pragma GCC unroll 4
        for (int i = 0; i < 64; i += 16) {
            __m128i here = _mm_loadu_si128((const __m128i *)(const void *)(data + i));
            __m128i next = _mm_loadu_si128((const __m128i *)(const void *)(data + i + 1));
            hit = _mm_or_si128(hit,
                               _mm_and_si128(_mm_cmpeq_epi8(here, lf), _mm_cmpeq_epi8(next, dot)));
        }
        if (_mm_movemask_epi8(hit) != 0)
            break;
    }
    return data;
}
#endif

#ifdef HAVE_AVX2_TARGET
__attribute__((target("avx2"))) static const char *skip_avx2(const char *data, const char *end)
{
    const __m256i lf = _mm256_set1_epi8('\n');
    const __m256i dot = _mm256_set1_epi8('.');

    for (; end - data > 128; data += 128) {
        __m256i hit = _mm256_setzero_si256();
#pragma GCC unroll 4
        for (int i = 0; i < 128; i += 32) {
            __m256i here = _mm256_loadu_si256((const __m256i *)(const void *)(data + i));
            __m256i next = _mm256_loadu_si256((const __m256i *)(const void *)(data + i + 1));
            hit = _mm256_or_si256(
                hit, _mm256_and_si256(_mm256_cmpeq_epi8(here, lf), _mm256_cmpeq_epi8(next, dot)));
        }
        if (_mm256_movemask_epi8(hit) != 0)
            break;
    }
    return data;
}
#endif

static const char *skip_blocks(const char *data, const char *end)
{
#ifdef HAVE_AVX2_TARGET
    if (__builtin_cpu_supports("avx2")) {
        data = skip_avx2(data, end);
        if (end - data > 128)
            return data;
    }
#endif
#ifdef __SSE2__
    data = skip_sse2(data, end);
#endif
    (void)end; /* on other processors nothing is stepped over */
    return data;
}

/* The first LF from `data` on that is followed by a '.'; `end` if there is none before the last
 * octet. */
static const char *find_dot_line(const char *data, const char *end)
{
    data = skip_blocks(data, end);
    while (end - data > 1) {
        const char *newline = memchr(data, '\n', (size_t)(end - data) - 1);
        if (newline == NULL)
            break;
        if (newline[1] == '.')
            return newline;
        data = newline + 1;
    }
    return end;
}

/* The automaton's state after the piece [data, end): its last octets alone decide it. */
static unsigned state_at_end(const char *data, const char *end)
{
    struct reply_end tail = {0};
    const char *from = end - data > END_MARK_LENGTH - 1 ? end - (END_MARK_LENGTH - 1) : data;

    for (; from < end; from++)
        step(&tail, *from);
    return tail.matched;
}

static size_t scan(struct reply_end *end, const char *data, size_t length, bool *is_end_r)
{
    const char *stop = data + length;
    const char *at = data;

    *is_end_r = false;
    /* An earlier piece ended within what may be the mark: step until that is decided. */
    while (at < stop && end->matched > 0) {
        step(end, *at++);
        if (end->matched == END_MARK_LENGTH) {
            *is_end_r = true;
            return (size_t)(at - data);
        }
    }
    for (;;) {
        const char *line_end = find_dot_line(at, stop);
        if (line_end == stop)
            break;
        if (line_end > at && line_end[-1] == '\r' && stop - line_end >= 4 &&
            memcmp(line_end, "\n.\r\n", 4) == 0) {
            *is_end_r = true;
            return (size_t)(line_end + 4 - data);
        }
        if (stop - line_end < 4)
            break; /* perhaps the mark, and the piece ends within it */
        at = line_end + 1;
    }
    end->matched = at < stop ? state_at_end(at, stop) : end->matched;
    return length;
}

static const char loose_mark[] = "\n.\r\n";
enum { LOOSE_MARK_LENGTH = sizeof(loose_mark) - 1 };

/* The last octets of the piece decide it, and those before it if it is shorter than the mark. */
static void note_loose_end(struct reply_end *end, const char *data, size_t length)
{
    size_t at = length > LOOSE_MARK_LENGTH ? length - LOOSE_MARK_LENGTH : 0;

    if (length >= LOOSE_MARK_LENGTH)
        end->loose = 0;
    for (; at < length; at++) {
        if (end->loose == LOOSE_MARK_LENGTH)
            end->loose = 1; /* its LF may begin another one */
        if (data[at] == loose_mark[end->loose])
            end->loose++;
        else
            end->loose = data[at] == '\n' ? 1 : 0;
    }
}

size_t reply_end_scan(struct reply_end *end, const char *data, size_t length, bool *is_end_r)
{
    size_t own = scan(end, data, length, is_end_r);

    note_loose_end(end, data, own);
    return own;
}

bool reply_end_is_loose(const struct reply_end *end)
{
    return end->loose == LOOSE_MARK_LENGTH;
}
