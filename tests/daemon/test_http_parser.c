#include "harness.h"
#include "daemon/http_corpus.h"
#include "daemon/http_drive.h"

static http_drive *drive_new(void)
{
    return calloc(1, sizeof(http_drive));
}

static void run_case(const corpus_case *c, void *arg)
{
    (void)arg;
    char want[128], got[128];
    corpus_verdict(c->statuses, c->n_statuses, c->end, want, sizeof want);
    for (int cut = 0; cut < CORPUS_CUTS; cut++) {
        http_drive *d = drive_new();
        for (size_t at = 0; at < c->len;) {
            size_t n = corpus_piece(c->len, at, cut);
            drive_feed(d, c->bytes + at, n);
            at += n;
        }
        corpus_end end = d->closed                       ? CORPUS_CLOSE
                         : d->parser || d->used < d->len ? CORPUS_MORE
                                                         : CORPUS_KEEP;
        corpus_verdict(d->statuses, d->n_statuses, end, got, sizeof got);
        drive_free(d);
        free(d);
        if (strcmp(got, want) != 0)
            FAIL("%s, cut %d: \"%s\", expected \"%s\"", c->title, cut, got, want);
    }
}

TEST(every_case_of_the_corpus_is_read_one_way_however_it_is_cut)
{
    int n = 0;
    for (size_t i = 0; i < sizeof corpus_files / sizeof corpus_files[0]; i++)
        n += corpus_walk(corpus_files[i], run_case, NULL);
    EXPECT(n >= 100);
}

static http_parser *parse(const char *head, http_outcome want)
{
    http_parser *p = http_parser_create(16);
    EXPECT_EQ(head_gate_check(head, strlen(head), 0).verdict, HEAD_OK);
    EXPECT_EQ(http_parser_head(p, head, strlen(head)), want);
    return p;
}

TEST(the_fields_a_handler_asks_for_are_kept)
{
    http_parser *p = parse("POST /v1/x?q=1 HTTP/1.1\r\nX-Empty:\r\nHost: localhost:8080\r\n"
                           "Authorization:  Bearer sk-inst-1 \r\nX-Api-Key: k\r\n"
                           "Content-Type: application/json; charset=utf-8\r\nOrigin: null\r\n"
                           "X-Request-Id: r1\r\nX-Request-Id: r2\r\nExpect: 100-Continue\r\n"
                           "Content-Length: 4\r\n\r\n",
                           HTTP_MORE);
    http_request *r = http_parser_request(p);
    EXPECT_EQ(r->method, HTTP_METHOD_POST);
    EXPECT_STR(r->target, "/v1/x?q=1");
    EXPECT_STR(r->host, "localhost:8080");
    EXPECT_STR(r->authorization, "Bearer sk-inst-1");
    EXPECT_STR(r->api_key, "k");
    EXPECT_STR(r->content_type, "application/json; charset=utf-8");
    EXPECT_STR(r->origin, "null");
    EXPECT_STR(r->request_id, "r1");
    EXPECT(r->expects_continue && r->http_1_1 && r->keep_alive && r->has_body && !r->chunked);
    EXPECT_EQ(r->content_length, 4);
    size_t used;
    EXPECT_EQ(http_parser_body(p, "{\"a\"GET", 7, &used), HTTP_MESSAGE);
    EXPECT_EQ(used, 4);
    EXPECT_STR(r->body.data, "{\"a\"");
    http_parser_free(p);
}

TEST(absent_fields_are_empty_strings)
{
    http_parser *p = parse("GET / HTTP/1.0\r\nHost: a\r\n\r\n", HTTP_MESSAGE);
    http_request *r = http_parser_request(p);
    EXPECT_STR(r->authorization, "");
    EXPECT_STR(r->origin, "");
    EXPECT(!r->keep_alive && !r->http_1_1 && !r->has_body && !r->expects_continue);
    http_parser_free(p);
}

TEST(a_chunked_body_past_its_most_is_413)
{
    http_parser *p =
        parse("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_MORE);
    size_t used;
    EXPECT_EQ(http_parser_body(p, "10\r\n0123456789abcdef\r\n", 22, &used), HTTP_MORE);
    EXPECT_EQ(http_parser_body(p, "1\r\nx", 4, &used), HTTP_REJECT);
    EXPECT_EQ(http_parser_status(p), 413);
    http_parser_free(p);
}

TEST(trailers_do_not_reach_the_request)
{
    const char *body = "1\r\nx\r\n0\r\nAuthorization: Bearer sk-inst-evil\r\nHost: b\r\n\r\n";
    http_parser *p =
        parse("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_MORE);
    size_t used;
    EXPECT_EQ(http_parser_body(p, body, strlen(body), &used), HTTP_MESSAGE);
    EXPECT_EQ(used, strlen(body));
    EXPECT_STR(http_parser_request(p)->host, "a");
    EXPECT_STR(http_parser_request(p)->authorization, "");
    http_parser_free(p);
}
