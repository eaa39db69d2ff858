/* Handing tasks out, and taking labels in. */
#include "control/labels.h"

#include "api/label_tasks.h"
#include "api/labels.h"
#include "base/metrics.h"
#include "base/query.h"
#include "base/random.h"
#include "control/page.h"
#include "human/tasks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- who may do what ---- */

static unsigned scope_of_kind(const char *kind)
{
    return strcmp(kind, "demo") == 0   ? KEY_LABEL_DEMO
           : strcmp(kind, "rank") == 0 ? KEY_LABEL_RANK
                                       : KEY_LABEL_EVAL;
}

/* Held-out labelers evaluate and nothing else: what they see in training would teach them. */
static bool may_label(const key_info *key, const char *kind, api_error *err)
{
    if (!key_scope_allows(key->scope, scope_of_kind(kind)))
        return api_fail(err, 403, "permission_error", "insufficient_scope", NULL,
                        "the key does not have the scope label:%s", kind);
    return key->role != KEY_ROLE_HELDOUT || strcmp(kind, "eval") == 0 ||
           api_fail(err, 403, "permission_error", "insufficient_scope", NULL,
                    "held-out labelers take eval tasks only");
}

/* ---- GET /v1/labels/tasks/next ---- */

static bool read_kind(const control_request *request, char kind[8], api_error *err)
{
    if (!query_value(request->query, "kind", kind, 8) ||
        (strcmp(kind, "demo") != 0 && strcmp(kind, "rank") != 0 && strcmp(kind, "eval") != 0))
        return api_invalid(err, "invalid_value", "kind", "kind: expected demo, rank or eval");
    return may_label(request->key, kind, err);
}

static bool hand_out(const store_task *t, const char *labeler, int64_t expires_at,
                     control_reply *reply, api_error *err)
{
    uint32_t order[LIMIT_LABEL_MAX_K];
    if (t->n_outputs > LIMIT_LABEL_MAX_K)
        return api_fail(err, 500, "server_error", NULL, NULL, "the task has too many outputs");
    task_order(t->id, labeler, order, (uint32_t)t->n_outputs);
    return api_task_write(&reply->body, t, order, expires_at, err);
}

bool control_task_next(const control *c, const control_request *request, control_reply *reply,
                       api_error *err)
{
    char kind[8], after[65] = "";
    store_task t;
    int64_t expires_at;
    error_text why;
    const key_info *key = request->key;
    if (!c->store)
        return control_not_ready(err);
    if (!read_kind(request, kind, err))
        return false;
    query_value(request->query, "after", after, sizeof after);
    const store_labeler who = {.user = key->user,
                               .role = key_role_text(key->role),
                               .reference = key->role == KEY_ROLE_RESEARCHER};
    const store_status status =
        store_task_lease(c->store, kind, &who, after, time(NULL), &t, &expires_at, &why);
    if (status == STORE_NOT_FOUND) {
        reply->status = 204;
        return true;
    }
    if (status != STORE_OK)
        return control_store_fail(err, status, NULL, &why);
    const bool ok = hand_out(&t, key->user, expires_at, reply, err);
    store_task_free(&t);
    return ok;
}

/* ---- labels ---- */

/* What the store said of a label: 201 for a new one, 200 for one that was there. */
static bool answer(const control *c, store_status status, const store_submitted *done,
                   metric_value metric, const error_text *why, control_reply *reply, api_error *err)
{
    if (status == STORE_CONFLICT)
        return api_fail(err, 409, "conflict_error", "already_labeled", "task_id", "task_id: %s",
                        why->text);
    if (status != STORE_OK)
        return control_store_fail(err, status, "task_id", why);
    reply->status = done->repeated ? 200 : 201;
    if (!done->repeated)
        metrics_add(c->metrics, metric, 1);
    api_submitted_write(&reply->body, done->id);
    return true;
}

static bool find_task(const control *c, const control_request *request, const char *id,
                      store_task *out, api_error *err)
{
    error_text why;
    const store_status status = store_task_get(c->store, id, out, &why);
    if (status != STORE_OK)
        return control_store_fail(err, status, "task_id", &why);
    if (may_label(request->key, out->kind, err))
        return true;
    store_task_free(out);
    return false;
}

static void make_id(char *out, size_t size, const char *prefix)
{
    char hex[25];
    random_hex(hex, 12);
    snprintf(out, size, "%s%s", prefix, hex);
}

