/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pass over an INI file. It reads the file into memory, looks at every line, and writes those
 * that are sound into a second, anonymous file, from which iniparser takes the values.
 */
#include "config/ini.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"

#ifdef HAVE_INIPARSER_INIPARSER_H
#include <iniparser/iniparser.h>
#else
#include <iniparser.h>
#endif

enum { SHOWN = 80 };

/* The state of the pass. */
struct pass {
    struct ini *ini;
    struct mistakes *mistakes;
    unsigned number; /* of the line at hand */
    size_t section;  /* index of the header in force, or NO_SECTION */
    FILE *sound;     /* what iniparser shall see */
};

#define NO_SECTION SIZE_MAX

/* ---- reading ---- */

static int read_all(int fd, char *text, size_t size)
{
    size_t length = 0;
    ssize_t got = 1;

    while (length < size && got > 0) {
        got = read(fd, text + length, size - length);
        if (got > 0)
            length += (size_t)got;
        else if (got == -1 && errno == EINTR)
            got = 1;
    }
    text[length] = '\0';
    return got == -1 ? -1 : (int)length;
}

/* O_NONBLOCK: a FIFO without a writer must not hang a reload. */
static int open_regular(const char *path, struct mistakes *mistakes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat status;

    if (fd == -1 || fstat(fd, &status) == -1) {
        mistakes_add(mistakes, 0, "cannot read it: %s", strerror(errno));
    } else if (S_ISDIR(status.st_mode)) {
        mistakes_add(mistakes, 0, "is a directory; name the file in it");
    } else if (!S_ISREG(status.st_mode)) {
        mistakes_add(mistakes, 0, "is not a regular file");
    } else if (status.st_size > INI_FILE_BYTES) {
        mistakes_add(mistakes, 0,
                     "is larger than 1 MiB; long lists of servers go into "
                     "allow_servers_file");
    } else {
        return fd;
    }
    if (fd != -1)
        close(fd);
    return -1;
}

void ini_load(struct ini *ini, const char *path, struct mistakes *mistakes)
{
    int fd = open_regular(path, mistakes);
    char *text;
    int length;

    *ini = (struct ini){0};
    if (fd == -1)
        return;
    text = malloc(INI_FILE_BYTES + 1);
    length = text == NULL ? -1 : read_all(fd, text, INI_FILE_BYTES);
    if (length == -1)
        mistakes_add(mistakes, 0, "cannot read it: %s", strerror(errno));
    else
        ini_parse(ini, text, (size_t)length, mistakes);
    close(fd);
    free(text);
}

/* ---- pieces of a line ---- */

static char *skip_blanks(char *text)
{
    return text + strspn(text, " \t");
}

/* Cuts the blanks (and the CR of another system's editor) at the end. */
static char *trim_end(char *text)
{
    char *end = text + strlen(text);

    while (end > text && strchr(" \t\r", end[-1]) != NULL)
        *--end = '\0';
    return text;
}

static bool is_comment(const char *text)
{
    return *text == '#' || *text == ';';
}

static bool has_control(const char *text)
{
    for (; *text != '\0'; text++)
        if (iscntrl((unsigned char)*text) && *text != '\t')
            return true;
    return false;
}

static void make_lower(char *text)
{
    for (; *text != '\0'; text++)
        *text = (char)tolower((unsigned char)*text);
}

/* "instance   a" -> "instance a" */
static void join_blanks(char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0'; from++) {
        bool is_blank = *from == ' ' || *from == '\t';

        if (!is_blank)
            *to++ = *from;
        else if (to > text && to[-1] != ' ')
            *to++ = ' ';
    }
    *to = '\0';
}

/* ---- the lines found ---- */

static struct ini_line *add_line(struct pass *pass, const char *name)
{
    struct ini *ini = pass->ini;
    struct ini_line *lines = realloc(ini->lines, (ini->count + 1) * sizeof(*lines));
    char *copy = strdup(name);

    if (lines != NULL)
        ini->lines = lines;
    if (lines == NULL || copy == NULL) {
        free(copy);
        pass->mistakes->is_incomplete = true;
        return NULL;
    }
    lines[ini->count] = (struct ini_line){.number = pass->number, .name = copy};
    return &lines[ini->count++];
}

