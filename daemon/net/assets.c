#include "net/assets.h"

#include "net/response.h"
#include "net/target.h"
#include "net/ui_assets.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* No inline script, no foreign host, and no string becomes markup without the one policy of
 * clients/web/src/text/render_safe.ts: model output is hostile text. */
static const char content_security_policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'; "
    "require-trusted-types-for 'script'";

/* ---- what the client asks for ---- */

typedef struct item { /* of a comma-separated header value, without the white space around it */
    const char *at;
    size_t len;
} item;

/* Takes the next item off *rest; false after the last. */
static bool next_item(const char **rest, item *out)
{
    const char *at = *rest + strspn(*rest, ", \t");
    size_t len = strcspn(at, ",");
    *rest = at + len;
    while (len && (at[len - 1] == ' ' || at[len - 1] == '\t'))
        len--;
    *out = (item){at, len};
    return len > 0;
}

/* Is the weight of "gzip ; q=0.000" zero? Anything that is not clearly zero is not. */
static bool weight_is_zero(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == ';'))
        at++;
    if (end - at < 3 || strncasecmp(at, "q=", 2) != 0)
        return false;
    for (at += 2; at < end; at++)
        if (*at != '0' && *at != '.')
            return false;
    return true;
}

bool assets_takes_gzip(const char *accept_encoding)
{
    item it;
    bool any = false;
    while (next_item(&accept_encoding, &it)) {
        size_t name = 0;
        while (name < it.len && !strchr("; \t", it.at[name]))
            name++;
        bool taken = !weight_is_zero(it.at + name, it.at + it.len);
        if (name == 4 && strncasecmp(it.at, "gzip", 4) == 0)
            return taken;
        if (name == 1 && it.at[0] == '*')
            any = taken;
    }
    return any;
}

bool assets_etag_matches(const char *if_none_match, const char *etag)
{
    item it;
    size_t len = strlen(etag);
    while (next_item(&if_none_match, &it)) {
        if (it.len == 1 && it.at[0] == '*')
            return true;
        if (it.len > 2 && strncmp(it.at, "W/", 2) == 0)
            it = (item){it.at + 2, it.len - 2};
        if (it.len == len && memcmp(it.at, etag, len) == 0)
            return true;
    }
    return false;
}

/* ---- answering ---- */

static const ui_asset *asset_at(const char *path, size_t len)
{
    for (size_t i = 0; i < ui_asset_count; i++)
        if (strlen(ui_assets[i].path) == len && memcmp(ui_assets[i].path, path, len) == 0)
            return &ui_assets[i];
    return NULL;
}

static void add_headers(exchange *x, const ui_asset *a)
{
    response_header(x, "etag", a->etag);
    response_header(x, "cache-control",
                    a->immutable ? "public, max-age=31536000, immutable" : "no-cache");
    response_header(x, "vary", "accept-encoding");
    response_header(x, "content-security-policy", content_security_policy);
    response_header(x, "referrer-policy", "no-referrer");
}

ON_LOOP static void send_asset(exchange *x, const ui_asset *a)
{
    add_headers(x, a);
    if (assets_etag_matches(x->request->if_none_match, a->etag)) {
        response_empty(x, 304);
        return;
    }
    bool gzip = a->gzip && assets_takes_gzip(x->request->accept_encoding);
    if (gzip)
        response_header(x, "content-encoding", "gzip");
    size_t len = gzip ? a->gzip_len : a->len;
    buf body;
    buf_init(&body, len + 1);
    buf_append(&body, gzip ? a->gzip : a->bytes, len);
    response_send(x, 200, a->type, &body);
}

void assets_page(service *s, exchange *x)
{
    (void)s;
    target t = target_split(x->request->target);
    const ui_asset *page = asset_at(t.path, t.path_len);
    send_asset(x, page ? page : asset_at("/", 1)); /* a build without the UI has one page */
}

void assets_asset(service *s, exchange *x)
{
    (void)s;
    char path[sizeof "/assets/" + sizeof x->names[0]];
    int len = snprintf(path, sizeof path, "/assets/%s", x->names[0]);
    const ui_asset *a = asset_at(path, (size_t)len);
    if (a)
        send_asset(x, a);
    else
        response_fail(x, 404, "not_found_error", "not_found",
                      "there is no such file; the page that names it may be of an older build");
}
