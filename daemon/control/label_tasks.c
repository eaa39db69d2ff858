/* Making label tasks, from what was captured or from a file. */
#include "api/json_out.h"
#include "api/label_tasks.h"
#include "base/data_files.h"
#include "base/limits.h"
#include "base/random.h"
#include "control/labels.h"
#include "control/page.h"
#include "human/label_sampler.h"
#include "human/tasks.h"
#include "policy/publish.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A batch in the making. */
typedef struct making {
    const control *control;
    const api_task_batch *batch;
    const char *created_by;
    char policies[LIMIT_LABEL_POLICIES * (POLICY_ID_CHARS + 1) + 1]; /* ids, a space between */
    store_task *tasks;                                               /* [batch.limit] */
    size_t n, bytes;
} making;

static void making_free(making *m)
{
    for (size_t i = 0; i < m->n; i++)
        store_task_free(&m->tasks[i]);
    free(m->tasks);
}

/* ---- policies ---- */

/* The id that a name stands for now; a policy that only lies on disk is loaded, which also tells
 * whether it can be. */
static bool resolve(const control *c, const char *name, char id[POLICY_ID_CHARS + 1],
                    api_error *err)
{
    char label[96];
    policy *p = NULL;
    error_text why;
    policy_lookup found = policy_resolve(c->registry, name, &p, label);
    if (found == POLICY_NOT_RESIDENT && c->publisher && policy_id_valid(name) &&
        publisher_ensure(c->publisher, name, &why) == PUBLISH_OK)
        found = policy_resolve(c->registry, name, &p, label);
    if (found == POLICY_NOT_READY)
        return control_not_ready(err);
    if (found != POLICY_FOUND)
        return api_fail(err, 404, "not_found_error", "model_not_found", "policies",
                        "policies: there is no model %.64s", name);
    const bool scores = eng_model_has_score(policy_model(p));
    snprintf(id, POLICY_ID_CHARS + 1, "%s", policy_id(p));
    policy_unref(p);
    return !scores || api_invalid(err, "invalid_value", "policies",
                                  "policies: %.64s is a reward model: it writes nothing", name);
}

/* All that the batch names; without any, what the default alias stands for. */
static bool resolve_all(making *m, api_error *err)
{
    const api_task_batch *b = m->batch;
    for (size_t i = 0; i < b->n_policies || i == 0; i++) {
        char id[POLICY_ID_CHARS + 1];
        if (!resolve(m->control, b->n_policies ? b->policies[i] : NULL, id, err))
            return false;
        if (i)
            strcat(m->policies, " ");
        strcat(m->policies, id);
    }
    return true;
}

/* ---- tasks ---- */

/* Fills in what all tasks of the batch share, and whether its outputs are to be drawn. */
static bool complete_task(making *m, store_task *t, api_error *err)
{
    const api_task_batch *b = m->batch;
    const bool draws = b->k && !t->n_outputs;
    char id[sizeof "task-" + 24] = "task-";
    random_hex(id + strlen(id), 12);
    t->id = strdup(id);
    t->kind = strdup(b->kind);
    t->criterion = strdup(b->criterion);
    t->policies = strdup(draws ? m->policies : "");
    t->created_by = strdup(m->created_by);
    if (!t->owner)
        t->owner = strdup("");
    t->k = t->n_outputs ? (uint32_t)t->n_outputs : (uint32_t)b->k;
    t->max_tokens = (uint32_t)b->max_tokens;
    t->overlap = task_overlap(m->n, (uint32_t)b->overlap, b->sample_share, (uint32_t)b->sample_n);
    t->gold = b->gold;
    t->guideline = GUIDELINE_VERSION;
    t->seed = random_u64();
    t->created_at = time(NULL);
    for (size_t i = 0; i < t->n_outputs; i++) {
        char out_id[sizeof "out-" + 24] = "out-";
        random_hex(out_id + strlen(out_id), 12);
        t->outputs[i].id = strdup(out_id);
        if (!t->outputs[i].id)
            return api_no_memory(err);
    }
    return (t->id && t->kind && t->criterion && t->policies && t->created_by && t->owner) ||
           api_no_memory(err);
}

static size_t text_bytes(const store_task *t)
{
    size_t n = strlen(t->prompt);
    for (size_t i = 0; i < t->n_outputs; i++)
        n += strlen(t->outputs[i].text);
    return n;
}

/* Takes the task over. */
static bool add(making *m, store_task *t, api_error *err)
{
    bool ok = complete_task(m, t, err);
    m->bytes += text_bytes(t);
    m->tasks[m->n++] = *t;
    return ok && (m->bytes <= LIMIT_LABEL_BATCH_BYTES ||
                  api_invalid(err, "invalid_value", "limit",
                              "limit: the texts of %zu tasks pass %d bytes; make fewer at a time",
                              m->n, LIMIT_LABEL_BATCH_BYTES));
}

