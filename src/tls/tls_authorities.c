/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Directories of trusted authorities, as openssl-rehash(1) makes them. OpenSSL would open a file there
 * when it verifies a server, but the process that does this may open none. So the master reads the
 * files, as text: to parse all of them takes much longer, and a server needs one.
 */
#include "tls/tls_openssl.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"

enum {
    HASH_DIGITS = 8,
    FILE_BYTES_MAX = 64 * 1024,
    SHARE_MS = 5000, /* the instances of one configuration are loaded within this time */
};

/* A file. */
struct authority {
    unsigned long hash; /* of the subject */
    char *text;
    size_t length;
};

/* All of a list of directories. */
struct tls_authorities {
    char *path;
    int64_t read_ms;
    uint64_t version; /* of the directories */
    size_t users;
    size_t count;
    struct authority *list;
};

/* The last ones that were read: contexts of one configuration share them. */
static struct tls_authorities *latest;

/* ---- reading ---- */

/* HASH.N */
static bool is_hashed_name(const char *name)
{
    size_t digits = strspn(name, "0123456789abcdef");

    return digits == HASH_DIGITS && name[digits] == '.' && name[digits + 1] != '\0' &&
           strspn(name + digits + 1, "0123456789") == strlen(name + digits + 1);
}

static char *read_text(int directory, const char *name, size_t *length_r)
{
    static char data[FILE_BYTES_MAX];
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t length = fd == -1 ? -1 : read(fd, data, sizeof(data));
    char *text = length > 0 ? malloc((size_t)length) : NULL;

    if (fd != -1)
        close(fd);
    if (text != NULL) {
        memcpy(text, data, (size_t)length);
        *length_r = (size_t)length;
    }
    return text;
}

static void add(struct tls_authorities *all, int directory, const char *name)
{
    struct authority *longer = realloc(all->list, (all->count + 1) * sizeof(*longer));
    struct authority *one;

    if (longer == NULL)
        return;
    all->list = longer;
    one = &longer[all->count];
    one->hash = strtoul(name, NULL, 16);
    one->text = read_text(directory, name, &one->length);
    if (one->text != NULL)
        all->count++;
}

static void read_directory(struct tls_authorities *all, const char *path)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;

    if (directory == NULL)
        return;
    while ((entry = readdir(directory)) != NULL)
        if (is_hashed_name(entry->d_name))
            add(all, dirfd(directory), entry->d_name);
    closedir(directory);
}

/* Like PATH, OpenSSL's default may be several directories. */
static void read_directories(struct tls_authorities *all)
{
    char *paths = strdup(all->path);
    char *rest = paths;
    const char *path;

    while (rest != NULL && (path = strsep(&rest, ":")) != NULL)
        read_directory(all, path);
    free(paths);
}

static void release(struct tls_authorities *all)
{
    if (--all->users > 0)
        return;
    if (latest == all)
        latest = NULL;
    for (size_t i = 0; i < all->count; i++)
        free(all->list[i].text);
    free(all->list);
    free(all->path);
    free(all);
}

/* A number that changes when a file comes or goes. */
static uint64_t version_of(const char *paths)
{
    char *copy = strdup(paths);
    char *rest = copy;
    uint64_t version = 0;
    const char *path;
    struct stat status;

    while (rest != NULL && (path = strsep(&rest, ":")) != NULL)
        if (stat(path, &status) == 0)
            version = hash_number(version + (uint64_t)status.st_ino) +
                      hash_number((uint64_t)status.st_mtim.tv_sec) +
                      (uint64_t)status.st_mtim.tv_nsec;
    free(copy);
    return version;
}

static bool is_latest(const char *path, uint64_t version, int64_t now_ms)
{
    return latest != NULL && latest->version == version && strcmp(latest->path, path) == 0 &&
           now_ms - latest->read_ms <= SHARE_MS;
}

static struct tls_authorities *acquire(const char *path)
{
    int64_t now_ms = clock_now_ms();
    uint64_t version = version_of(path);
    struct tls_authorities *all = latest;

    if (!is_latest(path, version, now_ms)) {
        all = calloc(1, sizeof(*all));
        if (all != NULL)
            all->path = strdup(path);
        if (all == NULL || all->path == NULL) {
            free(all);
            return NULL;
        }
        all->read_ms = now_ms;
        all->version = version;
        read_directories(all);
        latest = all;
    }
    all->users++;
    return all;
}

/* ---- OpenSSL looks an authority up ---- */

/* Adds the certificates of a file to the store. Returns the one that has the name, with a reference;
 * NULL: none has. */
static X509 *add_to_store(X509_STORE *store, const struct authority *authority,
                          const X509_NAME *name)
{
    BIO *from = BIO_new_mem_buf(authority->text, (int)authority->length);
    X509 *found = NULL;
    X509 *x509;

    while (from != NULL && (x509 = tls_certificate_read(from)) != NULL) {
        bool is_wanted = found == NULL && X509_NAME_cmp(X509_get_subject_name(x509), name) == 0 &&
                         X509_STORE_add_cert(store, x509) == 1;

        if (is_wanted)
            found = x509;
        else
            X509_free(x509);
    }
    BIO_free(from);
    ERR_clear_error();
    return found;
}

/* The caller takes a reference of its own to what this returns, so none may be left of ours. */
static void return_certificate(X509_OBJECT *object_r, X509 *x509)
{
    X509_OBJECT_set1_X509(object_r, x509);
    X509_free(x509);
    X509_free(x509); /* the store keeps it */
}

static int find_subject(X509_LOOKUP *lookup, X509_LOOKUP_TYPE type, const X509_NAME *name,
                        X509_OBJECT *object_r)
{
    const struct tls_authorities *all = X509_LOOKUP_get_method_data(lookup);
    unsigned long hash = X509_NAME_hash_ex(name, NULL, NULL, NULL);
    X509 *found = NULL;

    for (size_t i = 0; type == X509_LU_X509 && found == NULL && i < all->count; i++)
        if (all->list[i].hash == hash)
            found = add_to_store(X509_LOOKUP_get_store(lookup), &all->list[i], name);
    if (found == NULL)
        return 0;
    return_certificate(object_r, found);
    return 1;
}

static void free_lookup(X509_LOOKUP *lookup)
{
    struct tls_authorities *all = X509_LOOKUP_get_method_data(lookup);

    if (all != NULL)
        release(all);
}

static X509_LOOKUP_METHOD *method(void)
{
    static X509_LOOKUP_METHOD *made;

    if (made == NULL)
        made = X509_LOOKUP_meth_new("authorities in memory");
    if (made != NULL && X509_LOOKUP_meth_set_get_by_subject(made, find_subject) == 1 &&
        X509_LOOKUP_meth_set_free(made, free_lookup) == 1)
        return made;
    return NULL;
}

bool tls_trust_directory(SSL_CTX *ssl_ctx, const char *path)
{
    struct tls_authorities *all = acquire(path);
    X509_LOOKUP *lookup = all == NULL || method() == NULL
                              ? NULL
                              : X509_STORE_add_lookup(SSL_CTX_get_cert_store(ssl_ctx), method());

    if (lookup == NULL) {
        if (all != NULL)
            release(all);
        return false;
    }
    X509_LOOKUP_set_method_data(lookup, all);
    return true;
}

bool tls_trust_system(SSL_CTX *ssl_ctx)
{
    const char *path = getenv(X509_get_default_cert_dir_env());

    return SSL_CTX_set_default_verify_file(ssl_ctx) == 1 &&
           tls_trust_directory(ssl_ctx, path != NULL ? path : X509_get_default_cert_dir());
}
