/* /v1/files through the whole daemon: uploads, lists, contents, deletions, and what goes wrong. */
#include "daemon/daemon_fixture.h"
#include "daemon/store_fixture.h"

#include <dirent.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define DATA "{\"prompt\":\"a\",\"completion\":\"b\"}\n"
#define FORM                                                                                       \
    "--XX\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nfine-tune\r\n"                \
    "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jsonl\"\r\n"              \
    "Content-Type: application/octet-stream\r\n\r\n" DATA "\r\n--XX--\r\n"

/* A daemon without plugins whose data directory is there already. */
static running *prepare(void)
{
    running *r = daemon_fixture(true);
    static char plugins[600];
    snprintf(plugins, sizeof plugins, "%s/no-plugins", test_dir());
    mkdir(plugins, 0700);
    mkdir(r->options.config.data_dir, 0700);
    r->options.config.plugin_dir = plugins;
    return r;
}

static running *start_files(void)
{
    running *r = prepare();
    launch(r);
    await_ready(r);
    return r;
}

static char *upload_head(const char *headers, size_t len)
{
    static char text[512];
    snprintf(text, sizeof text,
             "POST /v1/files HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %zu\r\n\r\n", headers,
             len);
    return text;
}

#define FORM_TYPE "Content-Type: multipart/form-data; boundary=XX\r\n"

/* Uploads a form in pieces; the reply's status. */
static int upload(const running *r, const char *form, size_t piece, reply *out)
{
    client k = dial(r);
    const size_t len = strlen(form);
    client_puts(&k, upload_head(TRAIN_KEY FORM_TYPE, len));
    for (size_t at = 0; at < len; at += piece)
        client_send(&k, form + at, len - at < piece ? len - at : piece);
    const int status = client_reply(&k, out) ? out->status : 0;
    client_close(&k);
    return status;
}

__attribute__((format(printf, 2, 3))) static const char *request(const char *method,
                                                                 const char *path, ...)
{
    static char text[2][512];
    static unsigned turn;
    char *t = text[turn++ % 2];
    char full[256];
    va_list args;
    va_start(args, path);
    vsnprintf(full, sizeof full, path, args);
    va_end(args);
    snprintf(t, sizeof text[0], "%s %s HTTP/1.1\r\nHost: localhost\r\n" TRAIN_KEY "\r\n", method,
             full);
    return t;
}

/* The id of the file that the reply is about. */
static const char *id_of(const reply *r)
{
    static char id[2][80];
    static unsigned turn;
    char *t = id[turn++ % 2];
    if (!r->body || sscanf(r->body, "{\"id\":\"%79[^\"]", t) != 1)
        FAIL("no id in %s", r->body ? r->body : "(nothing)");
    return t;
}

/* scandir: TSan takes a folder of opendir for a socket of the same number that libuv has closed. */
static int files_on_disk(const running *r)
{
    char path[1200];
    struct dirent **entries;
    snprintf(path, sizeof path, "%s/files", r->options.config.data_dir);
    const int n = scandir(path, &entries, NULL, NULL);
    for (int i = 0; i < n; i++)
        free(entries[i]);
    if (n >= 0)
        free(entries);
    return n < 2 ? 0 : n - 2; /* without . and .. */
}

/* Judges the look that ended the waiting: what a client sent before it left may still arrive after.
 */
static void await_files_on_disk(const running *r, int want)
{
    int found = files_on_disk(r);
    for (int i = 0; i < 8000 && found != want; i++, found = files_on_disk(r))
        usleep(5 * 1000);
    EXPECT_EQ(found, want);
}

