/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loads the certificates of an instance from files, lists and directories, and puts those for the
 * same names into one group. Finds every mistake that OpenSSL would otherwise report at the first
 * handshake.
 */
#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/number.h"
#include "tls/tls_openssl.h"

enum { PATH_BYTES = 4096 };

/* The files of one certificate; the texts belong to the caller. */
struct certificate_files {
    const char *certificate;
    const char *key;
    const char *staple; /* NULL: none */
    const char *mend;   /* what to do where no key is found */
};

struct loader {
    struct tls_context *context;
    const struct tls_clients_settings *settings;
    tls_new_group *make_group;
    struct error *error;
};

/* ---- groups ---- */

/* The time until which a certificate is good; 0 for one that is not valid yet. The certificate with
 * the greatest is used. */
static int64_t until_s(const X509 *x509)
{
    if (tls_seconds_of(X509_get0_notBefore(x509)) > clock_wall_s())
        return 0;
    return tls_seconds_of(X509_get0_notAfter(x509));
}

/* The entry for a kind of key in a group, or a free entry; NULL when all are in use. */
static struct tls_kind *find_kind(struct tls_group *group, int kind)
{
    for (size_t i = 0; i < TLS_KINDS; i++)
        if (group->kinds[i].kind == kind || group->kinds[i].kind == 0)
            return &group->kinds[i];
    return NULL;
}

/* Takes ownership of `joined`. */
static struct tls_group *new_group(struct loader *loader, char *joined)
{
    struct tls_certificates *all = &loader->context->certificates;
    struct tls_group *list = reallocarray(all->groups, all->group_count + 1, sizeof(*list));
    SSL_CTX *ssl = NULL;

    if (list != NULL) {
        all->groups = list;
        ssl = loader->make_group(loader->context, loader->settings, loader->error);
    }
    if (ssl == NULL) {
        free(joined);
        return NULL;
    }
    list[all->group_count] = (struct tls_group){.ssl = ssl, .names = joined};
    return &list[all->group_count++];
}

/* Returns the group for the names of a certificate, and makes it if there is none; NULL with the
 * error set. */
static struct tls_group *find_group(struct loader *loader, const X509 *x509)
{
    struct tls_certificates *all = &loader->context->certificates;
    char *names[TLS_NAMES_MAX];
    size_t count = tls_names_read(x509, names);
    char *joined = tls_names_join(names, count);
    struct tls_group *group = NULL;

    for (size_t i = 0; group == NULL && joined != NULL && i < all->group_count; i++)
        if (strcmp(all->groups[i].names, joined) == 0)
            group = &all->groups[i];
    if (group != NULL)
        free(joined);
    else if (joined != NULL && (group = new_group(loader, joined)) != NULL &&
             !tls_names_add(all, names, count))
        group = NULL;
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    return group;
}

/* ---- one certificate ---- */

/* Opens a file, whose octets the caller frees with it. NULL with the error set. */
static BIO *open_file(struct tls_file *file, const char *path, struct error *error)
{
    BIO *from = NULL;

    if (tls_file_read(file, path) == 0)
        from = tls_file_open(file);
    if (from == NULL)
        error_set(error, "%s: %s", path, strerror(errno));
    return from;
}

static void close_file(struct tls_file *file, BIO *from)
{
    BIO_free(from);
    tls_file_free(file);
}

static X509 *read_certificate(const char *path, struct error *error)
{
    struct tls_file file = {0};
    BIO *from = open_file(&file, path, error);
    X509 *x509 = from == NULL ? NULL : tls_certificate_read(from);

    if (from != NULL && x509 == NULL)
        error_set(error, "%s: not a certificate in PEM: %s", path, tls_error_words());
    close_file(&file, from);
    return x509;
}

