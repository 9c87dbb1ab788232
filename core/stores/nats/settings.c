/* SPDX-License-Identifier: MIT
 * What a NATS store is made of: it is checked and copied here, once. Locks: none. No error shows what stands before the @ of
 * a URL. */
#include <ctype.h>
#include <string.h>

#include "base/env.h"
#include "base/err.h"
#include "stores/nats/nats.h"

enum { MOST_NAME = 255 };

/* ---- servers ---- */

/* "nats://", "tls://", or nothing. */
static const char *after_scheme(const char *url)
{
    if (strncmp(url, "nats://", 7) == 0)
        return url + 7;
    return strncmp(url, "tls://", 6) == 0 ? url + 6 : url;
}

static int add_server(wb_nats_settings *settings, const char *url, size_t bytes, wb_err *err)
{
    char **more = wb_realloc(settings->servers, (settings->count + 1) * sizeof *more);
    if (more == NULL)
        return wb_fail(err, WB_MEMORY, "nats store: out of memory");
    settings->servers = more;
    char *copy = wb_alloc(bytes + 1);
    if (copy == NULL)
        return wb_fail(err, WB_MEMORY, "nats store: out of memory");
    memcpy(copy, url, bytes);
    copy[bytes] = '\0';
    settings->servers[settings->count++] = copy;
    const char *rest = after_scheme(copy), *host = strrchr(rest, '@');
    if ((host != NULL ? host[1] : *rest) == '\0' || strstr(rest, "://") != NULL)
        return wb_fail(err, WB_INVALID,
                       "nats store: server %zu is no nats://HOST:PORT, or tls://HOST:PORT",
                       settings->count);
    return WB_OK;
}

/* A list with commas. */
static int add_servers(wb_nats_settings *settings, const char *list, wb_err *err)
{
    for (const char *at = list; at != NULL;) {
        at += strspn(at, " ");
        size_t bytes = strcspn(at, ", ");
        int code = add_server(settings, at, bytes, err);
        if (code != WB_OK)
            return code;
        at += bytes + strspn(at + bytes, " ");
        at = *at == ',' ? at + 1 : NULL;
    }
    return WB_OK;
}

/* ---- names ---- */

static bool is_stream(const char *name)
{
    size_t bytes = strlen(name);
    for (const char *at = name; *at != '\0'; at++)
        if (iscntrl((unsigned char)*at) || strchr(" .*>/\\", *at) != NULL)
            return false;
    return bytes > 0 && bytes <= MOST_NAME;
}

/* No wildcards, and no empty token. */
static bool is_subject(const char *subject)
{
    char before = '.';
    for (const char *at = subject; *at != '\0'; before = *at++)
        if (iscntrl((unsigned char)*at) || strchr(" *>", *at) != NULL ||
            (*at == '.' && before == '.'))
            return false;
    return before != '.' && strlen(subject) <= MOST_NAME;
}

static int check(const wb_nats_options *options, wb_err *err)
{
    if (options->servers == NULL)
        return wb_fail(err, WB_INVALID, "nats store: it needs servers");
    if (options->stream == NULL || !is_stream(options->stream))
        return wb_fail(err, WB_INVALID,
                       "nats store: stream: expected a name of up to %d characters without "
                       "spaces and . * > / \\, got \"%s\"",
                       MOST_NAME, options->stream != NULL ? options->stream : "");
    if (options->subject != NULL && !is_subject(options->subject))
        return wb_fail(err, WB_INVALID,
                       "nats store: subject: expected words with . between them, without spaces "
                       "and * >, got \"%s\"",
                       options->subject);
    if ((options->user == NULL) != (options->password == NULL))
        return wb_fail(err, WB_INVALID, "nats store: user and password go together");
    if ((options->tls_cert == NULL) != (options->tls_key == NULL))
        return wb_fail(err, WB_INVALID, "nats store: tls.cert and tls.key go together");
    return WB_OK;
}

/* ---- copies ---- */

static bool copy(char **to, const char *text)
{
    *to = text != NULL ? wb_strdup(text) : NULL;
    return text == NULL || *to != NULL;
}

int wb_nats_settings_init(wb_nats_settings *settings, const wb_nats_options *options, wb_err *err)
{
    int code = check(options, err);
    if (code == WB_OK)
        code = add_servers(settings, options->servers, err);
    if (code != WB_OK)
        return code;
    bool copied =
        copy(&settings->stream, options->stream) && copy(&settings->subject, options->subject) &&
        copy(&settings->user, options->user) && copy(&settings->password, options->password) &&
        copy(&settings->token, options->token) &&
        copy(&settings->credentials, options->credentials) &&
        copy(&settings->tls_ca, options->tls_ca) && copy(&settings->tls_cert, options->tls_cert) &&
        copy(&settings->tls_key, options->tls_key);
    return copied ? WB_OK : wb_fail(err, WB_MEMORY, "nats store: out of memory");
}

void wb_nats_settings_fini(wb_nats_settings *settings)
{
    for (size_t i = 0; i < settings->count; i++)
        wb_free(settings->servers[i]);
    wb_free(settings->servers);
    char *owned[] = {settings->stream,   settings->subject,  settings->user,
                     settings->password, settings->token,    settings->credentials,
                     settings->tls_ca,   settings->tls_cert, settings->tls_key};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        wb_free(owned[i]);
}

/* The table's name has its own place, in a header: here it only tells tables apart. */
bool wb_nats_subject(const wb_nats_settings *settings, const char *table, wb_buffer *out)
{
    if (settings->subject != NULL) {
        wb_buffer_put_text(out, settings->subject);
        return !out->failed;
    }
    wb_buffer_put_text(out, settings->stream);
    wb_buffer_put_char(out, '.');
    for (const char *at = table; *at != '\0'; at++) {
        bool plain = !iscntrl((unsigned char)*at) && strchr(" .*>", *at) == NULL;
        wb_buffer_put_char(out, plain ? *at : '_');
    }
    return !out->failed;
}