static bool rank(const control *c, const control_request *request, const api_ranking *body,
                 const store_task *task, control_reply *reply, api_error *err)
{
    char id[40];
    error_text why;
    store_submitted done;
    make_id(id, sizeof id, "ranking-");
    store_ranking row = {.id = id,
                         .submission = (char *)body->submission,
                         .labeler = (char *)request->key->user,
                         .role = (char *)key_role_text(request->key->role),
                         .task = (char *)body->task,
                         .comment = (char *)body->comment,
                         .rate_ms = (uint64_t)body->rate_ms,
                         .rank_ms = (uint64_t)body->rank_ms,
                         .created_at = time(NULL)};
    if (strcmp(task->kind, "demo") == 0)
        return api_invalid(err, "invalid_value", "task_id",
                           "task_id: this task asks for a demonstration");
    if (!api_ranking_check(body, task, err))
        return false;
    if (!api_ranking_texts(body, &row))
        return api_no_memory(err);
    const store_status status = store_ranking_insert(c->store, &row, &done, &why);
    free(row.shown_json);
    free(row.ratings_json);
    free(row.groups_json);
    const bool eval = strcmp(task->kind, "eval") == 0;
    return answer(c, status, &done, eval ? METRIC_LABELS_EVAL : METRIC_LABELS_RANK, &why, reply,
                  err);
}

bool control_ranking_create(const control *c, const control_request *request, control_reply *reply,
                            api_error *err)
{
    api_ranking body;
    store_task task;
    if (!c->store)
        return control_not_ready(err);
    if (!api_ranking_read(&body, request->body, request->body_len, err))
        return false;
    bool ok = find_task(c, request, body.task, &task, err);
    if (ok) {
        ok = rank(c, request, &body, &task, reply, err);
        store_task_free(&task);
    }
    api_ranking_free(&body);
    return ok;
}

/* A demonstration may have no task: its labeler wrote the prompt too. */
static bool check_demo_task(const control *c, const control_request *request, const char *id,
                            api_error *err)
{
    store_task task;
    if (!may_label(request->key, "demo", err))
        return false;
    if (!id)
        return true;
    if (!find_task(c, request, id, &task, err))
        return false;
    const bool ok =
        strcmp(task.kind, "demo") == 0 ||
        api_invalid(err, "invalid_value", "task_id", "task_id: this task asks for a ranking");
    store_task_free(&task);
    return ok;
}

bool control_demonstration_create(const control *c, const control_request *request,
                                  control_reply *reply, api_error *err)
{
    api_demonstration body;
    char id[40];
    error_text why;
    store_submitted done;
    if (!c->store)
        return control_not_ready(err);
    if (!api_demonstration_read(&body, request->body, request->body_len, err))
        return false;
    make_id(id, sizeof id, "demo-");
    const store_demonstration row = {.id = id,
                                     .submission = (char *)body.submission,
                                     .labeler = (char *)request->key->user,
                                     .role = (char *)key_role_text(request->key->role),
                                     .task = (char *)body.task,
                                     .prompt_kind = (char *)body.prompt_kind,
                                     .prompt = (char *)body.prompt,
                                     .category = (char *)body.category,
                                     .completion = (char *)body.completion,
                                     .source = (char *)body.source,
                                     .base_request = (char *)body.base_request,
                                     .guideline = GUIDELINE_VERSION,
                                     .created_at = time(NULL)};
    bool ok = check_demo_task(c, request, body.task, err);
    if (ok) {
        const store_status status = store_demonstration_insert(c->store, &row, &done, &why);
        ok = answer(c, status, &done, METRIC_LABELS_DEMO, &why, reply, err);
    }
    api_demonstration_free(&body);
    return ok;
}

bool control_skip_create(const control *c, const control_request *request, control_reply *reply,
                         api_error *err)
{
    api_skip body;
    char id[40];
    error_text why;
    store_submitted done;
    if (!c->store)
        return control_not_ready(err);
    if (!api_skip_read(&body, request->body, request->body_len, err))
        return false;
    make_id(id, sizeof id, "skip-");
    const store_skip row = {.id = id,
                            .submission = (char *)body.submission,
                            .labeler = (char *)request->key->user,
                            .role = (char *)key_role_text(request->key->role),
                            .task = (char *)body.task,
                            .reason = (char *)body.reason,
                            .note = (char *)body.note,
                            .created_at = time(NULL)};
    const store_status status = store_skip_insert(c->store, &row, &done, &why);
    const bool ok = answer(c, status, &done, METRIC_LABELS_SKIP, &why, reply, err);
    api_skip_free(&body);
    return ok;
}

/* ---- GET /v1/labels: one's own ---- */

bool control_own_labels(const control *c, const control_request *request, control_reply *reply,
                        api_error *err)
{
    control_page page;
    store_own_label *rows = NULL;
    size_t n = 0;
    bool more = false, ok = true;
    error_text why;
    if (!c->store)
        return control_not_ready(err);
    if (!control_page_read(&page, request, err))
        return false;
    const store_status status =
        store_own_labels(c->store, request->key->user, page.page, &rows, &n, &more, &why);
    if (status != STORE_OK)
        return control_store_fail(err, status, "after", &why);
    list_begin(&reply->body);
    for (size_t i = 0; i < n; i++) {
        list_next(&reply->body, i);
        ok = ok && api_own_label_write(&reply->body, &rows[i], err);
        store_own_label_free(&rows[i]);
    }
    free(rows);
    list_end(&reply->body, more);
    return ok && (!reply->body.failed || api_no_memory(err));
}