static bool add_captured(making *m, api_error *err)
{
    store_prompt *rows;
    size_t n;
    error_text why;
    const store_status status =
        store_prompts_without_task(m->control->store, m->batch->kind, m->batch->criterion,
                                   (uint32_t)m->batch->limit, &rows, &n, &why);
    if (status != STORE_OK)
        return control_store_fail(err, status, NULL, &why);
    bool ok = true;
    for (size_t i = 0; i < n; i++) {
        store_prompt *p = &rows[i];
        store_task t = {.prompt_id = p->id, .owner = p->user, .form = p->form, .prompt = p->prompt};
        p->id = p->user = p->form = p->prompt = NULL;
        store_prompt_free(p);
        if (ok)
            ok = add(m, &t, err);
        else
            store_task_free(&t);
    }
    free(rows);
    return ok;
}

/* ---- a file's lines ---- */

static bool blame_line(api_error *err, size_t line)
{
    char message[sizeof err->message];
    memcpy(message, err->message, sizeof message);
    snprintf(err->message, sizeof err->message, "source: line %zu: %.440s", line, message);
    snprintf(err->param, sizeof err->param, "source");
    return false;
}

static bool add_line(making *m, const char *line, size_t len, size_t number, api_error *err)
{
    store_task t;
    if (!api_task_line_read(&t, line, len, err))
        return blame_line(err, number);
    t.file = strdup(m->batch->source);
    return add(m, &t, err) && (t.file || api_no_memory(err));
}

static bool is_blank(const char *line)
{
    return line[strspn(line, " \t\r\n")] == 0;
}

static bool add_lines(making *m, FILE *f, api_error *err)
{
    char *line = NULL;
    size_t cap = 0, number = 0;
    ssize_t n;
    bool ok = true;
    while (ok && m->n < (size_t)m->batch->limit && (n = getline(&line, &cap, f)) > 0) {
        number++;
        if (n > LIMIT_BODY_BYTES)
            ok = api_invalid(err, "invalid_value", "source",
                             "source: line %zu is longer than %d bytes", number, LIMIT_BODY_BYTES);
        else if (!is_blank(line))
            ok = add_line(m, line, (size_t)n, number, err);
    }
    free(line);
    return ok;
}

static bool add_file(making *m, api_error *err)
{
    store_file row;
    error_text why;
    const store_status status = store_file_get(m->control->store, m->batch->source, &row, &why);
    if (status != STORE_OK)
        return control_store_fail(err, status, "source", &why);
    store_file_free(&row);
    const int fd = data_file_open(m->control->data_dir, m->batch->source, &why);
    FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (!f) {
        if (fd >= 0)
            close(fd);
        return api_fail(err, 500, "server_error", NULL, NULL, "the file's content is not there");
    }
    const bool ok = add_lines(m, f, err);
    fclose(f);
    return ok;
}

/* ---- POST, GET /v1/labels/tasks ---- */

static void write_batch(const making *m, control_reply *reply)
{
    size_t waiting = 0;
    for (size_t i = 0; i < m->n; i++)
        waiting += m->tasks[i].policies[0] != 0;
    reply->status = 201;
    JSON_LIT(&reply->body, "{\"object\":\"label.batch\",\"kind\":");
    json_cstring(&reply->body, m->batch->kind);
    JSON_LIT(&reply->body, ",\"tasks\":");
    json_uint(&reply->body, m->n);
    JSON_LIT(&reply->body, ",\"sampling\":");
    json_uint(&reply->body, waiting);
    buf_putc(&reply->body, '}');
}

static bool make(making *m, control_reply *reply, api_error *err)
{
    error_text why;
    m->tasks = calloc((size_t)m->batch->limit, sizeof *m->tasks);
    if (!m->tasks)
        return api_no_memory(err);
    if (m->batch->k && !resolve_all(m, err))
        return false;
    if (!(strcmp(m->batch->source, "captured") == 0 ? add_captured(m, err) : add_file(m, err)))
        return false;
    const store_status status = store_tasks_insert(m->control->store, m->tasks, m->n, &why);
    if (status != STORE_OK)
        return control_store_fail(err, status, NULL, &why);
    label_sampler_wake(m->control->sampler);
    write_batch(m, reply);
    return true;
}

bool control_tasks_create(const control *c, const control_request *request, control_reply *reply,
                          api_error *err)
{
    api_task_batch batch;
    if (!c->store)
        return control_not_ready(err);
    if (!api_task_batch_read(&batch, request->body, request->body_len, err))
        return false;
    making m = {.control = c, .batch = &batch, .created_by = request->key->user};
    const bool ok = make(&m, reply, err);
    making_free(&m);
    api_task_batch_free(&batch);
    return ok;
}

bool control_tasks_count(const control *c, const control_request *request, control_reply *reply,
                         api_error *err)
{
    (void)request;
    store_task_count *rows;
    size_t n;
    error_text why;
    if (!c->store)
        return control_not_ready(err);
    const store_status status = store_task_counts(c->store, &rows, &n, &why);
    if (status != STORE_OK)
        return control_store_fail(err, status, NULL, &why);
    api_task_counts_write(&reply->body, rows, n);
    for (size_t i = 0; i < n; i++)
        free(rows[i].kind);
    free(rows);
    return true;
}
