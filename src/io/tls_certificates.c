/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The certificates of an instance: files to groups of certificates for the same names, and host
 * names to groups. Every mistake that OpenSSL would answer at the first handshake is found here.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "io/tls_context.h"

enum {
    NAMES_MAX = 1024, /* of one certificate */
    STAPLE_BYTES_MAX = 16 * 1024,
    PATH_BYTES = 4096,
};

/* Where the parts of one certificate are; the texts are the caller's. */
struct certificate_files {
    const char *certificate;
    const char *key;
    const char *staple; /* NULL: none */
};

struct loader {
    struct tls_context *context;
    const struct tls_clients_settings *settings;
    tls_new_group *make_group;
    struct error *error;
};

/* ---- names ---- */

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct tls_name *)a)->name, ((const struct tls_name *)b)->name);
}

/* A lower case copy of a name in a certificate; NULL when it cannot be a host name. */
static char *host_name(const ASN1_STRING *text)
{
    const char *data = (const char *)ASN1_STRING_get0_data(text);
    size_t length = (size_t)ASN1_STRING_length(text);
    char *name;

    if (length == 0 || length >= TLS_NAME_SIZE || memchr(data, '\0', length) != NULL ||
        memchr(data, ',', length) != NULL)
        return NULL;
    name = strndup(data, length);
    for (char *c = name; name != NULL && *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    return name;
}

/* The DNS names of a certificate; without one, its common name. */
static size_t read_names(X509 *x509, char **names)
{
    GENERAL_NAMES *alternatives = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
    size_t count = 0;

    for (int i = 0; i < sk_GENERAL_NAME_num(alternatives) && count < NAMES_MAX; i++) {
        const GENERAL_NAME *one = sk_GENERAL_NAME_value(alternatives, i);
        if (one->type == GEN_DNS && (names[count] = host_name(one->d.dNSName)) != NULL)
            count++;
    }
    GENERAL_NAMES_free(alternatives);
    if (count == 0) {
        X509_NAME *subject = X509_get_subject_name(x509);
        int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
        if (at >= 0)
            names[0] = host_name(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
        count = at >= 0 && names[0] != NULL;
    }
    qsort(names, count, sizeof(*names), compare_texts);
    return count;
}

/* All names as one text, by which groups are told apart. */
static char *join_names(char *const *names, size_t count)
{
    size_t size = 1;
    char *joined;

    for (size_t i = 0; i < count; i++)
        size += strlen(names[i]) + 1;
    joined = calloc(1, size);
    for (size_t i = 0, at = 0; joined != NULL && i < count; i++)
        at += (size_t)snprintf(joined + at, size - at, "%s,", names[i]);
    return joined;
}

static bool add_names(struct tls_certificates *all, char *const *names, size_t count, SSL_CTX *ssl)
{
    struct tls_name *list;

    if (count == 0)
        return true;
    list = reallocarray(all->names, all->name_count + count, sizeof(*list));
    if (list == NULL)
        return false;
    all->names = list;
    for (size_t i = 0; i < count; i++) {
        const char *name = strncmp(names[i], "*.", 2) == 0 ? names[i] + 1 : names[i];
        char *copy = strdup(name);
        if (copy == NULL)
            return false;
        list[all->name_count++] = (struct tls_name){.name = copy, .ssl = ssl};
    }
    return true;
}

static SSL_CTX *find_name(const struct tls_certificates *certificates, const char *name)
{
    struct tls_name wanted = {.name = (char *)(uintptr_t)name};
    const struct tls_name *found;

    if (certificates->name_count == 0)
        return NULL;
    found = bsearch(&wanted, certificates->names, certificates->name_count,
                    sizeof(*certificates->names), compare_names);
    return found == NULL ? NULL : found->ssl;
}

SSL_CTX *tls_certificates_find(const struct tls_certificates *certificates, const char *name)
{
    char lower[TLS_NAME_SIZE];
    size_t length = strlen(name);
    const char *dot;
    SSL_CTX *found;

    if (length >= sizeof(lower) || name[0] == '.')
        return NULL;
    for (size_t i = 0; i <= length; i++)
        lower[i] = (char)tolower((unsigned char)name[i]);
    found = find_name(certificates, lower);
    dot = strchr(lower, '.');
    if (found == NULL && dot != NULL)
        found = find_name(certificates, dot); /* a wildcard stands for one label */
    return found;
}

/* ---- OCSP ---- */

static int64_t seconds_of(const ASN1_TIME *time)
{
    struct tm broken_down;

    if (time == NULL || ASN1_TIME_to_tm(time, &broken_down) != 1)
        return 0;
    return (int64_t)timegm(&broken_down);
}

/* Until when the response may be sent: 0 when it is none that says "good". */
static int64_t staple_end(const unsigned char *der, size_t length)
{
    const unsigned char *at = der;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)length);
    OCSP_BASICRESP *basic = response == NULL ? NULL : OCSP_response_get1_basic(response);
    OCSP_SINGLERESP *single = basic == NULL ? NULL : OCSP_resp_get0(basic, 0);
    ASN1_GENERALIZEDTIME *next = NULL;
    int64_t end_s = 0;

    if (single != NULL &&
        OCSP_single_get0_status(single, NULL, NULL, NULL, &next) == V_OCSP_CERTSTATUS_GOOD)
        end_s = next == NULL ? INT64_MAX : seconds_of(next);
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    return end_s;
}

