/* Weights to a policy: gates, likeness, draft, verification, canary, name, alias. */
#include "policy/state.h"

#include "base/alias_name.h"
#include "base/clock.h"
#include "base/log.h"
#include "formats/checkpoint.h"
#include "formats/descent.h"
#include "policy/canary.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- gates ---- */

static bool passes(const publish_gate *g)
{
    return strncmp(g->name, "min_", 4) == 0 ? g->measured >= g->bound : g->measured <= g->bound;
}

/* A bound without a measurement is a refusal: what was not looked at has not passed. */
static publish_result check_gates(const publish_request *r, error_text *err)
{
    for (size_t i = 0; i < r->n_gates; i++) {
        const publish_gate *g = &r->gates[i];
        if (passes(g))
            continue;
        if (isnan(g->measured))
            error_text_set(err, "gate %.60s is %g, and nothing was measured for it", g->name,
                           g->bound);
        else
            error_text_set(err, "gate %.60s is %g, measured was %g", g->name, g->bound,
                           g->measured);
        return PUBLISH_REFUSED;
    }
    return PUBLISH_OK;
}

/* ---- one publish ---- */

typedef struct publishing {
    publisher *p;
    const publish_request *request;
    eng_weights weights;
    char base[VERSIONS_PATH_BYTES], draft[VERSIONS_PATH_BYTES];
    char id[POLICY_ID_CHARS + 1];
    bool drafted;
    eng_model *model; /* the private copy */
    publish_result result;
    eng_error why;
} publishing;

static void fail(publishing *b, publish_result result)
{
    b->result = result;
}

/* What the weights themselves are to blame for is a refusal; a base that cannot be read is not. */
static bool check_weights(publishing *b)
{
    eng_status st = eng_weights_check_descent(b->base, &b->weights, &b->why);
    if (st != ENG_OK)
        fail(b, st == ENG_INVALID ? PUBLISH_REFUSED : publish_result_of(st));
    return st == ENG_OK;
}

static eng_checkpoint_options checkpoint_options(const publishing *b, eng_checkpoint_metric *values)
{
    const publish_request *r = b->request;
    for (size_t i = 0; i < r->n_metrics; i++)
        values[i] = (eng_checkpoint_metric){r->metrics[i].name, r->metrics[i].measured};
    return (eng_checkpoint_options){.dtype = ENG_F32,
                                    .stage = r->stage,
                                    .parent = r->parent,
                                    .job_spec_sha256 = r->job_spec_sha256,
                                    .reward_model = r->reward_model,
                                    .code_rev = b->p->code_rev,
                                    .datasets = r->datasets,
                                    .n_datasets = r->n_datasets,
                                    .kl_coef = isnan(r->kl_coef) ? NULL : &r->kl_coef,
                                    .ptx_coef = isnan(r->ptx_coef) ? NULL : &r->ptx_coef,
                                    .seed = &r->seed,
                                    .metrics = values,
                                    .n_metrics = r->n_metrics};
}

static bool write_draft(publishing *b)
{
    eng_checkpoint_metric *values = calloc(b->request->n_metrics + 1, sizeof *values);
    eng_status st = ENG_NOMEM;
    if (values) {
        const eng_checkpoint_options options = checkpoint_options(b, values);
        st = eng_checkpoint_write_weights(b->base, &b->weights, b->draft, &options, b->id, &b->why);
    } else {
        eng_fail(&b->why, st, "out of memory");
    }
    free(values);
    b->drafted = st == ENG_OK;
    if (st != ENG_OK)
        fail(b, st == ENG_FORMAT ? PUBLISH_REFUSED : publish_result_of(st)); /* not finite */
    return st == ENG_OK;
}

/* What was written is read again: digests, then the copy that would serve. */
static bool open_draft(publishing *b)
{
    char id[ENG_POLICY_ID_BYTES];
    eng_model_options options = b->p->published_options;
    options.n_threads = 1;
    eng_status st = eng_checkpoint_verify(b->draft, id, &b->why);
    if (st == ENG_OK)
        st = eng_model_open(&b->model, b->draft, &options, &b->why);
    if (st != ENG_OK) /* the disk gave back something else than it was given */
        fail(b, st == ENG_NOMEM ? PUBLISH_NO_MEMORY : PUBLISH_UNAVAILABLE);
    return st == ENG_OK;
}