TEST(a_file_is_uploaded_listed_read_and_deleted)
{
    running *r = start_files();
    reply out;
    EXPECT_EQ(upload(r, FORM, 1000, &out), 200);
    char id[80];
    strcpy(id, id_of(&out));
    char want[512];
    snprintf(want, sizeof want,
             "{\"id\":\"%s\",\"object\":\"file\",\"bytes\":%zu,\"created_at\":", id, strlen(DATA));
    expect_in(&out, want);
    expect_in(&out, ",\"filename\":\"a.jsonl\",\"purpose\":\"fine-tune\",\"status\":\"processed\","
                    "\"status_details\":null,\"format\":null,\"rows\":0}");
    EXPECT(strncmp(id, "file-", 5) == 0);
    reply_free(&out);

    EXPECT_EQ(ask(r, &out, request("GET", "/v1/files/%s", id)), 200);
    expect_in(&out, want);
    reply_free(&out);
    EXPECT_EQ(ask(r, &out, request("GET", "/v1/files/%s/content", id)), 200);
    EXPECT_STR(out.body, DATA);
    EXPECT_STR(reply_header(&out, "content-disposition"), "attachment; filename=\"a.jsonl\"");
    reply_free(&out);
    EXPECT_EQ(ask(r, &out, request("GET", "/v1/files")), 200);
    expect_in(&out, want);
    expect_in(&out, "],\"has_more\":false}");
    reply_free(&out);

    EXPECT_EQ(ask(r, &out, request("DELETE", "/v1/files/%s", id)), 200);
    snprintf(want, sizeof want, "{\"id\":\"%s\",\"object\":\"file\",\"deleted\":true}", id);
    EXPECT_STR(out.body, want);
    reply_free(&out);
    EXPECT_EQ(files_on_disk(r), 0);
    EXPECT_EQ(status_of(r, request("GET", "/v1/files/%s", id)), 404);
    EXPECT_EQ(status_of(r, request("GET", "/v1/files/%s/content", id)), 404);
    EXPECT_EQ(status_of(r, request("DELETE", "/v1/files/%s", id)), 404);
    EXPECT_EQ(stop(r), 0);
}

TEST(an_upload_may_come_in_tiny_pieces_or_in_chunks)
{
    running *r = start_files();
    reply out;
    EXPECT_EQ(upload(r, FORM, 1, &out), 200);
    reply_free(&out);

    client k = dial(r);
    client_puts(
        &k, "POST /v1/files HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n" TRAIN_KEY
                FORM_TYPE "\r\n");
    for (size_t at = 0, n; at < strlen(FORM); at += n) {
        char chunk[64];
        n = strlen(FORM) - at < 7 ? strlen(FORM) - at : 7;
        snprintf(chunk, sizeof chunk, "%zx\r\n%.*s\r\n", n, (int)n, &FORM[at]);
        client_puts(&k, chunk);
    }
    client_puts(&k, "0\r\n\r\n");
    EXPECT(client_reply(&k, &out));
    EXPECT_EQ(out.status, 200);
    char id[80];
    strcpy(id, id_of(&out));
    reply_free(&out);
    EXPECT_EQ(client_ask(&k, request("GET", "/v1/files/%s/content", id), &out), 200);
    EXPECT_STR(out.body, DATA); /* and the connection goes on */
    reply_free(&out);
    client_close(&k);
    EXPECT_EQ(stop(r), 0);
}

TEST(a_large_file_comes_back_byte_for_byte)
{
    enum { LEN = 3 * 1024 * 1024 + 5 };
    running *r = start_files();
    static const char head[] = "--XX\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\n"
                               "fine-tune\r\n--XX\r\nContent-Disposition: form-data; "
                               "name=\"file\"; filename=\"C:\\\\x\\\\big one.jsonl\"\r\n\r\n";
    static const char foot[] = "\r\n--XX--\r\n";
    char *bytes = malloc(LEN);
    for (size_t i = 0; i < LEN; i++)
        bytes[i] = (char)(i * 7 ^ i >> 11);
    client k = dial(r);
    reply out;
    client_puts(&k, upload_head(TRAIN_KEY FORM_TYPE, strlen(head) + LEN + strlen(foot)));
    client_puts(&k, head);
    client_send(&k, bytes, LEN);
    client_puts(&k, foot);
    EXPECT(client_reply(&k, &out));
    EXPECT_EQ(out.status, 200);
    expect_in(&out, "\"filename\":\"big one.jsonl\"");
    char id[80];
    strcpy(id, id_of(&out));
    reply_free(&out);
    EXPECT_EQ(client_ask(&k, request("GET", "/v1/files/%s/content", id), &out), 200);
    EXPECT_EQ(out.body_len, LEN);
    EXPECT_MEM(out.body, bytes, LEN);
    reply_free(&out);
    client_close(&k);
    free(bytes);
    EXPECT_EQ(stop(r), 0);
}