/* The index of a line of this name that stands in `section`, or of a header; NO_SECTION if there
 * is none. */
static size_t find_line(const struct ini *ini, bool is_section, size_t section, const char *name)
{
    for (size_t i = is_section ? 0 : section; i < ini->count; i++) {
        const struct ini_line *line = &ini->lines[i];

        if (line->is_section == is_section && (is_section || line->section == section) &&
            strcasecmp(line->name, name) == 0)
            return i;
    }
    return NO_SECTION;
}

/* ---- section headers ---- */

/* iniparser would put the keys behind a [] into the section before it. */
static const char *sound_name(const char *section)
{
    return *section == '\0' ? "-" : section;
}

static void begin_section(struct pass *pass, const char *name)
{
    size_t first = find_line(pass->ini, true, 0, name);
    struct ini_line *line;

    fprintf(pass->sound, "[%s]\n", sound_name(name));
    if (first != NO_SECTION) {
        mistakes_add(pass->mistakes, pass->number,
                     "[%.*s]: this section began in line %u already; put its keys there", SHOWN,
                     name, pass->ini->lines[first].number);
        pass->section = first;
        return;
    }
    line = add_line(pass, name);
    if (line == NULL)
        return;
    pass->section = pass->ini->count - 1;
    line->is_section = true;
    line->section = pass->section;
}

/* `text` stands behind the [. A header with a mistake is a header still: its keys would be called
 * misplaced otherwise. */
static void take_header(struct pass *pass, char *text)
{
    char *end = text + strcspn(text, "]");
    const char *rest = *end == ']' ? skip_blanks(end + 1) : "";
    bool is_closed = *end == ']';

    if (!is_closed)
        end = text + strcspn(text, ";#");
    *end = '\0';
    join_blanks(text);
    trim_end(text);
    if (!is_closed)
        mistakes_add(pass->mistakes, pass->number, "[%.*s: the ] is missing: [%.*s]", SHOWN, text,
                     SHOWN, text);
    else if (*rest != '\0' && !is_comment(rest))
        mistakes_add(pass->mistakes, pass->number,
                     "[%.*s] %.*s: nothing but a comment may stand behind the ]", SHOWN, text,
                     SHOWN, rest);
    begin_section(pass, text);
}

/* ---- values ---- */

/* The quote that can stand round the value, or 0. */
static char quote_for(const char *value)
{
    if (strchr(value, '"') == NULL)
        return '"';
    return strchr(value, '\'') == NULL ? '\'' : '\0';
}

static bool refuse_value(struct pass *pass, const char *key, const char *value, const char *mend)
{
    mistakes_add(pass->mistakes, pass->number, "%.*s = %.*s: %s", SHOWN, key, SHOWN, value, mend);
    return false;
}

/* iniparser reads on at another quote of the same kind and takes no notice of what follows it;
 * later versions of it know backslashes, earlier ones do not. */
static bool is_sound_quoted(struct pass *pass, const char *key, char *value)
{
    char quote[] = {value[0], '\0'};
    char *end = value + 1 + strcspn(value + 1, quote);
    const char *rest;

    if (*end == '\0')
        return refuse_value(pass, key, value, "the closing quote is missing");
    rest = skip_blanks(end + 1);
    if (*rest != '\0' && !is_comment(rest))
        return refuse_value(pass, key, value,
                            "nothing but a comment may stand behind the closing quote");
    end[1] = '\0';
    if (strchr(value, '\\') != NULL)
        return refuse_value(pass, key, value, "no backslash may stand between quotes");
    return true;
}

static bool refuse_cut(struct pass *pass, const char *key, const char *value, char sign)
{
    char quote = quote_for(value);
    char mend[2 * SHOWN + 100];

    if (quote == '\0')
        snprintf(mend, sizeof(mend),
                 "the %c would begin a comment; put a blank before it if it "
                 "shall",
                 sign);
    else
        snprintf(mend, sizeof(mend),
                 "the %c would begin a comment: quote the value, %c%.*s%c, or put a blank before "
                 "the %c",
                 sign, quote, SHOWN, value, quote, sign);
    return refuse_value(pass, key, value, mend);
}