static int load_staple(struct tls_certificate *certificate, const char *path, struct error *error)
{
    FILE *file = fopen(path, "re");

    if (file == NULL)
        return error_set(error, "%s: %s", path, strerror(errno));
    certificate->staple = malloc(STAPLE_BYTES_MAX);
    if (certificate->staple != NULL)
        certificate->staple_length = fread(certificate->staple, 1, STAPLE_BYTES_MAX, file);
    fclose(file);
    if (certificate->staple_length > 0)
        certificate->staple_until_s = staple_end(certificate->staple, certificate->staple_length);
    if (certificate->staple_until_s == 0)
        return error_set(error, "%s: not an OCSP response in DER that says \"good\"", path);
    return 0;
}

/* Which file a certificate came from is kept with it. */
static int certificate_index(void)
{
    static int index = -1;

    if (index == -1)
        index = X509_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    return index;
}

int tls_on_staple(SSL *ssl, void *unused)
{
    const X509 *x509 = SSL_get_certificate(ssl);
    const struct tls_certificate *certificate =
        x509 == NULL ? NULL : X509_get_ex_data(x509, certificate_index());
    unsigned char *copy;

    (void)unused;
    if (certificate == NULL || certificate->staple == NULL ||
        clock_wall_s() >= certificate->staple_until_s)
        return SSL_TLSEXT_ERR_NOACK;
    copy = OPENSSL_memdup(certificate->staple, certificate->staple_length); /* OpenSSL frees it */
    if (copy == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)certificate->staple_length);
    return SSL_TLSEXT_ERR_OK;
}

/* ---- groups ---- */

/* The place for a kind of key in a group; NULL when it is taken. */
static int *free_kind(struct tls_group *group, int kind)
{
    for (size_t i = 0; i < sizeof(group->kinds) / sizeof(group->kinds[0]); i++) {
        if (group->kinds[i] == kind)
            return NULL;
        if (group->kinds[i] == 0)
            return &group->kinds[i];
    }
    return NULL;
}

/* Takes `joined` over. */
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

/* The group a certificate belongs to, made if there is none. */
static struct tls_group *find_group(struct loader *loader, X509 *x509)
{
    struct tls_certificates *all = &loader->context->certificates;
    char *names[NAMES_MAX];
    size_t count = read_names(x509, names);
    char *joined = join_names(names, count);
    int kind = EVP_PKEY_get_base_id(X509_get0_pubkey(x509));
    struct tls_group *group = NULL;
    int *place = NULL;

