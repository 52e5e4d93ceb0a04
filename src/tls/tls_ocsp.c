/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * OCSP responses: reads one from a file, checks that it is for the certificate and says that the
 * certificate is good, and staples it to handshakes until it expires. Its signature is not checked
 * here: clients check it.
 */
#include <errno.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tls/tls_openssl.h"

enum { STAPLE_BYTES_MAX = 16 * 1024 };

/* The issuer's certificate, if it is in the file; else NULL. */
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

/* Whether an answer is for the certificate. Without the issuer's certificate only the serial number
 * can be compared. */
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

/* The answer for the certificate that was last put into the SSL_CTX, or NULL. */
static OCSP_SINGLERESP *find_answer(OCSP_BASICRESP *basic, SSL_CTX *ssl)
{
    const X509 *x509 = SSL_CTX_get0_certificate(ssl);
    const X509 *issuer = find_issuer(ssl);

    for (int i = 0; i < OCSP_resp_count(basic); i++)
        if (is_about(OCSP_resp_get0(basic, i), x509, issuer))
            return OCSP_resp_get0(basic, i);
    return NULL;
}

/* The time until which the answer may be sent; 0 when it does not say "good". */
static int64_t answer_until_s(OCSP_SINGLERESP *single)
{
    ASN1_GENERALIZEDTIME *next = NULL;

    if (OCSP_single_get0_status(single, NULL, NULL, NULL, &next) != V_OCSP_CERTSTATUS_GOOD)
        return 0;
    return next == NULL ? INT64_MAX : tls_seconds_of(next);
}

static OCSP_BASICRESP *parse_staple(const struct tls_certificate *certificate)
{
    const unsigned char *at = certificate->staple;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)certificate->staple_length);
    OCSP_BASICRESP *basic = response == NULL ? NULL : OCSP_response_get1_basic(response);

    OCSP_RESPONSE_free(response);
    return basic;
}

static int check_staple(struct tls_certificate *certificate, SSL_CTX *ssl, const char *path,
                        struct error *error)
{
    OCSP_BASICRESP *basic = parse_staple(certificate);
    OCSP_SINGLERESP *single = basic == NULL ? NULL : find_answer(basic, ssl);

    if (single != NULL)
        certificate->staple_until_s = answer_until_s(single);
    OCSP_BASICRESP_free(basic);
    if (basic != NULL && single == NULL)
        return error_set(error, "%s: this OCSP response is not for the certificate %s", path,
                         certificate->path);
    if (certificate->staple_until_s == 0)
        return error_set(error, "%s: not an OCSP response in DER with the status \"good\"", path);
    return 0;
}

int tls_staple_load(struct tls_certificate *certificate, SSL_CTX *ssl, const char *path,
                    struct error *error)
{
    FILE *file = fopen(path, "re");

    if (file == NULL)
        return error_set(error, "%s: %s", path, strerror(errno));
    certificate->staple = malloc(STAPLE_BYTES_MAX);
    if (certificate->staple != NULL)
        certificate->staple_length = fread(certificate->staple, 1, STAPLE_BYTES_MAX, file);
    fclose(file);
    return check_staple(certificate, ssl, path, error);
}

/* ---- in handshakes ---- */

/* The index under which OpenSSL keeps our entry for a certificate with it. */
static int certificate_index(void)
{
    static int index = -1;

    if (index == -1)
        index = X509_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    return index;
}

void tls_staple_attach(X509 *x509, struct tls_certificate *certificate)
{
    X509_set_ex_data(x509, certificate_index(), certificate);
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