static bool run_canary(publishing *b)
{
    eng_status st = canary_run(b->model, &b->why);
    if (st != ENG_OK)
        fail(b, st == ENG_INVALID ? PUBLISH_REFUSED : publish_result_of(st));
    return st == ENG_OK;
}

static void prepare(publishing *b)
{
    if (check_weights(b) && write_draft(b) && open_draft(b) && run_canary(b))
        b->result = PUBLISH_OK;
}

/* ---- the name ---- */

static bool name_draft(publishing *b, error_text *err)
{
    publisher *p = b->p;
    eng_error why;
    char path[VERSIONS_PATH_BYTES];
    worker_waits(p->worker);
    versions_commit_result r = versions_commit(p->versions, b->draft, b->id, err);
    if (r == VERSIONS_EXISTS) {
        if (!versions_path(p->versions, b->id, path))
            eng_fail(&why, ENG_FORMAT, "it is no directory");
        else if (eng_checkpoint_verify(path, NULL, &why) == ENG_OK)
            return true; /* the same bytes were there before; the draft is dropped */
        log_event(LOG_ERROR, "policy_damaged", "policy=%s error=\"%s\"", b->id, why.text);
        if (!versions_quarantine(p->versions, b->id, err))
            return false;
        r = versions_commit(p->versions, b->draft, b->id, err);
    }
    if (r == VERSIONS_COMMITTED)
        b->drafted = false;
    if (r == VERSIONS_FAILED && versions_path(p->versions, b->id, path)) {
        error_text removal; /* a name that may not last is no name */
        versions_remove(p->versions, b->id, &removal);
    }
    return r == VERSIONS_COMMITTED;
}

/* The policy is on disk; its copy becomes resident. The caller unrefs. */
static publish_result make_resident(publishing *b, policy **out, error_text *err)
{
    publisher *p = b->p;
    *out = policy_create(b->model, b->id, b->request->stage, versions_time(p->versions, b->id));
    b->model = NULL;
    if (*out && policy_registry_add(p->registry, *out, POLICY_SPARE))
        return PUBLISH_OK;
    policy_unref(*out);
    *out = NULL;
    error_text_set(err, "policy %s: no memory, or too many policies are in it", b->id);
    return PUBLISH_NO_MEMORY;
}

/* On PUBLISH_OK *out is resident and on disk. */
static publish_result make_policy(publishing *b, policy **out, error_text *err)
{
    publisher *p = b->p;
    const publish_request *r = b->request;
    if (!publisher_locate(p, r->weights.base_policy, b->base)) {
        error_text_set(err, "policy %.64s: neither on disk nor the base model",
                       r->weights.base_policy);
        return PUBLISH_NOT_FOUND;
    }
    eng_model_options options = p->published_options;
    options.n_threads = 1;
    const make_room m = {.alias = r->alias, .path = b->base, .options = &options, .writes = true};
    publish_result result = publisher_make_room(p, &m, err);
    if (result != PUBLISH_OK)
        return result;
    versions_draft(p->versions, b->draft);
    prepare(b);
    result = b->result;
    if (result != PUBLISH_OK)
        error_text_set(err, "%s", b->why.text);
    else if (r->alias)
        result = publisher_check_head(p, r->alias, b->model, err);
    if (result == PUBLISH_OK)
        result = name_draft(b, err) ? make_resident(b, out, err) : PUBLISH_UNAVAILABLE;
    if (b->drafted) {
        worker_waits(p->worker);
        versions_discard(p->versions, b->draft);
    }
    eng_model_unref(b->model);
    return result;
}

/* Moves the alias from what it was when the publish began: somebody who moved it meanwhile, perhaps
 * back, has the last word. */
static publish_result move_alias(publisher *p, const publish_request *r, const char *id,
                                 int64_t version, error_text *err)
{
    const publish_move move = {.alias = r->alias,
                               .policy = id,
                               .expected_version = version,
                               .keep_in_flight = true,
                               .actor = r->actor,
                               .reason = r->reason};
    alias_state state;
    return publisher_move(p, &move, &state, err);
}