    for (size_t i = 0; place == NULL && joined != NULL && i < all->group_count; i++) {
        group = &all->groups[i];
        if (strcmp(group->names, joined) == 0)
            place = free_kind(group, kind);
    }
    if (place != NULL) {
        *place = kind;
        free(joined);
    } else if (joined != NULL && (group = new_group(loader, joined)) != NULL) {
        group->kinds[0] = kind;
        if (!add_names(all, names, count, group->ssl))
            group = NULL;
    }
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    return group;
}

/* ---- one certificate ---- */

/* A key with a passphrase would have OpenSSL ask the terminal for it. */
static int refuse_passphrase(char *to, int size, int is_writing, void *unused)
{
    (void)to;
    (void)size;
    (void)is_writing;
    (void)unused;
    return -1;
}

static X509 *read_certificate(const char *path, struct error *error)
{
    FILE *file = fopen(path, "re");
    X509 *x509;

    if (file == NULL) {
        error_set(error, "%s: %s", path, strerror(errno));
        return NULL;
    }
    x509 = PEM_read_X509(file, NULL, refuse_passphrase, NULL);
    fclose(file);
    if (x509 == NULL)
        error_set(error, "%s: not a certificate in PEM: %s", path, tls_error_words());
    return x509;
}

/* The key must be of the certificate's kind: a key of another kind would be filed apart from it,
 * without a complaint. */
static bool use_key(SSL_CTX *ssl, const char *path, const X509 *x509)
{
    return SSL_CTX_use_PrivateKey_file(ssl, path, SSL_FILETYPE_PEM) == 1 &&
           SSL_CTX_get0_certificate(ssl) == x509 && SSL_CTX_check_private_key(ssl) == 1;
}

/* *x509_r is the certificate as the SSL_CTX holds it. */
static int use_files(SSL_CTX *ssl, const struct certificate_files *files, X509 **x509_r,
                     struct error *error)
{
    FILE *key = fopen(files->key, "re");

    if (key == NULL)
        return error_set(error, "%s: %s", files->key, strerror(errno));
    fclose(key);
    SSL_CTX_set_default_passwd_cb(ssl, refuse_passphrase);
    if (SSL_CTX_use_certificate_chain_file(ssl, files->certificate) != 1)
        return error_set(error, "%s: %s", files->certificate, tls_error_words());
    *x509_r = SSL_CTX_get0_certificate(ssl);
    if (use_key(ssl, files->key, *x509_r))
        return 0;
    if (ERR_peek_error() == 0 || ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH)
        return error_set(error, "%s: not the key of the certificate %s", files->key,
                         files->certificate);
    return error_set(error, "%s: not a private key in PEM without a passphrase: %s", files->key,
                     tls_error_words());
}

/* Keeps what is to be known of a certificate later. */
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
    certificate->expires_s = seconds_of(X509_get0_notAfter(x509));
    list[all->count++] = certificate;
    return certificate->path == NULL ? NULL : certificate;
}

static int load_one(struct loader *loader, const struct certificate_files *files)
{
    struct error *error = loader->error;
    struct tls_certificate *certificate;
    X509 *x509 = read_certificate(files->certificate, error);
    struct tls_group *group;

    if (x509 == NULL)
        return -1;
    error_set(error, "%s: out of memory", files->certificate);
    group = find_group(loader, x509);
    certificate = keep_certificate(&loader->context->certificates, files->certificate, x509);
    X509_free(x509);
    if (group == NULL || certificate == NULL || use_files(group->ssl, files, &x509, error) == -1)
        return -1;
    X509_set_ex_data(x509, certificate_index(), certificate);
    return files->staple == NULL ? 0 : load_staple(certificate, files->staple, error);
}

int tls_context_present(struct tls_context *context, const char *certificate, const char *key,
                        struct error *error)
{
    struct certificate_files files = {.certificate = certificate,
                                      .key = key != NULL ? key : certificate};
    struct tls_certificate *kept;
    X509 *x509;

