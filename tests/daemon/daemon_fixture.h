/* The whole daemon in this process, with a tiny random model: made, started, asked, stopped. */
#ifndef TESTS_DAEMON_DAEMON_FIXTURE_H
#define TESTS_DAEMON_DAEMON_FIXTURE_H

#include "daemon/live_server.h"
#include "model_files.h"

#include "daemon.h"

#include <stdatomic.h>

typedef struct running {
    instructd *daemon;
    pthread_t thread;
    error_text err;
    int code;
    daemon_options options;
    char model[300], key_file[300], admin[128];
    atomic_bool ready;
} running;

static inline void note_ready(void *arg, const daemon_facts *facts)
{
    (void)facts;
    atomic_store(&((running *)arg)->ready, true);
}

static inline void *run_thread(void *arg)
{
    running *r = arg;
    r->code = daemon_run(r->daemon, &r->err);
    return NULL;
}

/* Headers of keys that hold one scope each; admin's is made by the daemon. */
#define TRAIN_KEY "X-Api-Key: sk-inst-train\r\n"
#define INFER_KEY "X-Api-Key: sk-inst-infer\r\n"

/* SHA-256 of "sk-inst-label" and so on, from sha256sum. */
static const char key_file[] =
    "held label:eval 4c02e0ce88db1332e44fdd1ace34d6f8b21aec2493e41a992a176f04951a5f5c "
    "role=heldout\n"
    "label label:rank fa3b252bb9e15d152639c6502daaf29f620f97fed7af7b7726b8a750812901ac\n"
    "infer infer 557bce190d1fdd650cbd06f92e5548c3ddac58a899e5558b0a2180d61eb61d46\n"
    "page playground 5b54f8650a657cca3963d9bbd37d8cb3c6bb754d41afcdf7ec365ccd4f4427bf\n"
    "train train cd3bf9dc58e62868fb8f714e5e349fa23f1d4686660b5e43d826fa70c653664c\n";

static inline running *daemon_fixture(bool with_model)
{
    running *r = calloc(1, sizeof *r);
    config *c = &r->options.config;
    r->options.on_ready = note_ready;
    r->options.arg = r;
    log_set_level(LOG_ERROR);
    config_defaults(c);
    snprintf(r->model, sizeof r->model, "%s/model.gguf", test_dir());
    snprintf(r->key_file, sizeof r->key_file, "%s/keys", test_dir());
    if (with_model)
        test_write_gguf(r->model, NULL);
    test_write_file(r->key_file, key_file, sizeof key_file - 1);
    snprintf(c->data_dir, sizeof c->data_dir, "%s/data", test_dir());
    c->model = r->model;
    c->key_file = r->key_file;
    c->port = 0;
    c->threads = 1;
    c->kv_bytes = 16 << 20;
    c->hosts[c->n_hosts++] = "box.example";
    c->cors_origins[c->n_cors_origins++] = "https://app.example";
    return r;
}

static inline void launch(running *r)
{
    error_text err = {""};
    r->daemon = daemon_create(&r->options, &err);
    if (!r->daemon)
        FAIL("%s", err.text);
    char path[1100];
    snprintf(path, sizeof path, "%s/admin.key", r->options.config.data_dir);
    char *key = test_read_file(path, NULL);
    snprintf(r->admin, sizeof r->admin, "%.*s", (int)strcspn(key, "\n"), key);
    free(key);
    pthread_create(&r->thread, NULL, run_thread, r);
}

static inline int finish(running *r)
{
    pthread_join(r->thread, NULL);
    int code = r->code;
    daemon_free(r->daemon);
    free(r);
    return code;
}

static inline int stop(running *r)
{
    daemon_stop_async(r->daemon);
    return finish(r);
}

static inline client dial(const running *r)
{
    return client_dial_port(daemon_port(r->daemon));
}

static inline int ask(const running *r, reply *out, const char *request)
{
    client k = dial(r);
    int status = client_ask(&k, request, out);
    client_close(&k);
    return status;
}

/* The status alone. */
static inline int status_of(const running *r, const char *request)
{
    reply out = {0};
    int status = ask(r, &out, request);
    reply_free(&out);
    return status;
}

/* Who dials no sooner than that: TSan does not see that libuv closes a socket, and takes a file
 * that the loader opens under the same number for it. */
static inline void await_loaded(const running *r)
{
    for (int i = 0; i < 4000 && !atomic_load(&r->ready); i++)
        usleep(5 * 1000);
    if (!atomic_load(&r->ready))
        FAIL("the daemon's model was not loaded");
}

static inline void await_ready(const running *r)
{
    await_loaded(r);
    if (status_of(r, "GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n") != 200)
        FAIL("the daemon did not become ready");
}

static inline running *start(void)
{
    running *r = daemon_fixture(true);
    launch(r);
    await_ready(r);
    return r;
}

static inline char *post(const char *path, const char *headers, const char *body)
{
    static char text[4][4096];
    static unsigned turn;
    char *t = text[turn++ % 4];
    snprintf(t, sizeof text[0],
             "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n%s"
             "Content-Length: %zu\r\n\r\n%s",
             path, headers, strlen(body), body);
    return t;
}

static inline void expect_in(const reply *r, const char *part)
{
    if (!r->body || !strstr(r->body, part))
        FAIL("\"%s\" is not in %s", part, r->body ? r->body : "(nothing)");
}

#endif