TEST(lists_go_in_pages_either_way)
{
    running *r = start_files();
    char ids[3][80];
    reply out;
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(upload(r, FORM, 1000, &out), 200);
        strcpy(ids[i], id_of(&out));
        reply_free(&out);
    }
    EXPECT_EQ(ask(r, &out, request("GET", "/v1/files?limit=2")), 200);
    expect_in(&out, ids[2]);
    expect_in(&out, ids[1]);
    EXPECT(!strstr(out.body, ids[0]));
    expect_in(&out, "\"has_more\":true");
    reply_free(&out);
    EXPECT_EQ(ask(r, &out, request("GET", "/v1/files?after=%s&purpose=fine-tune", ids[1])), 200);
    expect_in(&out, ids[0]);
    EXPECT(!strstr(out.body, ids[1]));
    expect_in(&out, "\"has_more\":false");
    reply_free(&out);
    EXPECT_EQ(ask(r, &out, request("GET", "/v1/files?order=asc&after=%s", ids[1])), 200);
    expect_in(&out, ids[2]);
    EXPECT(!strstr(out.body, ids[0]));
    reply_free(&out);
    EXPECT_EQ(ask(r, &out, request("GET", "/v1/files?purpose=assistants")), 200);
    EXPECT_STR(out.body, "{\"object\":\"list\",\"data\":[],\"has_more\":false}");
    reply_free(&out);
    EXPECT_EQ(status_of(r, request("GET", "/v1/files?limit=0")), 400);
    EXPECT_EQ(status_of(r, request("GET", "/v1/files?limit=101")), 400);
    EXPECT_EQ(status_of(r, request("GET", "/v1/files?order=up")), 400);
    EXPECT_EQ(status_of(r, request("GET", "/v1/files?after=%s", "file-x")), 404);
    EXPECT_EQ(stop(r), 0);
}

#define PART(head, data) "--XX\r\n" head "\r\n\r\n" data "\r\n"
#define PURPOSE(p) PART("Content-Disposition: form-data; name=\"purpose\"", p)
#define FILE_PART PART("Content-Disposition: form-data; name=\"file\"; filename=\"f\"", DATA)