    ERR_clear_error();
    x509 = read_certificate(certificate, error);
    if (x509 == NULL)
        return -1;
    kept = keep_certificate(&context->certificates, certificate, x509);
    X509_free(x509);
    if (kept == NULL)
        return error_set(error, "%s: out of memory", certificate);
    return use_files(context->ssl, &files, &x509, error);
}

/* ---- a directory ---- */

static int is_certificate_file(const struct dirent *entry)
{
    const char *end = strrchr(entry->d_name, '.');

    return entry->d_name[0] != '.' && end != NULL &&
           (strcmp(end, ".pem") == 0 || strcmp(end, ".crt") == 0);
}

/* DIRECTORY/NAME with its ending replaced; true when there is such a file. */
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
    struct certificate_files files = {.certificate = certificate, .key = certificate};

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
        result = error_set(loader->error, "%s: no certificate (*.pem, *.crt) in it", directory);
    for (int i = 0; i < count; i++) {
        if (result == 0)
            result = load_from_directory(loader, directory, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return result;
}

/* ---- lists ---- */

/* The next entry of a list parted by commas, blanks round it cut; NULL at its end. */
static const char *next_path(const char **list, char path[PATH_BYTES])
{
    const char *from = *list;
    size_t length;

    if (from == NULL)
        return NULL;
    from += strspn(from, " \t");
    length = strcspn(from, ",");
    *list = from[length] == ',' ? from + length + 1 : NULL;
    while (length > 0 && (from[length - 1] == ' ' || from[length - 1] == '\t'))
        length--;
    snprintf(path, PATH_BYTES, "%.*s", (int)length, from);
    return path;
}

static size_t list_length(const char *list)
{
    size_t count = list != NULL;

    for (; list != NULL && *list != '\0'; list++)
        count += *list == ',';
    return count;
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
        return error_set(loader->error, "%zu certificates and %zu keys: give as many of each",
                         count, list_length(keys));
    if (staples != NULL && list_length(staples) != count)
        return error_set(loader->error,
                         "%zu certificates and %zu OCSP responses: give as many "
                         "of each",
                         count, list_length(staples));
    for (size_t i = 0; i < count; i++) {
        struct certificate_files files = {.certificate = next_path(&certificates, paths[0])};

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
        return error_set(error, "%s is a directory: keys and OCSP responses are looked for there",
                         settings->certificates);
    if ((is_directory ? load_directory(&loader, settings->certificates) : load_list(&loader)) == -1)
        return -1;
    if (all->name_count > 0)
        qsort(all->names, all->name_count, sizeof(*all->names), compare_names);
    return 0;
}

void tls_certificates_free(struct tls_certificates *certificates)
{
    for (size_t i = 0; i < certificates->group_count; i++) {
        SSL_CTX_free(certificates->groups[i].ssl);
        free(certificates->groups[i].names);
    }
    for (size_t i = 0; i < certificates->name_count; i++)
        free(certificates->names[i].name);
    for (size_t i = 0; i < certificates->count; i++) {
        free(certificates->list[i]->path);
        free(certificates->list[i]->staple);
        free(certificates->list[i]);
    }
    free(certificates->groups);
    free(certificates->names);
    free(certificates->list);
    *certificates = (struct tls_certificates){0};
}

/* ---- expiry ---- */

void tls_context_warn_of_expiry(const struct tls_context *context, int64_t now_s)
{
    for (size_t i = 0; context != NULL && i < context->certificates.count; i++) {
        const struct tls_certificate *certificate = context->certificates.list[i];
        int64_t left_s = certificate->expires_s - now_s;
        struct log_line line;

        if (left_s >= TLS_EXPIRY_WARNING_S)
            continue;
        log_begin(&line, LOG_LEVEL_WARNING, "certificate-expires");
        log_add(&line, "file", certificate->path);
        log_add_number(&line, "days", left_s > 0 ? left_s / 86400 : -1);
        log_end(&line);
    }
}
