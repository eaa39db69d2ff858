/* The pages: what a client may ask for, and the daemon that answers with them. */
#include "daemon/daemon_fixture.h"
#include "net/assets.h"
#include "net/ui_assets.h"

TEST(gzip_is_taken_by_name_by_star_and_not_at_weight_zero)
{
    EXPECT(assets_takes_gzip("gzip"));
    EXPECT(assets_takes_gzip("br, GZIP;q=0.5"));
    EXPECT(assets_takes_gzip("deflate , gzip ; q=1.0"));
    EXPECT(assets_takes_gzip("*"));
    EXPECT(!assets_takes_gzip(""));
    EXPECT(!assets_takes_gzip("br, zstd"));
    EXPECT(!assets_takes_gzip("gzip;q=0"));
    EXPECT(!assets_takes_gzip("gzip; q=0.000, *"));
    EXPECT(!assets_takes_gzip("*;q=0"));
    EXPECT(!assets_takes_gzip("x-gzip2, gz"));
}

TEST(an_etag_matches_in_a_list_weak_or_by_star)
{
    EXPECT(assets_etag_matches("\"ab\"", "\"ab\""));
    EXPECT(assets_etag_matches("\"x\", W/\"ab\" ,\"y\"", "\"ab\""));
    EXPECT(assets_etag_matches("*", "\"ab\""));
    EXPECT(!assets_etag_matches("", "\"ab\""));
    EXPECT(!assets_etag_matches("\"abc\", ab", "\"ab\""));
}

TEST(the_table_is_in_order_and_begins_with_the_first_page)
{
    EXPECT(ui_asset_count >= 1);
    EXPECT_STR(ui_assets[0].path, "/");
    for (size_t i = 0; i < ui_asset_count; i++) {
        const ui_asset *a = &ui_assets[i];
        EXPECT(i == 0 || strcmp(ui_assets[i - 1].path, a->path) < 0);
        EXPECT_EQ(strlen(a->etag), 66);
        EXPECT(!a->gzip || (a->gzip_len < a->len && a->gzip[0] == 0x1f && a->gzip[1] == 0x8b));
        EXPECT(a->immutable == (strncmp(a->path, "/assets/", 8) == 0));
    }
}

/* What a browser fetches of all pages together. */
TEST(all_pages_fit_in_120_kilobytes_compressed)
{
    size_t sum = 0;
    for (size_t i = 0; i < ui_asset_count; i++)
        sum += ui_assets[i].gzip ? ui_assets[i].gzip_len : ui_assets[i].len;
    if (sum > 120 * 1024)
        FAIL("all pages come to %zu bytes", sum);
}

static char *ask_for(const char *method, const char *path, const char *headers)
{
    static char text[1024];
    snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", method, path,
             headers);
    return text;
}

TEST(pages_come_with_their_policy_whole_compressed_or_not_at_all)
{
    running *r = start();
    const ui_asset *page = &ui_assets[0];
    char matching[128];
    snprintf(matching, sizeof matching, "If-None-Match: %s\r\n", page->etag);
    reply out;

    EXPECT_EQ(ask(r, &out, ask_for("GET", "/", "")), 200);
    EXPECT_EQ(out.body_len, page->len);
    EXPECT_EQ(memcmp(out.body, page->bytes, page->len), 0);
    EXPECT_STR(reply_header(&out, "etag"), page->etag);
    EXPECT_STR(reply_header(&out, "cache-control"), "no-cache");
    EXPECT_STR(reply_header(&out, "x-content-type-options"), "nosniff");
    EXPECT_STR(reply_header(&out, "referrer-policy"), "no-referrer");
    EXPECT_STR(reply_header(&out, "content-security-policy"),
               "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
               "img-src 'self' data:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'; "
               "require-trusted-types-for 'script'");
    reply_free(&out);

    EXPECT_EQ(ask(r, &out, ask_for("GET", "/", "Accept-Encoding: gzip, br\r\n")), 200);
    EXPECT_STR(reply_header(&out, "content-encoding"), "gzip");
    EXPECT_STR(reply_header(&out, "vary"), "accept-encoding");
    EXPECT_EQ(out.body_len, page->gzip_len);
    reply_free(&out);

    EXPECT_EQ(ask(r, &out, ask_for("GET", "/", matching)), 304);
    EXPECT_EQ(out.body_len, 0);
    EXPECT_STR(reply_header(&out, "etag"), page->etag);
    reply_free(&out);

    EXPECT_EQ(ask(r, &out, ask_for("HEAD", "/", "")), 200);
    EXPECT_EQ(out.body_len, 0);
    reply_free(&out);
    EXPECT_EQ(stop(r), 0);
}

TEST(every_page_and_file_is_public_and_others_are_404)
{
    running *r = daemon_fixture(true);
    r->options.config.anonymous = false;
    launch(r);
    await_ready(r);
    static const char *const pages[] = {"/", "/label", "/training", "/policies"};
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++)
        EXPECT_EQ(status_of(r, ask_for("GET", pages[i], "")), 200);
    reply out;
    for (size_t i = 0; i < ui_asset_count; i++) {
        if (!ui_assets[i].immutable)
            continue;
        EXPECT_EQ(ask(r, &out, ask_for("GET", ui_assets[i].path, "")), 200);
        EXPECT_EQ(out.body_len, ui_assets[i].len);
        EXPECT_STR(reply_header(&out, "cache-control"), "public, max-age=31536000, immutable");
        EXPECT_STR(reply_header(&out, "content-type"), ui_assets[i].type);
        reply_free(&out);
    }
    EXPECT_EQ(status_of(r, ask_for("GET", "/assets/none.js", "")), 404);
    EXPECT_EQ(status_of(r, ask_for("GET", "/assets/..%2f", "")), 404);
    EXPECT_EQ(status_of(r, ask_for("GET", "/assets/", "")), 404);
    EXPECT_EQ(status_of(r, ask_for("POST", "/", "Content-Length: 0\r\n")), 405);
    EXPECT_EQ(status_of(r, "GET / HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n"), 403);
    EXPECT_EQ(stop(r), 0);
}