TEST(a_bad_form_is_refused_by_name_and_leaves_nothing)
{
    running *r = start_files();
    static const struct {
        const char *form, *part;
    } rows[] = {
        {PURPOSE("fine-tune") "--XX--",
         "\"param\":\"file\",\"code\":\"missing_required_parameter\""},
        {FILE_PART "--XX--", "\"param\":\"purpose\",\"code\":\"missing_required_parameter\""},
        {FILE_PART PURPOSE("assistants") "--XX--",
         "\"param\":\"purpose\",\"code\":\"invalid_value\""},
        {FILE_PART FILE_PART PURPOSE("fine-tune") "--XX--", "file: the form has more than one"},
        {FILE_PART PURPOSE("fine-tune") PURPOSE("fine-tune") "--XX--",
         "purpose: the form has more than one"},
        {FILE_PART PART("Content-Disposition: form-data; name=path", "/etc") "--XX--",
         "\"param\":\"path\",\"code\":\"unknown_parameter\""},
        {FILE_PART PURPOSE("fine-tune"), "the body ends before its last boundary"},
        {FILE_PART "--XXxx", "neither a line end nor --"},
        {"{}", "the body does not begin with its boundary"},
        {"", "the body ends before its last boundary"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        reply out;
        EXPECT_EQ(upload(r, rows[i].form, 50, &out), 400);
        expect_in(&out, rows[i].part);
        reply_free(&out);
    }
    EXPECT_EQ(files_on_disk(r), 0);
    EXPECT_EQ(stop(r), 0);
}

TEST(uploads_need_a_form_and_the_train_scope)
{
    running *r = start_files();
    EXPECT_EQ(status_of(r, upload_head(TRAIN_KEY "Content-Type: application/json\r\n", 2)), 415);
    EXPECT_EQ(status_of(r, upload_head(TRAIN_KEY, 2)), 415);
    EXPECT_EQ(status_of(r, upload_head(TRAIN_KEY "Content-Type: multipart/form-data\r\n", 2)), 400);
    EXPECT_EQ(status_of(r, upload_head(FORM_TYPE, 2)), 401);
    EXPECT_EQ(status_of(r, upload_head(INFER_KEY FORM_TYPE, 2)), 403);
    EXPECT_EQ(status_of(r, upload_head("Origin: https://evil.example\r\n" TRAIN_KEY FORM_TYPE, 2)),
              403);
    EXPECT_EQ(status_of(r, upload_head(TRAIN_KEY FORM_TYPE, (512u << 20) + (64u << 10) + 1)), 413);
    EXPECT_EQ(status_of(r, "GET /v1/files HTTP/1.1\r\nHost: localhost\r\n" INFER_KEY "\r\n"), 403);
    EXPECT_EQ(stop(r), 0);
}

TEST(a_client_that_leaves_in_the_middle_leaves_nothing)
{
    running *r = start_files();
    for (int i = 0; i < 20; i++) {
        client k = dial(r);
        client_puts(&k, upload_head(TRAIN_KEY FORM_TYPE, 100000));
        client_send(&k, FORM, strlen(FORM) - 9 - (size_t)i);
        if (i % 2)
            await_files_on_disk(r, 1);
        client_close(&k);
        await_files_on_disk(r, 0);
    }
    EXPECT_EQ(stop(r), 0);
}

TEST(an_empty_file_is_an_error_and_plugins_judge_the_rest)
{
    running *r = prepare();
    r->options.config.plugin_dir = TEST_BINARY_DIR "/lib/plugins/template";
    launch(r);
    await_ready(r);
    reply out;
    EXPECT_EQ(upload(r,
                     PURPOSE("fine-tune")
                         PART("Content-Disposition: form-data; name=\"file\"", "") "--XX--",
                     1000, &out),
              200);
    expect_in(&out, "\"filename\":\"upload\"");
    expect_in(&out, "\"status\":\"error\",\"status_details\":\"the file is empty\"");
    reply_free(&out);
    EXPECT_EQ(upload(r, FORM, 1000, &out), 200); /* the template knows lines of text alone */
    expect_in(&out, "\"status\":\"error\",\"status_details\":\"line 1: expected text, found JSON");
    reply_free(&out);
    EXPECT_EQ(stop(r), 0);
}

TEST(a_file_that_a_job_needs_is_409)
{
    running *r = prepare();
    char path[1200];
    snprintf(path, sizeof path, "%s/instructd.db", r->options.config.data_dir);
    store *s = fixture_open_at(path);
    store_file f = fixture_file("file-a");
    store_job j = fixture_job("ftjob-a");
    j.status = STORE_JOB_PAUSED;
    STORE_GOOD(store_file_insert(s, &f, &err));
    STORE_GOOD(store_job_insert(s, &j, &err));
    store_close(s);
    launch(r);
    await_ready(r);
    reply out;
    EXPECT_EQ(ask(r, &out, request("DELETE", "/v1/files/%s", "file-a")), 409);
    expect_in(&out, "\"type\":\"conflict_error\"");
    expect_in(&out, "\"code\":\"state_conflict\"");
    EXPECT_STR(reply_header(&out, "x-should-retry"), "false");
    reply_free(&out);
    EXPECT_EQ(status_of(r, request("GET", "/v1/files/%s", "file-a")), 200);
    EXPECT_EQ(status_of(r, request("GET", "/v1/files/%s/content", "file-a")), 500); /* no bytes */
    EXPECT_EQ(stop(r), 0);
}

TEST(the_start_sweeps_what_a_crash_left)
{
    running *r = prepare();
    char path[1200];
    snprintf(path, sizeof path, "%s/files", r->options.config.data_dir);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/files/.tmp-1", r->options.config.data_dir);
    test_write_file(path, "x", 1);
    snprintf(path, sizeof path, "%s/files/file-orphan", r->options.config.data_dir);
    test_write_file(path, "x", 1);
    launch(r);
    await_ready(r);
    EXPECT_EQ(files_on_disk(r), 0);
    EXPECT_EQ(stop(r), 0);
}

TEST(a_full_disk_is_503_and_passes)
{
    running *r = prepare();
    char path[1200];
    snprintf(path, sizeof path, "%s/files", r->options.config.data_dir);
    mkdir(path, 0700);
    if (mount("none", path, "tmpfs", 0, "size=1m,mode=700") != 0)
        SKIP("no tmpfs can be mounted here: %s", strerror(errno));
    launch(r);
    await_ready(r);
    enum { LEN = 2 * 1024 * 1024 };
    char *form = malloc(LEN + 1);
    memset(form, 'x', LEN);
    form[LEN] = 0;
    memcpy(form, FORM, strlen(FORM) - strlen("\r\n--XX--\r\n"));
    memcpy(form + LEN - 10, "\r\n--XX--\r\n", 10);
    reply out;
    EXPECT_EQ(upload(r, form, LEN, &out), 503);
    expect_in(&out, "the file cannot be stored right now");
    reply_free(&out);
    await_files_on_disk(r, 0);
    EXPECT_EQ(upload(r, FORM, 1000, &out), 200);
    reply_free(&out);
    EXPECT_EQ(files_on_disk(r), 1);
    free(form);
    EXPECT_EQ(stop(r), 0);
    umount(path);
}
