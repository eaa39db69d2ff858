#include "follow.h"

#include "figures.h"
#include "json.h"
#include "progress.h"
#include "server.h"
#include "signals.h"
#include "sse.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { EVENT_MAX = 1 << 20, LINE_MAX_BYTES = 64 * 1024, RETRIES = 5 };
static const double ask_pause_s = 1; /* between two looks at the job while events flow */

typedef struct follower {
    const options *o;
    const char *id;
    terminal *out;
    server events, ask; /* two connections: the job is asked for while events flow */
    sse_parser sse;
    char last_id[64]; /* where to go on after a broken connection */
    long events_seen;
    progress_line bar;
    figures figures;
    double asked_s; /* when the job was last asked for */
    cJSON *job;     /* as it then was */
    char *job_json;
    bool ended;
} follower;

/* ---- the job ---- */

static bool is_end(const char *status)
{
    return status && (strcmp(status, "succeeded") == 0 || strcmp(status, "failed") == 0 ||
                      strcmp(status, "cancelled") == 0);
}

static exit_code ask_job(follower *f, problem *p)
{
    char path[128];
    cJSON *job;
    char *raw;
    snprintf(path, sizeof path, "/v1/fine_tuning/jobs/%s", f->id);
    exit_code code = server_json(&f->ask, path, NULL, &job, &raw, p);
    f->asked_s = clock_s();
    if (code != EXIT_DONE)
        return code;
    cJSON_Delete(f->job);
    free(f->job_json);
    f->job = job;
    f->job_json = raw;
    f->ended = is_end(json_string(job, "status"));
    figures_progress(&f->figures, job, f->asked_s);
    return EXIT_DONE;
}

/* ---- events ---- */

void follow_print_event(const cJSON *event, terminal *out)
{
    text line;
    text_init(&line, LINE_MAX_BYTES);
    const char *type = json_string(event, "type"), *message = json_string(event, "message");
    const char *level = json_string(event, "level");
    if (type && strcmp(type, "metrics") == 0) {
        figures_event_line(cJSON_GetObjectItemCaseSensitive(event, "data"), &line);
    } else {
        char at[16] = "";
        time_t seconds = (time_t)json_number(event, "created_at", 0);
        struct tm parts;
        if (seconds > 0 && localtime_r(&seconds, &parts))
            strftime(at, sizeof at, "%H:%M:%S ", &parts);
        text_puts(&line, at);
        if (level && strcmp(level, "info") != 0)
            text_printf(&line, "%s: ", level);
        text_puts(&line, message ? message : "");
    }
    if (line.len)
        terminal_line(out, text_str(&line));
    text_free(&line);
}

static void draw_bar(follower *f)
{
    text line;
    text_init(&line, LINE_MAX_BYTES);
    figures_line(&f->figures, clock_s(), &line);
    progress_draw(&f->bar, text_str(&line));
    text_free(&line);
}

/* A terminal has the figures in its bar; a pipe gets each event as a line. */
static void show_event(follower *f, const cJSON *event, const char *json)
{
    const char *type = json_string(event, "type");
    bool metrics = type && strcmp(type, "metrics") == 0;
    bool live = f->out->is_tty && f->bar.t->redraws;
    if (metrics)
        figures_take(&f->figures, cJSON_GetObjectItemCaseSensitive(event, "data"));
    if (f->o->json) {
        progress_clear(&f->bar);
        terminal_line(f->out, json);
    } else if (!metrics || !live) {
        progress_clear(&f->bar);
        follow_print_event(event, f->out);
    }
    if (live && !f->ended)
        draw_bar(f);
}

static bool on_event(void *ctx, const char *data, size_t len)
{
    follower *f = ctx;
    cJSON *event = json_parse(data, len);
    f->events_seen++;
    snprintf(f->last_id, sizeof f->last_id, "%s", f->sse.last_id);
    if (cJSON_IsObject(event))
        show_event(f, event, data);
    cJSON_Delete(event);
    return f->out->error == 0;
}

/* Between events the job itself is asked for: how far it is, and whether it has ended. A stream
 * that goes on without events after that is left. */
static bool on_bytes(void *ctx, const char *bytes, size_t n)
{
    follower *f = ctx;
    long before = f->events_seen;
    bool had_ended = f->ended;
    problem ignored = {0};
    if (sse_feed(&f->sse, bytes, n, on_event, f) != SSE_OK)
        return false;
    if (!f->ended && clock_s() - f->asked_s >= ask_pause_s)
        (void)ask_job(f, &ignored); /* asked again soon */
    return !(had_ended && f->events_seen == before);
}

