/* The pages and what they load: GET and HEAD of "/", "/label", "/training", "/policies" and
 * "/assets/{name}", from ui_assets.h. Public, and answered while a model loads or the daemon
 * drains, since a page must be able to say so. Loop thread. */
#ifndef DAEMON_NET_ASSETS_H
#define DAEMON_NET_ASSETS_H

#include "base/thread_roles.h"
#include "net/exchange.h"
#include "net/service.h"

/* 304 for an ETag the client has, gzip where it takes it, 404 for a name that was never built. */
void assets_page(service *s, exchange *x) ON_LOOP;  /* the page at the request's own path */
void assets_asset(service *s, exchange *x) ON_LOOP; /* "/assets/" and the path's {name} */

/* ---- pure parts, for their tests ---- */

/* Does this Accept-Encoding take gzip? Weights count: "gzip;q=0" refuses it. RFC 9110, 12.5.3. */
bool assets_takes_gzip(const char *accept_encoding);
/* Does this If-None-Match name the quoted etag? W/ is ignored, "*" matches. RFC 9110, 13.1.2. */
bool assets_etag_matches(const char *if_none_match, const char *etag);

#endif
