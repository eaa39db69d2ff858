#include "harness.h"

#include "api/multipart.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the parser told, as text: [name|filename]data; */
typedef struct trace {
    buf text;
    int fail_at; /* the n-th call of the sink fails; 0: none */
    int calls;
} trace;

static bool told(trace *t, api_error *err)
{
    if (++t->calls == t->fail_at)
        return api_fail(err, 413, "invalid_request_error", NULL, "file", "the sink says no");
    return true;
}

static bool on_begin(void *arg, const char *name, const char *filename, api_error *err)
{
    trace *t = arg;
    buf_printf(&t->text, filename ? "[%s|%s]" : "[%s]", name, filename);
    return told(t, err);
}

static bool on_data(void *arg, const char *bytes, size_t len, api_error *err)
{
    trace *t = arg;
    buf_append(&t->text, bytes, len);
    return told(t, err);
}

static bool on_end(void *arg, api_error *err)
{
    trace *t = arg;
    buf_puts(&t->text, ";");
    return told(t, err);
}

#define TYPE "multipart/form-data; boundary=XX"

/* Parses body in pieces of `piece` bytes (0: whole), the first of `first`. The trace, or the
 * error's status and message; to be freed. */
static char *parsed(const char *type, const char *body, size_t len, size_t first, size_t piece,
                    int fail_at)
{
    trace t = {.fail_at = fail_at};
    buf_init(&t.text, 1 << 20);
    const multipart_sink sink = {on_begin, on_data, on_end, &t};
    multipart m;
    api_error err = {0};
    bool ok = multipart_begin(&m, type, &sink, &err);
    for (size_t at = 0; ok && at < len;) {
        size_t n = at == 0 && first ? first : piece ? piece : len - at;
        n = n < len - at ? n : len - at;
        ok = multipart_feed(&m, body + at, n, &err);
        at += n;
    }
    ok = ok && multipart_end(&m, &err);
    if (!ok) {
        buf_clear(&t.text);
        buf_printf(&t.text, "%d %s", err.status, err.message);
    }
    buf_puts(&t.text, "");
    size_t n;
    char *text = buf_take(&t.text, &n);
    return text ? text : strdup("");
}

static void expect(const char *body, const char *want)
{
    char *got = parsed(TYPE, body, strlen(body), 0, 0, 0);
    EXPECT_STR(got, want);
    free(got);
}

#define PART(head, data) "--XX\r\n" head "\r\n\r\n" data "\r\n"
#define NAMED(name) "Content-Disposition: form-data; name=\"" name "\""
#define BAD "400 multipart/form-data: "

TEST(parts_come_with_their_names_in_order)
{
    expect(PART(NAMED("purpose"), "fine-tune")
               PART(NAMED("file") "; filename=\"a.jsonl\"\r\nContent-Type: text/plain",
                    "{\"a\":1}\n{\"b\":2}\n") "--XX--\r\n",
           "[purpose]fine-tune;[file|a.jsonl]{\"a\":1}\n{\"b\":2}\n;");
}

TEST(the_last_line_end_may_be_absent)
{
    expect(PART(NAMED("a"), "1") "--XX--", "[a]1;");
}

TEST(data_may_be_empty_and_may_look_like_a_boundary)
{
    expect(PART(NAMED("a"), "") "--XX--", "[a];");
    expect(PART(NAMED("a"), "\r\n") "--XX--", "[a]\r\n;");
    expect(PART(NAMED("a"), "\r\r\n-\r\n--X\r\n--Y--XX\n--XX\r") "--XX--",
           "[a]\r\r\n-\r\n--X\r\n--Y--XX\n--XX\r;");
}

TEST(names_may_be_quoted_or_tokens)
{
    expect(
        PART("content-disposition:form-data;name=a ; FILENAME=\"x \\\"y\\\" \\z\"", "1") "--XX--",
        "[a|x \"y\" \\z]1;");
    expect(PART(NAMED("a") "; filename*=UTF-8''%c3%a9", "1") "--XX--", "[a]1;");
    expect(PART(NAMED("a") "; filename=\"\xc3\xa9\"", "1") "--XX--", "[a|\xc3\xa9]1;");
}

TEST(what_is_no_form_is_refused_with_the_reason)
{
    expect("", BAD "the body ends before its last boundary");
    expect("--XX--\r\n", BAD "a body without parts");
    expect("x--XX\r\n", BAD "the body does not begin with its boundary");
    expect("\r\n" PART(NAMED("a"), "1") "--XX--", BAD "the body does not begin with its boundary");
    expect(PART(NAMED("a"), "1") "--XX--\r\nx", BAD "bytes behind the last boundary");
    expect(PART(NAMED("a"), "1") "--XX--\n", BAD "bytes behind the last boundary");
    expect(PART(NAMED("a"), "1"), BAD "the body ends before its last boundary");
    expect(PART(NAMED("a"), "1") "--XX-", BAD "the body ends before its last boundary");
    expect(PART(NAMED("a"), "1") "--XX--\r", BAD "the body ends before its last boundary");
    expect("--XX \r\n" NAMED("a") "\r\n\r\n1\r\n--XX--",
           BAD "a boundary that is followed by neither a line end nor --");
    expect("--XX\n" NAMED("a") "\n\n1\n--XX--",
           BAD "a boundary that is followed by neither a line end nor --");
}