/* The certificates after the first one. OpenSSL tells the end of a file by an error. */
static bool use_chain(SSL_CTX *ssl, BIO *from)
{
    X509 *x509;

    while ((x509 = PEM_read_bio_X509(from, NULL, tls_refuse_passphrase, NULL)) != NULL) {
        if (SSL_CTX_add0_chain_cert(ssl, x509) != 1) {
            X509_free(x509);
            return false;
        }
    }
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        return false;
    ERR_clear_error();
    return true;
}

/* As SSL_CTX_use_certificate_chain_file() does it, but that leaves a key in the same file in
 * memory. */
static bool use_certificates(SSL_CTX *ssl, BIO *from)
{
    X509 *x509 = tls_certificate_read(from);
    bool is_used = x509 != NULL && SSL_CTX_use_certificate(ssl, x509) == 1 &&
                   ERR_peek_error() == 0 && SSL_CTX_clear_chain_certs(ssl) == 1;

    X509_free(x509);
    return is_used && use_chain(ssl, from);
}

/* OpenSSL keeps one pair of certificate and key for each kind of key. A key of another kind than
 * the certificate's would silently go into another pair: then the current certificate is not ours.
 */
static bool use_key(SSL_CTX *ssl, BIO *from, const X509 *x509)
{
    EVP_PKEY *key = PEM_read_bio_PrivateKey(from, NULL, tls_refuse_passphrase, NULL);
    bool is_used = key != NULL && SSL_CTX_use_PrivateKey(ssl, key) == 1 &&
                   SSL_CTX_get0_certificate(ssl) == x509 && SSL_CTX_check_private_key(ssl) == 1;

    EVP_PKEY_free(key);
    return is_used;
}

static bool has_private_key(const struct tls_file *file)
{
    static const char end[] = "PRIVATE KEY-----";

    return file->length > 0 &&
           memmem(file->octets, file->length, end, sizeof(end) - 1) != NULL;
}

static int use_key_file(SSL_CTX *ssl, const struct certificate_files *files, const X509 *x509,
                        struct error *error)
{
    struct tls_file file = {0};
    BIO *from = open_file(&file, files->key, error);
    bool is_used = from != NULL && use_key(ssl, from, x509);
    bool has_key = from != NULL && has_private_key(&file);

    close_file(&file, from);
    if (is_used || from == NULL)
        return is_used ? 0 : -1;
    if (!has_key && strcmp(files->key, files->certificate) == 0)
        return error_set(error, "%s: there is no private key in this file; %s", files->certificate,
                         files->mend);
    if (ERR_peek_error() == 0 ||
        ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH)
        return error_set(error, "%s: not the key of the certificate %s", files->key,
                         files->certificate);
    return error_set(error, "%s: not a private key in PEM without a passphrase: %s", files->key,
                     tls_error_words());
}

/* Puts certificate and key into the SSL_CTX, which still owns *x509_r. */
static int use_files(SSL_CTX *ssl, const struct certificate_files *files, X509 **x509_r,
                     struct error *error)
{
    struct tls_file file = {0};
    BIO *from = open_file(&file, files->certificate, error);
    bool is_used = from != NULL && use_certificates(ssl, from);

    close_file(&file, from);
    if (from == NULL)
        return -1;
    if (!is_used)
        return error_set(error, "%s: %s", files->certificate, tls_error_words());
    *x509_r = SSL_CTX_get0_certificate(ssl);
    return use_key_file(ssl, files, *x509_r, error);
}

/* Adds an entry for a certificate to the list. Returns NULL without memory. */
static struct tls_certificate *keep_certificate(struct tls_certificates *all, const char *path,
                                                const X509 *x509)
{
    struct tls_certificate **list = reallocarray(all->list, all->count + 1, sizeof(*list));
    struct tls_certificate *certificate;

    if (list == NULL)
        return NULL;
    all->list = list;
    certificate = calloc(1, sizeof(*certificate));
    if (certificate == NULL)
        return NULL;
    certificate->path = strdup(path);
    certificate->expires_s = tls_seconds_of(X509_get0_notAfter(x509));
    list[all->count++] = certificate;
    return certificate->path == NULL ? NULL : certificate;
}