static exit_code read_events(follower *f, problem *p)
{
    char path[128], last[96];
    snprintf(path, sizeof path, "/v1/fine_tuning/jobs/%s/events", f->id);
    snprintf(last, sizeof last, "Last-Event-ID: %s", f->last_id);
    http_call call = {.path = path,
                      .headers = {"Accept: text/event-stream", f->last_id[0] ? last : NULL},
                      .on_body = on_bytes,
                      .ctx = f,
                      .content_type = "text/event-stream"};
    http_reply reply;
    sse_init(&f->sse, EVENT_MAX);
    exit_code code = server_exchange(&f->events, &call, &reply, p);
    http_reply_free(&reply);
    sse_free(&f->sse);
    return code;
}

/* ---- from beginning to end ---- */

/* False when a signal came meanwhile. */
static bool wait_s(double seconds)
{
    struct pollfd bell = {.fd = signals_fd(), .events = POLLIN};
    return poll(&bell, 1, (int)(seconds * 1000)) == 0;
}

static exit_code leave(const follower *f, terminal *err, problem *p)
{
    terminal_printf(err,
                    "%s goes on; instruct jobs events %s --follow shows it, instruct jobs cancel "
                    "%s ends it\n",
                    f->id, f->id, f->id);
    problem_set(p, EXIT_INTERRUPTED, "%s", "");
    return p->code = (exit_code)(128 + signals_pending());
}

/* What became of the job, as the last line and as the exit code. */
static exit_code conclude(const follower *f, problem *p)
{
    const char *status = json_string(f->job, "status");
    const char *result = json_string(f->job, "fine_tuned_model");
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(f->job, "error");
    const char *why = json_string(error, "message"), *param = json_string(error, "param");
    if (f->o->json)
        terminal_line(f->out, f->job_json);
    if (strcmp(status, "succeeded") == 0) {
        text line;
        text_init(&line, LINE_MAX_BYTES);
        text_printf(&line, "%s succeeded: %s", f->id, result ? result : "no policy");
        if (!f->o->json)
            terminal_line(f->out, text_str(&line));
        text_free(&line);
        return EXIT_DONE;
    }
    if (!why)
        return problem_set(p, EXIT_FRUITLESS, "%s %s%s", f->id,
                           strcmp(status, "cancelled") == 0 ? "was " : "", status);
    return problem_set(p, EXIT_FRUITLESS, "%s %s: %s%s%s%s", f->id, status, why, param ? " (" : "",
                       param ? param : "", param ? ")" : "");
}

/* Is it worth another try? A daemon that restarts goes on with the job. */
static bool may_retry(exit_code code)
{
    return code == EXIT_DONE || code == EXIT_NO_SERVER || code == EXIT_CUT;
}

/* Reads events until the job has ended. A stream that ends before is opened again where it was:
 * at once as often as it ends in order, a few times when it breaks. */
static exit_code follow(follower *f, problem *p)
{
    exit_code code = ask_job(f, p);
    for (int failures = 0; code == EXIT_DONE || (may_retry(code) && failures <= RETRIES);) {
        long before = f->events_seen;
        code = read_events(f, p);
        if (f->out->error || signals_pending())
            return code;
        exit_code asked = may_retry(code) ? ask_job(f, p) : code;
        if (asked == EXIT_DONE && f->ended)
            return EXIT_DONE;
        code = asked != EXIT_DONE ? asked : code;
        failures = code == EXIT_DONE || f->events_seen > before ? 0 : failures + 1;
        if (!wait_s(1 + failures))
            return EXIT_INTERRUPTED;
    }
    return code;
}

exit_code follow_job(const options *o, const char *id, terminal *out, terminal *err, problem *p)
{
    follower f = {.o = o, .id = id, .out = out};
    progress_init(&f.bar, err);
    exit_code code = server_open(&f.events, o, p);
    if (code == EXIT_DONE)
        code = server_open(&f.ask, o, p);
    if (code == EXIT_DONE)
        code = follow(&f, p);
    progress_clear(&f.bar);
    if (signals_pending() && !f.ended)
        code = leave(&f, err, p);
    else if (code == EXIT_DONE && f.ended)
        code = conclude(&f, p);
    server_close(&f.events);
    server_close(&f.ask);
    cJSON_Delete(f.job);
    free(f.job_json);
    return code;
}
