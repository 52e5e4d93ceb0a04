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

/* By name; of the same name the one that is to be used is the first. */
static int compare_ranks(const void *a, const void *b)
{
    const struct tls_name *left = a, *right = b;
    int order = compare_names(a, b);

    if (order == 0)
        order = (left->until_s < right->until_s) - (left->until_s > right->until_s);
    if (order == 0)
        order = (left->group > right->group) - (left->group < right->group);
    return order;
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
static size_t read_names(const X509 *x509, char **names)
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

/* For the group that was made last. */
static bool add_names(struct tls_certificates *all, char *const *names, size_t count)
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
        list[all->name_count++] = (struct tls_name){.name = copy, .group = all->group_count - 1};
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
    return found == NULL ? NULL : certificates->groups[found->group].ssl;
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

enum { KINDS = sizeof(((struct tls_group *)NULL)->kinds) / sizeof(struct tls_kind) };

/* Until when a certificate is good, so that the greatest is the one to use: 0 when it is not yet.
 */
static int64_t until_s(const X509 *x509)
{
    if (seconds_of(X509_get0_notBefore(x509)) > clock_wall_s())
        return 0;
    return seconds_of(X509_get0_notAfter(x509));
}

/* The place of a kind of key in a group, maybe a free one; NULL when there is none. */
static struct tls_kind *find_kind(struct tls_group *group, int kind)
{
    for (size_t i = 0; i < KINDS; i++)
        if (group->kinds[i].kind == kind || group->kinds[i].kind == 0)
            return &group->kinds[i];
    return NULL;
}

static int64_t group_until_s(const struct tls_group *group)
{
    int64_t last_s = 0;

    for (size_t i = 0; i < KINDS; i++)
        if (group->kinds[i].until_s > last_s)
            last_s = group->kinds[i].until_s;
    return last_s;
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

/* The group with these names, made if there is none. */
static struct tls_group *find_group(struct loader *loader, const X509 *x509)
{
    struct tls_certificates *all = &loader->context->certificates;
    char *names[NAMES_MAX];
    size_t count = read_names(x509, names);
    char *joined = join_names(names, count);
    struct tls_group *group = NULL;

    for (size_t i = 0; group == NULL && joined != NULL && i < all->group_count; i++)
        if (strcmp(all->groups[i].names, joined) == 0)
            group = &all->groups[i];
    if (group != NULL)
        free(joined);
    else if (joined != NULL && (group = new_group(loader, joined)) != NULL &&
             !add_names(all, names, count))
        group = NULL;
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
    if (ERR_peek_error() == 0 ||
        ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH)
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

/* ---- its OCSP response ---- */

/* Who issued the certificate, as far as its file says; NULL when it does not. */
static X509 *find_issuer(SSL_CTX *ssl)
{
    X509 *x509 = SSL_CTX_get0_certificate(ssl);
    STACK_OF(X509) *chain = NULL;

    (void)SSL_CTX_get0_chain_certs(ssl, &chain);
    for (int i = 0; i < sk_X509_num(chain); i++)
        if (X509_check_issued(sk_X509_value(chain, i), x509) == X509_V_OK)
            return sk_X509_value(chain, i);
    return X509_check_issued(x509, x509) == X509_V_OK ? x509 : NULL;
}

/* Whether an answer is about the certificate. Without the issuer only its number can tell. */
static bool is_about(OCSP_SINGLERESP *single, const X509 *x509, const X509 *issuer)
{
    OCSP_CERTID *id = (OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(single);
    ASN1_INTEGER *serial = NULL;
    ASN1_OBJECT *digest = NULL;
    OCSP_CERTID *ours;
    bool is_same;

    if (OCSP_id_get0_info(NULL, &digest, NULL, &serial, id) != 1 ||
        ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(x509)) != 0)
        return false;
    if (issuer == NULL)
        return true;
    ours = OCSP_cert_to_id(EVP_get_digestbyobj(digest), x509, issuer);
    is_same = ours != NULL && OCSP_id_cmp(ours, id) == 0;
    OCSP_CERTID_free(ours);
    return is_same;
}

/* The answer about the certificate the SSL_CTX was given last, or NULL. */
static OCSP_SINGLERESP *find_answer(OCSP_BASICRESP *basic, SSL_CTX *ssl)
{
    const X509 *x509 = SSL_CTX_get0_certificate(ssl);
    const X509 *issuer = find_issuer(ssl);

    for (int i = 0; i < OCSP_resp_count(basic); i++)
        if (is_about(OCSP_resp_get0(basic, i), x509, issuer))
            return OCSP_resp_get0(basic, i);
    return NULL;
}

/* Until when the answer may be sent: 0 when it does not say "good". */
static int64_t answer_until_s(OCSP_SINGLERESP *single)
{
    ASN1_GENERALIZEDTIME *next = NULL;

    if (OCSP_single_get0_status(single, NULL, NULL, NULL, &next) != V_OCSP_CERTSTATUS_GOOD)
        return 0;
    return next == NULL ? INT64_MAX : seconds_of(next);
}

static OCSP_BASICRESP *parse_staple(const struct tls_certificate *certificate)
{
    const unsigned char *at = certificate->staple;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)certificate->staple_length);
    OCSP_BASICRESP *basic = response == NULL ? NULL : OCSP_response_get1_basic(response);

    OCSP_RESPONSE_free(response);
    return basic;
}

static int check_staple(struct tls_certificate *certificate, SSL_CTX *ssl,
                        const struct certificate_files *files, struct error *error)
{
    OCSP_BASICRESP *basic = parse_staple(certificate);
    OCSP_SINGLERESP *single = basic == NULL ? NULL : find_answer(basic, ssl);

    if (single != NULL)
        certificate->staple_until_s = answer_until_s(single);
    OCSP_BASICRESP_free(basic);
    if (basic != NULL && single == NULL)
        return error_set(error, "%s: an OCSP response of another certificate than %s",
                         files->staple, files->certificate);
    if (certificate->staple_until_s == 0)
        return error_set(error, "%s: not an OCSP response in DER that says \"good\"",
                         files->staple);
    return 0;
}

static int load_staple(struct tls_certificate *certificate, SSL_CTX *ssl,
                       const struct certificate_files *files, struct error *error)
{
    FILE *file;

    if (files->staple == NULL)
        return 0;
    file = fopen(files->staple, "re");
    if (file == NULL)
        return error_set(error, "%s: %s", files->staple, strerror(errno));
    certificate->staple = malloc(STAPLE_BYTES_MAX);
    if (certificate->staple != NULL)
        certificate->staple_length = fread(certificate->staple, 1, STAPLE_BYTES_MAX, file);
    fclose(file);
    return check_staple(certificate, ssl, files, error);
}

/* ---- to its group ---- */

/* One that is not used, because a better one is there, is checked all the same. */
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
    struct tls_kind *place = NULL;
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
    place = find_kind(group, ours.kind);
    if (place == NULL || (place->kind != 0 && place->until_s >= ours.until_s))
        return check_unused(loader, files, certificate);
    *place = ours;
    if (use_files(group->ssl, files, &x509, error) == -1)
        return -1;
    X509_set_ex_data(x509, certificate_index(), certificate);
    return load_staple(certificate, group->ssl, files, error);
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

/* Sorts the names and keeps one entry of each, the best. */
static void rank_names(struct tls_certificates *all)
{
    size_t kept = 0;

    if (all->name_count == 0)
        return;
    for (size_t i = 0; i < all->name_count; i++)
        all->names[i].until_s = group_until_s(&all->groups[all->names[i].group]);
    qsort(all->names, all->name_count, sizeof(*all->names), compare_ranks);
    for (size_t i = 1; i < all->name_count; i++) {
        if (compare_names(&all->names[kept], &all->names[i]) != 0)
            all->names[++kept] = all->names[i];
        else
            free(all->names[i].name);
    }
    all->name_count = kept + 1;
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
    rank_names(all);
    return 0;
}

SSL_CTX *tls_certificates_default(const struct tls_certificates *certificates)
{
    const struct tls_group *first = &certificates->groups[0];
    SSL_CTX *found = NULL;

    for (const char *at = first->names; *at != '\0'; at += strcspn(at, ",") + 1) {
        char name[TLS_NAME_SIZE];
        const char *from = strncmp(at, "*.", 2) == 0 ? at + 1 : at;
        SSL_CTX *ssl;

        snprintf(name, sizeof(name), "%.*s", (int)strcspn(from, ","), from);
        ssl = find_name(certificates, name);
        if (found != NULL && ssl != found)
            return first->ssl;
        found = ssl;
    }
    return found != NULL ? found : first->ssl;
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