static int load_staple(struct tls_certificate *certificate, SSL_CTX *ssl,
                       const struct certificate_files *files, struct error *error)
{
    return files->staple == NULL ? 0 : tls_staple_load(certificate, ssl, files->staple, error);
}

/* ---- to its group ---- */

/* A certificate that is not used, because there is a better one, is still checked. */
static int check_unused(struct loader *loader, const struct certificate_files *files,
                        struct tls_certificate *certificate)
{
    SSL_CTX *ssl = loader->make_group(loader->context, loader->settings, loader->error);
    X509 *x509;
    int result = -1;

    if (ssl != NULL && use_files(ssl, files, &x509, loader->error) == 0)
        result = load_staple(certificate, ssl, files, loader->error);
    SSL_CTX_free(ssl);
    return result;
}

static int load_one(struct loader *loader, const struct certificate_files *files)
{
    struct error *error = loader->error;
    struct tls_certificate *certificate;
    X509 *x509 = read_certificate(files->certificate, error);
    struct tls_group *group;
    struct tls_kind *entry = NULL;
    struct tls_kind ours;

    if (x509 == NULL)
        return -1;
    error_set(error, "%s: out of memory", files->certificate);
    ours = (struct tls_kind){EVP_PKEY_get_base_id(X509_get0_pubkey(x509)), until_s(x509)};
    group = find_group(loader, x509);
    certificate = keep_certificate(&loader->context->certificates, files->certificate, x509);
    X509_free(x509);
    if (group == NULL || certificate == NULL)
        return -1;
    entry = find_kind(group, ours.kind);
    if (entry == NULL || (entry->kind != 0 && entry->until_s >= ours.until_s))
        return check_unused(loader, files, certificate);
    *entry = ours;
    if (use_files(group->ssl, files, &x509, error) == -1)
        return -1;
    tls_staple_attach(x509, certificate);
    return load_staple(certificate, group->ssl, files, error);
}

static int present_files(struct tls_context *context, const struct certificate_files *files,
                         struct error *error)
{
    struct tls_certificate *kept;
    X509 *x509 = read_certificate(files->certificate, error);

    if (x509 == NULL)
        return -1;
    kept = keep_certificate(&context->certificates, files->certificate, x509);
    X509_free(x509);
    if (kept == NULL)
        return error_set(error, "%s: out of memory", files->certificate);
    return use_files(context->ssl, files, &x509, error);
}

int tls_context_present(struct tls_context *context, const char *certificate, const char *key,
                        struct error *error)
{
    struct certificate_files files = {.certificate = certificate,
                                      .key = key != NULL ? key : certificate,
                                      .mend = "set server_tls_key = FILE"};
    int result;

    ERR_clear_error();
    tls_memory_begin_secret();
    result = present_files(context, &files, error);
    tls_memory_end_secret();
    return result;
}

/* ---- a directory ---- */

static int is_certificate_file(const struct dirent *entry)
{
    const char *end = strrchr(entry->d_name, '.');

    return entry->d_name[0] != '.' && end != NULL &&
           (strcmp(end, ".pem") == 0 || strcmp(end, ".crt") == 0);
}

/* Writes the path of a certificate with its ending replaced. Returns whether there is such a
 * file. */
static bool path_beside(char path[PATH_BYTES], const char *certificate, const char *ending)
{
    struct stat status;
    const char *end = strrchr(certificate, '.');

    return snprintf(path, PATH_BYTES, "%.*s%s", (int)(end - certificate), certificate, ending) <
               PATH_BYTES &&
           stat(path, &status) == 0;
}

static int load_from_directory(struct loader *loader, const char *directory, const char *name)
{
    char certificate[PATH_BYTES];
    char key[PATH_BYTES];
    char staple[PATH_BYTES];
    struct certificate_files files = {
        .certificate = certificate, .key = certificate, .mend = "put the key into NAME.key beside it"};

    if (snprintf(certificate, PATH_BYTES, "%s/%s", directory, name) >= PATH_BYTES)
        return error_set(loader->error, "%s: the path is too long", directory);
    if (path_beside(key, certificate, ".key"))
        files.key = key;
    if (path_beside(staple, certificate, ".ocsp"))
        files.staple = staple;
    return load_one(loader, &files);
}

