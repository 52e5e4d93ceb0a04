/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * iniparser reads sections, keys and values. This file finds what iniparser does not tell: the
 * number of each line, sections and keys that are repeated, and lines that it would cut, join or
 * overlook. Of the 28 mistakes in a line that t/conf.t makes, iniparser 4.1 takes 19 without a word
 * and answers the other 9 by refusing the whole file, which would hide every mistake but the first.
 *
 * So each line is checked first, and only the sound ones are handed to iniparser, through a file in
 * memory because it reads no other.
 */
#include "config/ini.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/octet.h"
#include "config.h"
#include "config/conf_keys.h"
#include "config/ini_value.h"

#ifdef HAVE_INIPARSER_INIPARSER_H
#include <iniparser/iniparser.h>
#else
#include <iniparser.h>
#endif

enum { SHOWN = 80 };

/* The state of the pass over the lines. */
struct pass {
    struct ini *ini;
    struct mistakes *mistakes;
    unsigned number; /* of the line at hand */
    size_t section;  /* index of the header in force, or NO_SECTION */
    FILE *sound;     /* the lines that iniparser shall see */
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

static int open_file(const char *path, struct mistakes *mistakes)
{
    struct stat status;
    int fd = file_open_regular(path, &status);

    if (fd == -1 && errno == EISDIR)
        mistakes_add(mistakes, 0, "is a directory; name a file in it");
    else if (fd == -1 && errno == EINVAL)
        mistakes_add(mistakes, 0, "is not a regular file");
    else if (fd == -1)
        mistakes_add(mistakes, 0, "cannot read it: %s", strerror(errno));
    if (fd == -1 || status.st_size <= INI_FILE_BYTES)
        return fd;
    mistakes_add(mistakes, 0,
                 "is larger than 1 MiB; put a long list of servers into allow_servers_file");
    return file_close_failed(fd);
}

void ini_load(struct ini *ini, const char *path, struct mistakes *mistakes)
{
    int fd = open_file(path, mistakes);
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

/* Cuts the blanks at the end, and the CR of another system's editor. */
static char *trim_end(char *text)
{
    char *end = text + strlen(text);

    while (end > text && (octet_is_blank(end[-1]) || end[-1] == '\r'))
        *--end = '\0';
    return text;
}

static bool has_control(const char *text)
{
    for (; *text != '\0'; text++)
        if (octet_is_control(*text) && *text != '\t')
            return true;
    return false;
}

static void make_lower(char *text)
{
    for (; *text != '\0'; text++)
        *text = octet_lower(*text);
}

/* "instance   a" -> "instance a" */
static void join_blanks(char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0'; from++) {
        if (!octet_is_blank(*from))
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

/* The index of a key of this name in `section`, or of a header; NO_SECTION when there is none. */
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

/* iniparser would put the keys after a [] into the section before it. */
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
                     "[%.*s]: this section already began in line %u; put its keys there", SHOWN,
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

/* `text` follows the [. A header with a mistake begins its section all the same, because its keys
 * would be called misplaced otherwise. */
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
    else if (*rest != '\0' && !ini_is_comment(rest))
        mistakes_add(pass->mistakes, pass->number, "[%.*s] %.*s: only a comment may follow the ]",
                     SHOWN, text, SHOWN, rest);
    begin_section(pass, text);
}

/* ---- keys ---- */

static void refuse_value(struct pass *pass, const char *key, const char *value, const char *flaw)
{
    mistakes_add(pass->mistakes, pass->number, "%.*s = %.*s: %s", SHOWN, key, SHOWN, value, flaw);
}

static bool is_repeated(struct pass *pass, const char *key, const char *value)
{
    size_t first = find_line(pass->ini, false, pass->section, key);

    if (first == NO_SECTION)
        return false;
    mistakes_add(pass->mistakes, pass->number,
                 "%.*s = %.*s: already set in line %u; keep one of them", SHOWN, key, SHOWN,
                 value, pass->ini->lines[first].number);
    return true;
}

/* A value of NULL is one that was refused: the key is known to be there, no more. */
static void add_key(struct pass *pass, const char *key, const char *value)
{
    struct ini_line *line;

    if (pass->section == NO_SECTION) {
        refuse_value(pass, key, value == NULL ? "" : value,
                     "comes before the first section; put [proxy] above it");
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
    char flaw[INI_FLAW_SIZE];

    trim_end(key);
    value = skip_blanks(value);
    if (*key == '\0') {
        mistakes_add(pass->mistakes, pass->number, "= %.*s: the key before the = is missing", SHOWN,
                     value);
        return;
    }
    make_lower(key);
    if (ini_value_is_sound(value, flaw)) {
        add_key(pass, key, value);
        return;
    }
    refuse_value(pass, key, value, flaw);
    if (pass->section != NO_SECTION)
        add_key(pass, key, NULL);
}

/* Refuses a line that has no = and is neither a section nor a comment. */
static void refuse_line(struct pass *pass, char *line)
{
    char *word_end = line + strcspn(line, " \t:");
    const char *value = word_end + strspn(word_end, " \t:");
    char end = *word_end;

    *word_end = '\0';
    if (conf_key_find(line) != CONF_KEY_COUNT || conf_key_find_in_group(line) != CONF_KEY_COUNT) {
        mistakes_add(pass->mistakes, pass->number, "%s%s%.*s: the = is missing: %s = %.*s", line,
                     *value == '\0' ? "" : " ", SHOWN, value, line, SHOWN,
                     *value == '\0' ? "VALUE" : value);
        if (pass->section != NO_SECTION)
            add_key(pass, line, NULL);
        return;
    }
    *word_end = end;
    mistakes_add(pass->mistakes, pass->number,
                 "%.*s: not a [section], key = value or comment; a comment begins with ; or #",
                 SHOWN, line);
}

/* ---- lines ---- */

static void take_line(struct pass *pass, char *line)
{
    char *equals;

    line = trim_end(skip_blanks(line));
    if (*line == '\0' || ini_is_comment(line))
        return;
    equals = strchr(line, '=');
    if (strlen(line) > INI_LINE_BYTES)
        mistakes_add(pass->mistakes, pass->number,
                     "%.*s...: the line is longer than %d octets; put a long list of servers into "
                     "allow_servers_file",
                     SHOWN / 2, line, INI_LINE_BYTES);
    else if (has_control(line))
        mistakes_add(pass->mistakes, pass->number,
                     "%.*s: the line has a control character; remove it", SHOWN, line);
    else if (line[strlen(line) - 1] == '\\')
        mistakes_add(pass->mistakes, pass->number,
                     "%.*s: a line must not end in a backslash; write it as one line", SHOWN, line);
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
    mistakes_add(mistakes, 1, "the file begins with a byte order mark; save it without one");
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
                         "the file has more than %d lines; put a long list of servers into "
                         "allow_servers_file",
                         INI_FILE_LINES);
            return;
        }
        take_line(pass, line);
    }
}