TEST(heads_are_read_strictly)
{
    expect("--XX\r\n\r\n1\r\n--XX--", BAD "a part without a name");
    expect(PART("Content-Type: text/plain", "1") "--XX--", BAD "a part without a name");
    expect(PART("Content-Disposition: form-data", "1") "--XX--", BAD "a part without a name");
    expect(PART(NAMED("a") "\r\n" NAMED("b"), "1") "--XX--",
           BAD "a part with two Content-Dispositions");
    expect(PART(NAMED("a") "; name=b", "1") "--XX--", BAD "a part with two parameters 'name'");
    expect(PART("Content-Disposition: attachment; name=a", "1") "--XX--",
           BAD "a part's Content-Disposition is not form-data");
    expect(PART("Content-Disposition: form-data; name=\"a", "1") "--XX--",
           BAD "a part's Content-Disposition cannot be read");
    expect(PART("Content-Disposition: form-dataa; name=a", "1") "--XX--",
           BAD "a part's Content-Disposition cannot be read");
    expect(PART("Content-Disposition : form-data; name=a", "1") "--XX--",
           BAD "a part's head holds a line that is no field");
    expect(PART(NAMED("a") "\r\n folded: x", "1") "--XX--",
           BAD "a part's head holds a line that is no field");
    expect(PART(NAMED("a\nb"), "1") "--XX--", BAD "a control byte in a part's head");
    expect(PART(NAMED("a") "\r\nContent-Transfer-Encoding: base64", "1") "--XX--",
           BAD "a part with a transfer encoding");
    expect(PART(NAMED("a") "\r\nContent-Transfer-Encoding: 8bit", "1") "--XX--", "[a]1;");
}

TEST(counts_and_lengths_are_bounded)
{
    char body[8192], name[512];
    memset(name, 'n', sizeof name);
    snprintf(body, sizeof body,
             "--XX\r\nContent-Disposition: form-data; name=%.65s\r\n\r\n1\r\n--XX--", name);
    expect(body, BAD "'name' is 65 bytes long, at most 64 are taken");
    snprintf(
        body, sizeof body,
        "--XX\r\nContent-Disposition: form-data; name=a; filename=\"%.256s\"\r\n\r\n1\r\n--XX--",
        name);
    expect(body, BAD "'filename' is 256 bytes long, at most 255 are taken");

    memset(body, 'h', sizeof body);
    memcpy(body, "--XX\r\n", 6);
    body[6 + 4097] = 0;
    expect(body, BAD "a part's head of more than 4096 bytes");

    body[0] = 0;
    for (int i = 0; i < MULTIPART_PARTS_MAX + 1; i++)
        strcat(body, PART(NAMED("a"), "1"));
    strcat(body, "--XX--");
    expect(body, BAD "more than 16 parts");
}

static void expect_type(const char *type, const char *want)
{
    static const char body[] = PART(NAMED("a"), "1") "--XX--";
    char *got = parsed(type, body, sizeof body - 1, 0, 0, 0);
    EXPECT_STR(got, want);
    free(got);
}

TEST(the_content_type_must_be_a_form_with_one_boundary)
{
    expect_type("multipart/form-data; boundary=XX", "[a]1;");
    expect_type("Multipart/Form-Data;charset=utf-8; Boundary=\"XX\"", "[a]1;");
    expect_type("application/json", "415 the body must be multipart/form-data");
    expect_type("multipart/form-dataa; boundary=XX", "415 the body must be multipart/form-data");
    expect_type("multipart/mixed; boundary=XX", "415 the body must be multipart/form-data");
    expect_type("", "415 the body must be multipart/form-data");
    expect_type("multipart/form-data", BAD "the Content-Type names no boundary");
    expect_type("multipart/form-data;", BAD "the Content-Type cannot be read");
    expect_type("multipart/form-data; boundary=", BAD "the Content-Type cannot be read");
    expect_type("multipart/form-data; boundary=\"X X \"",
                BAD "the Content-Type's boundary is not one of 1 to 70 allowed characters");
    expect_type("multipart/form-data; boundary=\"X\\\"\"",
                BAD "the Content-Type's boundary is not one of 1 to 70 allowed characters");
    expect_type("multipart/form-data; boundary=XX; boundary=XX",
                BAD "the Content-Type's boundary is not one of 1 to 70 allowed characters");
    expect_type("multipart/form-data; boundary="
                "0123456789012345678901234567890123456789012345678901234567890123456789_",
                BAD "the Content-Type's boundary is not one of 1 to 70 allowed characters");
}

static const char *const split_bodies[] = {
    PART(NAMED("purpose"), "fine-tune")
        PART(NAMED("file") "; filename=\"a b\"", "\r\n--X\r\r\n--XY\n") "--XX--\r\n",
    PART(NAMED("a"), "") PART(NAMED("b"), "\r") "--XX--",
    PART(NAMED("a"), "1") "--XX--\r\nx",
    PART(NAMED("a") "; name=b", "1") "--XX--",
    PART(NAMED("a"), "1\r\n--XX\r"),
};

TEST(a_body_split_anywhere_reads_the_same)
{
    for (size_t i = 0; i < sizeof split_bodies / sizeof split_bodies[0]; i++) {
        const char *body = split_bodies[i];
        const size_t len = strlen(body);
        char *whole = parsed(TYPE, body, len, 0, 0, 0);
        for (size_t piece = 1; piece <= 3; piece++) {
            char *got = parsed(TYPE, body, len, 0, piece, 0);
            EXPECT_STR(got, whole);
            free(got);
        }
        for (size_t first = 1; first < len; first++) {
            char *got = parsed(TYPE, body, len, first, 0, 0);
            EXPECT_STR(got, whole);
            free(got);
        }
        free(whole);
    }
}

TEST(a_sink_that_refuses_ends_the_parsing)
{
    for (int call = 1; call <= 6; call++) {
        char *got = parsed(TYPE, split_bodies[0], strlen(split_bodies[0]), 0, 0, call);
        EXPECT_STR(got, "413 the sink says no");
        free(got);
    }
}
