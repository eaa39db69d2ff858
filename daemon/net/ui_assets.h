/* The pages that the build put into the program: the table that clients/web/embed writes. Constant,
 * so any thread may read it. */
#ifndef DAEMON_NET_UI_ASSETS_H
#define DAEMON_NET_UI_ASSETS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct ui_asset {
    const char *path; /* as requested: "/", "/label", "/assets/app-3f2a.js" */
    const char *type; /* of its content */
    const char *etag; /* quoted: the SHA-256 of `bytes` in hex */
    const unsigned char *bytes;
    size_t len;
    const unsigned char *gzip; /* the same, compressed; NULL when that is not shorter */
    size_t gzip_len;
    bool immutable; /* its name changes with its content */
} ui_asset;

extern const ui_asset ui_assets[]; /* in the order of their paths (strcmp) */
extern const size_t ui_asset_count;

#endif