/* ---- iniparser ---- */

/* iniparser would complain on standard error, which may be a client's connection. */
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

static FILE *open_memory(void)
{
    int fd = memfd_create("pop3.proxy.conf", MFD_CLOEXEC);
    FILE *file = fd == -1 ? NULL : fdopen(fd, "w");

    if (fd != -1 && file == NULL)
        (void)file_close_failed(fd);
    return file;
}

void ini_parse(struct ini *ini, char *text, size_t length, struct mistakes *mistakes)
{
    struct pass pass = {.ini = ini, .mistakes = mistakes, .section = NO_SECTION};

    *ini = (struct ini){0};
    if (strlen(text) != length) {
        mistakes_add(mistakes, 0, "is not a text file: it has a NUL octet");
        return;
    }
    pass.sound = open_memory();
    if (pass.sound == NULL) {
        mistakes_add(mistakes, 0, "cannot copy it to memory: %s", strerror(errno));
        return;
    }
    take_lines(&pass, text);
    if (fflush(pass.sound) == 0)
        ini->dictionary = parse_sound_lines(fileno(pass.sound));
    fclose(pass.sound);
    if (ini->dictionary != NULL) {
        take_values(ini, mistakes);
        return;
    }
    mistakes_add(mistakes, 0, "iniparser cannot read it; is /proc mounted?");
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