static bool has_open_quote(const char *value)
{
    bool is_open = false;

    for (; *value != '\0'; value++)
        if (*value == '"')
            is_open = !is_open;
    return is_open;
}

/* A ; or # behind a blank begins a comment and is cut off; within a word it is a mistake, since
 * iniparser cuts there as well and says nothing. */
static bool is_sound_plain(struct pass *pass, const char *key, char *value)
{
    char *sign = value + strcspn(value, ";#");
    char found = *sign;

    if (found != '\0' && sign > value && sign[-1] != ' ' && sign[-1] != '\t')
        return refuse_cut(pass, key, value, found);
    *sign = '\0';
    if (has_open_quote(value)) {
        *sign = found;
        return refuse_value(pass, key, value,
                            found == '\0' ? "a quote is not closed"
                                          : "the comment begins within quotes; quote the whole "
                                            "value");
    }
    if (*trim_end(value) != '\0')
        return true;
    *sign = found;
    return refuse_value(pass, key, value,
                        found == '\0' ? "the value is missing; leave the line out for the default"
                                      : "the value is missing, the rest is a comment; quote it if "
                                        "it is the value");
}

/* ---- keys ---- */

static bool is_repeated(struct pass *pass, const char *key, const char *value)
{
    size_t first = find_line(pass->ini, false, pass->section, key);

    if (first == NO_SECTION)
        return false;
    mistakes_add(pass->mistakes, pass->number,
                 "%.*s = %.*s: is set in line %u already; keep one of them", SHOWN, key, SHOWN,
                 value, pass->ini->lines[first].number);
    return true;
}

/* A value of NULL is one that was refused: the key is known to be there, no more. */
static void add_key(struct pass *pass, const char *key, const char *value)
{
    struct ini_line *line;

    if (pass->section == NO_SECTION) {
        refuse_value(pass, key, value == NULL ? "" : value,
                     "stands before the first section; put [proxy] above it");
        return;
    }
    if (is_repeated(pass, key, value == NULL ? "" : value))
        return;
    line = add_line(pass, key);
    if (line == NULL)
        return;
    line->section = pass->section;
    line->is_sound = value != NULL;
    if (line->is_sound)
        fprintf(pass->sound, "%s = %s\n", key, value);
}

static void take_key(struct pass *pass, char *key, char *value)
{
    bool is_quoted;

    trim_end(key);
    value = skip_blanks(value);
    is_quoted = value[0] == '"' || value[0] == '\'';
    if (*key == '\0') {
        mistakes_add(pass->mistakes, pass->number, "= %.*s: the key before the = is missing", SHOWN,
                     value);
        return;
    }
    make_lower(key);
    if (is_quoted ? is_sound_quoted(pass, key, value) : is_sound_plain(pass, key, value))
        add_key(pass, key, value);
    else if (pass->section != NO_SECTION)
        add_key(pass, key, NULL);
}

/* No section, no comment, no =. */
static void refuse_line(struct pass *pass, char *line)
{
    char *word_end = line + strcspn(line, " \t:");
    const char *value = word_end + strspn(word_end, " \t:");
    char end = *word_end;

    *word_end = '\0';
    if (conf_key_find(line) != CONF_KEY_COUNT) {
        mistakes_add(pass->mistakes, pass->number, "%s%s%.*s: the = is missing: %s = %.*s", line,
                     *value == '\0' ? "" : " ", SHOWN, value, line, SHOWN,
                     *value == '\0' ? "VALUE" : value);
        if (pass->section != NO_SECTION)
            add_key(pass, line, NULL);
        return;
    }
    *word_end = end;
    mistakes_add(pass->mistakes, pass->number,
                 "%.*s: is no [section], key = value or comment; a comment begins with ; or #",
                 SHOWN, line);
}

/* ---- lines ---- */

