/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A main for the fuzz entry points where there is no libFuzzer: runs every file given as an
 * argument, and every file of every directory given, through LLVMFuzzerTestOneInput. It knows
 * nothing about the target. An input that fails ends the program with a signal, after a line that
 * names it. Exit status 0: all inputs passed; 1: one could not be read, or there were none; 64:
 * usage. With a fuzzing engine, which brings its own main, it is built with FUZZ_ENGINE and is empty.
 */
#ifndef FUZZ_ENGINE
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    REPLAY_SIZE_MAX = 1024 * 1024, /* as in libFuzzer */
    REPLAY_EXIT_USAGE = 64,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input is in a block of exactly its size, so that a sanitizer sees a read beyond it. */
static int run_data(const uint8_t *data, size_t size)
{
    uint8_t *input = malloc(size > 0 ? size : 1);

    if (input == NULL)
        return -1;
    memcpy(input, data, size);
    LLVMFuzzerTestOneInput(input, size);
    free(input);
    return 0;
}

static int run_file(const char *path)
{
    static uint8_t data[REPLAY_SIZE_MAX];
    FILE *file = fopen(path, "rb");
    size_t size;
    int is_bad;

    if (file == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    size = fread(data, 1, sizeof(data), file);
    is_bad = ferror(file);
    fclose(file);
    if (is_bad) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return -1;
    }
    printf("%s: %zu octets\n", path, size);
    fflush(stdout); /* this line must be written before the input can end the program */
    return run_data(data, size);
}

/* Both return how many inputs ran, or -1. */
static int run_directory(const char *path)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;
    int count = 0;

    if (directory == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    while (count >= 0 && (entry = readdir(directory)) != NULL) {
        char file[PATH_MAX];

        if (entry->d_name[0] == '.')
            continue;
        if (snprintf(file, sizeof(file), "%s/%s", path, entry->d_name) >= (int)sizeof(file))
            count = -1;
        else
            count = run_file(file) < 0 ? -1 : count + 1;
    }
    closedir(directory);
    return count;
}

static int run_path(const char *path)
{
    struct stat status;

    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        return run_directory(path);
    return run_file(path) < 0 ? -1 : 1;
}

int main(int argc, char **argv)
{
    int total = 0;

    if (argc < 2) {
        fprintf(stderr, "usage: %s FILE|DIRECTORY...\n", argv[0]);
        return REPLAY_EXIT_USAGE;
    }
    for (int i = 1; i < argc; i++) {
        int count = run_path(argv[i]);

        if (count < 0)
            return EXIT_FAILURE;
        total += count;
    }
    printf("%d inputs passed\n", total);
    return total > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#else

extern int fuzz_engine_has_main;

#endif
