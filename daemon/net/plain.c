#include "net/plain.h"

#include "api/text.h"
#include "base/limits.h"
#include "base/query.h"
#include "net/response.h"
#include "net/worker_job.h"

#include <stdlib.h>

ON_LOOP static void send_literal(exchange *x, const char *json)
{
    buf body;
    buf_init(&body, LIMIT_REPLY_BYTES);
    buf_puts(&body, json);
    response_json(x, 200, &body);
}

void plain_health(service *s, exchange *x)
{
    (void)s;
    send_literal(x, "{\"status\":\"ok\"}");
}

void plain_ready(service *s, exchange *x)
{
    if (s->draining)
        response_fail(x, 503, "unavailable_error", "draining", "the server is going down");
    else if (!s->ready)
        response_fail(x, 503, "unavailable_error", "not_ready", "the model is being loaded");
    else
        send_literal(x, "{\"status\":\"ready\"}");
}

void plain_metrics(service *s, exchange *x)
{
    buf body;
    buf_init(&body, LIMIT_REPLY_BYTES);
    metrics_write(s->metrics, &body);
    policy_registry_metrics(s->registry, &body);
    response_send(x, 200, "text/plain; version=0.0.4; charset=utf-8", &body);
}

/* Answers with what an api function made of the request. */
ON_LOOP static void send_result(exchange *x, bool ok, buf *body, const api_error *err)
{
    if (ok) {
        response_json(x, 200, body);
        return;
    }
    buf_free(body);
    response_error(x, err);
}

void plain_models(service *s, exchange *x)
{
    buf body;
    api_error err;
    buf_init(&body, LIMIT_REPLY_BYTES);
    char limit[16], after[LIMIT_NAME_BYTES + 1];
    bool has_limit = query_value(x->query, "limit", limit, sizeof limit);
    bool has_after = query_value(x->query, "after", after, sizeof after);
    bool ok = api_models_page(s->registry, has_limit ? limit : NULL, has_after ? after : NULL,
                              &body, &err);
    send_result(x, ok, &body, &err);
}

void plain_model(service *s, exchange *x)
{
    buf body;
    api_error err;
    buf_init(&body, LIMIT_REPLY_BYTES);
    bool ok = api_model_get(s->registry, x->names[0], &body, &err);
    send_result(x, ok, &body, &err);
}

void plain_tokenizer_info(service *s, exchange *x)
{
    char name[129];
    buf body;
    api_error err;
    bool named = query_value(x->query, "model", name, sizeof name);
    buf_init(&body, LIMIT_REPLY_BYTES);
    bool ok = api_tokenizer_info(s->registry, named ? name : NULL, &body, &err);
    send_result(x, ok, &body, &err);
}

/* ---- on a worker: bodies of up to 1 MiB ---- */

typedef bool text_call(policy_registry *registry, const char *body, size_t len, buf *out,
                       api_ignored *ignored, api_error *err);

typedef struct text_job {
    worker_job job;
    text_call *call;
    bool ok;
    buf out;
    api_ignored ignored;
    api_error err;
} text_job;

static void text_run(worker_job *job)
{
    text_job *t = (text_job *)(void *)job;
    t->ok = t->call(job->service->registry, job->body, job->len, &t->out, &t->ignored, &t->err);
}

static void text_finish(worker_job *job)
{
    assert_on_loop();
    text_job *t = (text_job *)(void *)job;
    if (job->x && t->ok)
        response_ignored(job->x, &t->ignored);
    if (job->x)
        send_result(job->x, t->ok, &t->out, &t->err);
    buf_free(&t->out);
}

ON_LOOP static void start_text_job(service *s, exchange *x, text_call *call)
{
    text_job *t = calloc(1, sizeof *t);
    if (!t) {
        response_fail(x, 503, "unavailable_error", "out_of_memory", "no memory for this request");
        return;
    }
    t->call = call;
    t->job.run = text_run;
    t->job.finish = text_finish;
    buf_init(&t->out, LIMIT_REPLY_BYTES);
    if (!worker_job_start(&t->job, s, x))
        free(t);
}

void plain_tokenize(service *s, exchange *x)
{
    start_text_job(s, x, api_tokenize);
}

void plain_detokenize(service *s, exchange *x)
{
    start_text_job(s, x, api_detokenize);
}
