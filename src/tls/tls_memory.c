/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Private keys in memory. OpenSSL overwrites the numbers of a key when it frees it, but not all that
 * it has read and decoded on the way there: a copy of the key in DER or PEM would stay in the heap,
 * and every child would have it. So while keys are read, all memory that OpenSSL frees is
 * overwritten. What is read from files never comes near the heap.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "tls/tls_openssl.h"

enum {
    FILE_BYTES = 4 * 1024 * 1024, /* far more than a certificate and its chain; mapped, not used */
    STACK_BYTES = 16 * 1024,      /* what reading a key may have used */
};

static bool is_secret;

/* ---- what OpenSSL allocates ---- */

static void *take(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return malloc(size);
}

static void give(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    if (is_secret && memory != NULL)
        explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

/* realloc() may leave a copy where the memory was. */
static void *take_again(void *memory, size_t size, const char *file, int line)
{
    size_t old_size;
    void *taken;

    if (!is_secret || memory == NULL || size == 0)
        return realloc(memory, size);
    taken = malloc(size);
    if (taken == NULL)
        return NULL;
    old_size = malloc_usable_size(memory);
    memcpy(taken, memory, old_size < size ? old_size : size);
    give(memory, file, line);
    return taken;
}

bool tls_is_built_in(void)
{
    return true;
}

void tls_init(void)
{
    (void)CRYPTO_set_mem_functions(take, take_again, give);
}

/* ---- the time in which keys are read ---- */

static void __attribute__((noinline)) overwrite_stack(void)
{
    char below[STACK_BYTES];

    explicit_bzero(below, sizeof(below));
}

void tls_memory_begin_secret(void)
{
    is_secret = true;
}

void tls_memory_end_secret(void)
{
    is_secret = false;
    overwrite_stack();
}

/* ---- files ---- */

static int read_all(struct tls_file *file, int fd)
{
    ssize_t length;

    while ((length = read(fd, (char *)file->octets + file->length,
                          FILE_BYTES - file->length)) > 0)
        file->length += (size_t)length;
    if (length == 0 && file->length < FILE_BYTES)
        return 0;
    if (length == 0)
        errno = EFBIG;
    return -1;
}

int tls_file_read(struct tls_file *file, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *pages = MAP_FAILED;
    int result = -1;

    *file = (struct tls_file){0};
    if (fd != -1)
        pages = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages != MAP_FAILED) {
        file->octets = pages;
        result = read_all(file, fd);
    }
    file_close_failed(fd);
    if (result == -1)
        tls_file_free(file);
    return result;
}

BIO *tls_file_open(const struct tls_file *file)
{
    return BIO_new_mem_buf(file->octets, (int)file->length);
}

void tls_file_free(struct tls_file *file)
{
    int error = errno;

    if (file->octets != NULL)
        munmap(file->octets, FILE_BYTES);
    *file = (struct tls_file){0};
    errno = error;
}