static void take_line(struct pass *pass, char *line)
{
    char *equals;

    line = trim_end(skip_blanks(line));
    if (*line == '\0' || is_comment(line))
        return;
    equals = strchr(line, '=');
    if (strlen(line) > INI_LINE_BYTES)
        mistakes_add(pass->mistakes, pass->number,
                     "%.*s...: the line is longer than %d octets; long lists of servers go into "
                     "allow_servers_file",
                     SHOWN / 2, line, INI_LINE_BYTES);
    else if (has_control(line))
        mistakes_add(pass->mistakes, pass->number,
                     "%.*s: a control character stands in the line; take it out", SHOWN, line);
    else if (line[strlen(line) - 1] == '\\')
        mistakes_add(pass->mistakes, pass->number,
                     "%.*s: no line may end in a backslash; write it as one line", SHOWN, line);
    else if (*line == '[')
        take_header(pass, line + 1);
    else if (equals == NULL)
        refuse_line(pass, line);
    else {
        *equals = '\0';
        take_key(pass, line, equals + 1);
    }
}

static char *skip_mark(char *text, struct mistakes *mistakes)
{
    if (strncmp(text, "\xef\xbb\xbf", 3) != 0)
        return text;
    mistakes_add(mistakes, 1, "the file begins with a byte order mark; save it without");
    return text + 3;
}

static void take_lines(struct pass *pass, char *text)
{
    for (char *next = skip_mark(text, pass->mistakes); next != NULL;) {
        char *line = next;

        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        if (++pass->number > INI_FILE_LINES) {
            mistakes_add(pass->mistakes, pass->number,
                         "the file has more than %d lines; long "
                         "lists of servers go into allow_servers_file",
                         INI_FILE_LINES);
            return;
        }
        take_line(pass, line);
    }
}

/* ---- iniparser ---- */

/* Its complaints would go to standard error, which may be a client's connection by then. */
static int say_nothing(const char *format, ...)
{
    (void)format;
    return 0;
}

static dictionary *parse_sound_lines(int fd)
{
    char path[40];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    iniparser_set_error_callback(say_nothing);
    return iniparser_load(path);
}

static void take_values(struct ini *ini, struct mistakes *mistakes)
{
    for (size_t i = 0; i < ini->count; i++) {
        struct ini_line *line = &ini->lines[i];
        char name[2 * INI_LINE_BYTES + 2];

        if (!line->is_sound)
            continue;
        snprintf(name, sizeof(name), "%s:%s", sound_name(ini->lines[line->section].name),
                 line->name);
        line->value = iniparser_getstring(ini->dictionary, name, NULL);
        if (line->value == NULL)
            mistakes_add(mistakes, line->number, "%.*s: iniparser cannot read the line", SHOWN,
                         line->name);
    }
}

void ini_parse(struct ini *ini, char *text, size_t length, struct mistakes *mistakes)
{
    struct pass pass = {.ini = ini, .mistakes = mistakes, .section = NO_SECTION};
    int fd;

    *ini = (struct ini){0};
    if (strlen(text) != length) {
        mistakes_add(mistakes, 0, "is no text file: it holds a NUL octet");
        return;
    }
    fd = memfd_create("pop3.proxy.conf", MFD_CLOEXEC);
    pass.sound = fd == -1 ? NULL : fdopen(fd, "w");
    if (pass.sound == NULL) {
        mistakes_add(mistakes, 0, "cannot keep it in memory: %s", strerror(errno));
        if (fd != -1)
            close(fd);
        return;
    }
    take_lines(&pass, text);
    ini->dictionary = fflush(pass.sound) == EOF ? NULL : parse_sound_lines(fd);
    fclose(pass.sound);
    if (ini->dictionary != NULL) {
        take_values(ini, mistakes);
        return;
    }
    mistakes_add(mistakes, 0, "iniparser cannot read it (is /proc there?)");
    ini_free(ini);
}

void ini_free(struct ini *ini)
{
    for (size_t i = 0; i < ini->count; i++)
        free(ini->lines[i].name);
    free(ini->lines);
    if (ini->dictionary != NULL)
        iniparser_freedict(ini->dictionary);
    *ini = (struct ini){0};
}