static int load_directory(struct loader *loader, const char *directory)
{
    struct dirent **entries = NULL;
    int count = scandir(directory, &entries, is_certificate_file, alphasort);
    int result = 0;

    if (count == -1)
        return error_set(loader->error, "%s: %s", directory, strerror(errno));
    if (count == 0)
        result = error_set(loader->error, "%s: no certificate (*.pem or *.crt) in this directory",
                           directory);
    for (int i = 0; i < count; i++) {
        if (result == 0)
            result = load_from_directory(loader, directory, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return result;
}

/* ---- lists ---- */

/* The next path of a list; NULL after the last, or when there is no list. */
static const char *next_path(const char **list, char path[PATH_BYTES])
{
    struct list_entry entry;

    if (!list_next(list, &entry))
        return NULL;
    snprintf(path, PATH_BYTES, "%.*s", (int)entry.length, entry.text);
    return path;
}

static int load_list(struct loader *loader)
{
    const struct tls_clients_settings *settings = loader->settings;
    const char *certificates = settings->certificates;
    const char *keys = settings->keys;
    const char *staples = settings->staples;
    size_t count = list_length(certificates);
    char paths[3][PATH_BYTES];

    if (keys != NULL && list_length(keys) != count)
        return error_set(loader->error, "%zu certificate%s and %zu key%s: give one key for each",
                         count, number_plural(count), list_length(keys),
                         number_plural(list_length(keys)));
    if (staples != NULL && list_length(staples) != count)
        return error_set(loader->error,
                         "%zu certificate%s and %zu OCSP response%s: give one response for each",
                         count, number_plural(count), list_length(staples),
                         number_plural(list_length(staples)));
    for (size_t i = 0; i < count; i++) {
        struct certificate_files files = {.certificate = next_path(&certificates, paths[0]),
                                          .mend = "set tls_key = FILE"};

        files.key = keys != NULL ? next_path(&keys, paths[1]) : files.certificate;
        files.staple = next_path(&staples, paths[2]);
        if (load_one(loader, &files) == -1)
            return -1;
    }
    return 0;
}

int tls_certificates_load(struct tls_context *context, const struct tls_clients_settings *settings,
                          tls_new_group *make_group, struct error *error)
{
    struct tls_certificates *all = &context->certificates;
    struct loader loader = {context, settings, make_group, error};
    struct stat status;
    bool is_directory = stat(settings->certificates, &status) == 0 && S_ISDIR(status.st_mode);

    if (is_directory && (settings->keys != NULL || settings->staples != NULL))
        return error_set(error,
                         "%s is a directory, so the keys (NAME.key) and OCSP responses (NAME.ocsp) "
                         "must be in it too: remove tls_key and tls_ocsp",
                         settings->certificates);
    if ((is_directory ? load_directory(&loader, settings->certificates) : load_list(&loader)) == -1)
        return -1;
    tls_names_rank(all);
    return 0;
}

/* ---- expiry ---- */

void tls_context_each_certificate(const struct tls_context *context,
                                  tls_certificate_report *report, void *report_context)
{
    for (size_t i = 0; context != NULL && i < context->certificates.count; i++)
        report(report_context, context->certificates.list[i]->path,
               context->certificates.list[i]->expires_s);
}

void tls_context_report_expiry(const struct tls_context *context, int64_t now_s,
                               tls_expiry_report *report, void *report_context)
{
    for (size_t i = 0; context != NULL && i < context->certificates.count; i++) {
        const struct tls_certificate *certificate = context->certificates.list[i];
        int64_t left_s = certificate->expires_s - now_s;

        if (left_s < TLS_EXPIRY_WARNING_S)
            report(report_context, certificate->path, left_s > 0 ? left_s / 86400 : -1);
    }
}
