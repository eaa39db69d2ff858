#include "actions.h"
#include "commands.h"
#include "follow.h"
#include "json.h"
#include "listing.h"
#include "metrics_table.h"
#include "object.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_ROOM = 160 };

static const char *path_of(char room[PATH_ROOM], const char *id, const char *rest)
{
    snprintf(room, PATH_ROOM, "/v1/fine_tuning/jobs/%s%s", id, rest);
    return room;
}

/* ---- list, show ---- */

static void put_job(const cJSON *job, table *t)
{
    const cJSON *by = cJSON_GetObjectItemCaseSensitive(job, "method");
    table_cell(t, json_string(job, "id"));
    table_cell(t, json_string(by, "type"));
    table_cell(t, json_string(job, "model"));
    table_cell(t, json_string(job, "status"));
    table_cell(t, json_string(job, "fine_tuned_model"));
    table_time(t, json_number(job, "created_at", 0));
}

static exit_code list(const action_context *a, problem *p)
{
    static const char *const headings[] = {"ID", "METHOD", "MODEL", "STATUS", "RESULT", "CREATED"};
    static const listing jobs = {"/v1/fine_tuning/jobs", "jobs", headings, 6, put_job};
    return listing_print(a->server, a->o, &jobs, a->out, p);
}

static exit_code show(const action_context *a, problem *p)
{
    char path[PATH_ROOM];
    return object_show(a->server, a->o, path_of(path, a->name, ""), a->out, p);
}

/* ---- what a job tells ---- */

/* A list comes newest first; a person reads on from the oldest. */
typedef struct kept {
    cJSON *events; /* array of copies */
} kept;

static bool keep_event(void *ctx, const cJSON *event)
{
    kept *k = ctx;
    cJSON_AddItemToArray(k->events, cJSON_Duplicate(event, true));
    return true;
}

static exit_code events(const action_context *a, problem *p)
{
    char path[PATH_ROOM];
    if (a->o->follow)
        return follow_job(a->o, a->name, a->out, a->err, p);
    kept k = {cJSON_CreateArray()};
    exit_code code = listing_each(a->server, path_of(path, a->name, "/events"), "events",
                                  a->o->json ? a->out : NULL, keep_event, &k, p);
    for (int i = cJSON_GetArraySize(k.events) - 1; i >= 0 && code == EXIT_DONE && !a->o->json; i--)
        follow_print_event(cJSON_GetArrayItem(k.events, i), a->out);
    cJSON_Delete(k.events);
    return code;
}

static void put_checkpoint(const cJSON *checkpoint, table *t)
{
    char *metrics = json_print(cJSON_GetObjectItemCaseSensitive(checkpoint, "metrics"));
    table_cell(t, json_string(checkpoint, "id"));
    table_cellf(t, "%.0f", json_number(checkpoint, "step_number", 0));
    table_cell(t, json_string(checkpoint, "fine_tuned_model_checkpoint"));
    table_cell(t, metrics);
    free(metrics);
}

static exit_code checkpoints(const action_context *a, problem *p)
{
    static const char *const headings[] = {"ID", "STEP", "POLICY", "METRICS"};
    char path[PATH_ROOM];
    listing l = {path_of(path, a->name, "/checkpoints"), "checkpoints", headings, 4,
                 put_checkpoint};
    return listing_print(a->server, a->o, &l, a->out, p);
}

static exit_code metrics(const action_context *a, problem *p)
{
    char path[PATH_ROOM], rest[64], *raw = NULL;
    const char *since = a->o->since ? a->o->since : "0";
    cJSON *json;
    if (!*since || since[strspn(since, "0123456789")] || strlen(since) > 18)
        return problem_set(p, EXIT_USAGE, "--since is a step, not \"%.40s\"", since);
    snprintf(rest, sizeof rest, "/metrics?since=%s", since);
    exit_code code = server_json(a->server, path_of(path, a->name, rest), NULL, &json, &raw, p);
    if (code == EXIT_DONE && a->o->json)
        terminal_line(a->out, raw);
    else if (code == EXIT_DONE)
        code = metrics_table_print(json, a->out, p);
    free(raw);
    cJSON_Delete(json);
    return code;
}

/* ---- what is done to a job ---- */

/* `coming`: what to call a job that still runs, because it stops behind its current step. */
static exit_code post(const action_context *a, const char *rest, const char *coming, problem *p)
{
    char path[PATH_ROOM], *raw = NULL;
    cJSON *job;
    exit_code code = server_json(a->server, path_of(path, a->name, rest), "{}", &job, &raw, p);
    const char *status = json_string(job, "status");
    if (status && strcmp(status, "running") == 0)
        status = coming;
    if (code == EXIT_DONE && a->o->json) {
        terminal_line(a->out, raw);
    } else if (code == EXIT_DONE) {
        terminal_printf(a->out, "%s: ", a->name);
        terminal_line(a->out, status ? status : "-");
    }
    free(raw);
    cJSON_Delete(job);
    return code;
}

static exit_code cancel(const action_context *a, problem *p)
{
    return post(a, "/cancel", "cancelling", p);
}

static exit_code pause_job(const action_context *a, problem *p)
{
    return post(a, "/pause", "pausing", p);
}

static exit_code resume(const action_context *a, problem *p)
{
    return post(a, "/resume", "running", p);
}

exit_code cmd_jobs(const options *o, terminal *out, terminal *err, problem *p)
{
    static const action actions[] = {
        {"list", ACTION_ALONE, list},
        {"show", ACTION_ID, show},
        {"events", ACTION_ID, events},
        {"metrics", ACTION_ID, metrics},
        {"checkpoints", ACTION_ID, checkpoints},
        {"cancel", ACTION_ID, cancel},
        {"pause", ACTION_ID, pause_job},
        {"resume", ACTION_ID, resume},
    };
    return actions_run(actions, sizeof actions / sizeof actions[0], "a job", o, out, err, p);
}
