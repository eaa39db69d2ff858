#include "generate.h"

#include "display.h"
#include "sse.h"

#include <stdio.h>
#include <string.h>

enum { EVENT_MAX = 16 << 20 };

/* One stream between the bytes of the connection and the screen. */
typedef struct stream {
    const generation *g;
    terminal *out;
    reply *reply;
    display display;
    sse_parser sse;
    problem *problem;
    exit_code code;
    bool done; /* [DONE] arrived */
} stream;

static void print_json(terminal *out, const char *json, size_t len)
{
    terminal_write(out, json, len);
    terminal_end(out);
}

static bool on_event(void *ctx, const char *data, size_t len)
{
    stream *s = ctx;
    if (len == 6 && memcmp(data, "[DONE]", 6) == 0) {
        s->done = true;
        return true; /* the body's own end follows, and the connection can be kept */
    }
    if (s->done)
        return true;
    s->code = reply_take(s->reply, data, len, clock_s(), s->problem);
    if (s->code != EXIT_DONE)
        return false;
    if (s->g->json)
        print_json(s->out, data, len);
    else
        display_update(&s->display, s->reply);
    return s->out->error == 0;
}

static bool on_bytes(void *ctx, const char *bytes, size_t n)
{
    stream *s = ctx;
    sse_status status = sse_feed(&s->sse, bytes, n, on_event, s);
    if (status == SSE_TOO_LONG)
        s->code = problem_set(s->problem, EXIT_SERVER, "the server sent an event past %d MiB",
                              EVENT_MAX >> 20);
    return status == SSE_OK;
}

/* The exit code of a stream whose exchange ended with `code`. */
static exit_code stream_result(const stream *s, exit_code code, problem *p)
{
    if (s->code != EXIT_DONE)
        return s->code; /* our own reading stopped it, and filled p */
    if (s->done || s->out->error)
        return EXIT_DONE; /* all of it came; a connection that breaks after [DONE] cost nothing */
    if (code != EXIT_DONE)
        return code;
    problem_set(p, EXIT_CUT, "the answer broke off: its stream ended without [DONE]");
    problem_hint(p, "what was printed is incomplete; is the server still up?");
    return EXIT_CUT;
}

static exit_code generate_stream(server *to, const generation *g, terminal *out, reply *r,
                                 problem *p)
{
    stream s = {.g = g, .out = out, .reply = r, .problem = p};
    display_init(&s.display, out, g->headings);
    sse_init(&s.sse, EVENT_MAX);
    http_call call = {.path = g->path,
                      .body = g->body,
                      .on_body = on_bytes,
                      .ctx = &s,
                      .content_type = "text/event-stream"};
    http_reply head;
    exit_code code = server_exchange(to, &call, &head, p);
    if (!g->json)
        display_end(&s.display, r);
    if (head.policy[0])
        snprintf(r->policy, sizeof r->policy, "%s", head.policy);
    code = stream_result(&s, code, p);
    http_reply_free(&head);
    sse_free(&s.sse);
    return code;
}

static exit_code generate_whole(server *to, const generation *g, terminal *out, reply *r,
                                problem *p)
{
    http_reply head;
    exit_code code = server_exchange(to, &(http_call){.path = g->path, .body = g->body}, &head, p);
    if (code == EXIT_DONE)
        code = reply_take(r, text_str(&head.body), head.body.len, clock_s(), p);
    if (code == EXIT_DONE && g->json) {
        print_json(out, text_str(&head.body), head.body.len);
    } else if (code == EXIT_DONE) {
        display d;
        display_init(&d, out, g->headings);
        display_end(&d, r);
    }
    if (head.policy[0])
        snprintf(r->policy, sizeof r->policy, "%s", head.policy);
    http_reply_free(&head);
    return code;
}

exit_code generate(server *s, const generation *g, terminal *out, reply *r, problem *p)
{
    r->sent_s = clock_s();
    return g->stream ? generate_stream(s, g, out, r, p) : generate_whole(s, g, out, r, p);
}

void generate_print_logprobs(const reply *r, terminal *err)
{
    for (int i = 0; i < r->choices_len; i++) {
        const text *table = &r->choices[i].logprobs;
        if (!table->len)
            continue;
        terminal_printf(err, "log-probabilities [%d]\n", i);
        terminal_write(err, table->data, table->len);
        terminal_end(err);
    }
}