static publish_result publish(publisher *p, const publish_request *request, int64_t version,
                              char id[POLICY_ID_CHARS + 1], error_text *err)
{
    publishing b = {.p = p,
                    .request = request,
                    .weights = {request->weights.tensors, request->weights.n_tensors},
                    .result = PUBLISH_UNAVAILABLE};
    policy *made = NULL;
    publish_result result = make_policy(&b, &made, err);
    if (result != PUBLISH_OK)
        return result;
    snprintf(id, POLICY_ID_CHARS + 1, "%s", b.id);
    publisher_note_state(p, id, request->stage, "validated", request->job);
    if (request->alias)
        result = move_alias(p, request, id, version, err);
    policy_unref(made);
    publisher_collect(p); /* also after a stale one, which is a policy that never served */
    return result;
}

/* A publish as a task of the worker. */
typedef struct publish_task {
    publisher *p;
    const publish_request *request;
    int64_t version; /* of the alias when the publish was asked for */
    char *id;
    error_text *err;
    publish_result result;
} publish_task;

static void run_publish(void *arg)
{
    publish_task *t = arg;
    t->result = publish(t->p, t->request, t->version, t->id, t->err);
}

/* What can be told at once is told by the caller's thread. */
static publish_result check_and_publish(publisher *p, const publish_request *request,
                                        char id[POLICY_ID_CHARS + 1], error_text *err)
{
    alias_version current;
    publish_task task = {p, request, PUBLISH_CREATE, id, err, PUBLISH_UNAVAILABLE};
    if (request->alias && !alias_name_valid(request->alias)) {
        error_text_set(err, "alias %.80s: " ALIAS_NAME_RULE, request->alias);
        return PUBLISH_INVALID;
    }
    publish_result result = check_gates(request, err);
    if (result != PUBLISH_OK)
        return result;
    if (request->alias && publisher_lookup_alias(p, request->alias, &current, NULL))
        task.version = (int64_t)current.number;
    publisher_run(p, run_publish, &task);
    return task.result;
}

static void count(publisher *p, publish_result result, double seconds)
{
    static const metric_value counters[] = {
        [PUBLISH_OK] = METRIC_PUBLISHES_OK,
        [PUBLISH_REFUSED] = METRIC_PUBLISHES_REFUSED,
        [PUBLISH_INVALID] = METRIC_PUBLISHES_INVALID,
        [PUBLISH_NO_MEMORY] = METRIC_PUBLISHES_NO_MEMORY,
        [PUBLISH_UNAVAILABLE] = METRIC_PUBLISHES_UNAVAILABLE,
        [PUBLISH_NOT_FOUND] = METRIC_PUBLISHES_INVALID,
        [PUBLISH_STALE] = METRIC_PUBLISHES_STALE,
        [PUBLISH_EXISTS] = METRIC_PUBLISHES_STALE,
        [PUBLISH_IN_USE] = METRIC_PUBLISHES_INVALID, /* these three are of no publish */
        [PUBLISH_FULL] = METRIC_PUBLISHES_INVALID,
        [PUBLISH_LATER] = METRIC_PUBLISHES_INVALID,
    };
    if (!p->metrics)
        return;
    metrics_add(p->metrics, counters[result], 1);
    metrics_observe(p->metrics, METRIC_PUBLISH_SECONDS, seconds);
}

static double now_s(void)
{
    return (double)clock_now_ns() / 1e9;
}

publish_result publisher_publish(publisher *p, const publish_request *request,
                                 char id[POLICY_ID_CHARS + 1], error_text *err)
{
    const double start = now_s();
    id[0] = 0;
    publish_result result = check_and_publish(p, request, id, err);
    count(p, result, now_s() - start);
    if (result == PUBLISH_OK)
        log_event(LOG_INFO, "published", "policy=%s stage=%s alias=%s", id, request->stage,
                  request->alias ? request->alias : "-");
    else
        log_event(LOG_WARN, "publish_refused", "stage=%s alias=%s reason=\"%s\"", request->stage,
                  request->alias ? request->alias : "-", err->text);
    return result;
}
