#include "host/rollout.h"

#include "base/limits.h"
#include "base/random.h"
#include "bridge/mailbox.h"
#include "bridge/messages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_IN_FLIGHT = 64, WAIT_MS = 100 };

struct rollout_source {
    policy_registry *registry;
    sched_options options;
    uint64_t tenant;       /* rollouts share prefixes among themselves alone */
    mailbox inbox, outbox; /* to and from the scheduler */
    metrics *metrics;      /* of its own: people's latencies are counted elsewhere */
    sched *sched;          /* NULL until the first rollouts */
    eng_model *shape;      /* a reference: what sched's runtime was made for */
    uint64_t last_id;
    struct drawing *drawing; /* under way, or NULL */
};

/* What the caller gets; `rollouts` comes first, so that rollout_free finds the rest. */
typedef struct rollout_results {
    instructd_rollouts rollouts;
    char policy[POLICY_ID_CHARS + 1];
    instructd_rollout items[];
} rollout_results;

/* What was begun and not waited for. */
typedef struct drawing {
    rollout_source *source;
    instructd_rollout_request request; /* prompts and their tokens are copies */
    policy *policy;                    /* a reference */
    rollout_results *results;
    uint32_t *first;   /* [n_prompts] index of each prompt's first result */
    uint64_t first_id; /* prompt p is request first_id + p */
    uint32_t n_sent, n_done;
    bool *done; /* [n_prompts] */
    int rc;     /* the first failure */
    char err[INSTRUCTD_ERROR_BYTES];
} drawing;

/* ---- life -------------------------------------------------------------------------------------
 */

rollout_source *rollout_source_create(policy_registry *registry, const sched_options *options)
{
    rollout_source *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->registry = registry;
    r->options = *options;
    r->options.runtime.low_priority = true;
    r->options.busy_step_ns = 0; /* nobody reads along */
    r->tenant = random_u64() | 1;
    r->metrics = metrics_create();
    bool in = mailbox_init(&r->inbox, LIMIT_MAILBOX, NULL, NULL);
    bool out = mailbox_init(&r->outbox, LIMIT_MAILBOX, NULL, NULL);
    if (r->metrics && in && out)
        return r;
    if (in)
        mailbox_destroy(&r->inbox);
    if (out)
        mailbox_destroy(&r->outbox);
    metrics_free(r->metrics);
    free(r);
    return NULL;
}

static void drop_events(rollout_source *r)
{
    for (mail *m = mailbox_take(&r->outbox); m;) {
        mail *next = m->next;
        event_free((event *)(void *)m);
        m = next;
    }
}

static void stop_scheduler(rollout_source *r)
{
    sched_stop(r->sched);
    r->sched = NULL;
    eng_model_unref(r->shape);
    r->shape = NULL;
    drop_events(r);
}

void rollout_source_free(rollout_source *r)
{
    if (!r)
        return;
    rollout_cancel(r);
    stop_scheduler(r);
    mailbox_destroy(&r->inbox);
    mailbox_destroy(&r->outbox);
    metrics_free(r->metrics);
    free(r);
}

static bool same_shape(const eng_model *a, const eng_model *b)
{
    return eng_config_same_shape(eng_model_config(a), eng_model_config(b));
}

/* A scheduler whose runtime can run the policy. */
static int need_scheduler(rollout_source *r, policy *p, char *err)
{
    eng_error why;
    if (r->sched && same_shape(r->shape, policy_model(p)))
        return INSTRUCTD_OK;
    stop_scheduler(r);
    if (sched_start(&r->sched, p, &r->options, &r->inbox, &r->outbox, r->metrics, &why) != ENG_OK) {
        snprintf(err, INSTRUCTD_ERROR_BYTES, "rollouts: %.400s", why.text);
        return INSTRUCTD_E_NOMEM;
    }
    r->shape = eng_model_ref(policy_model(p));
    return INSTRUCTD_OK;
}

/* ---- a drawing's beginning
 * -----------------------------------------------------------------------
 */

static int invalid(char *err, const char *what, uint32_t prompt, unsigned long long found,
                   unsigned long long most)
{
    snprintf(err, INSTRUCTD_ERROR_BYTES, "rollouts: prompt %u: %s %llu, expected 1 to %llu", prompt,
             what, found, most);
    return INSTRUCTD_E_INVALID;
}

static int check_prompt(drawing *d, uint32_t i)
{
    const instructd_rollout_prompt *p = &d->request.prompts[i];
    const eng_config *c = eng_model_config(policy_model(d->policy));
    const uint64_t longest = (uint64_t)p->n_tokens + d->request.max_tokens;
    const uint64_t room = sched_pool_tokens(d->source->sched);
    if (p->n_samples < 1 || p->n_samples > LIMIT_CHOICES)
        return invalid(d->err, "n_samples", i, p->n_samples, LIMIT_CHOICES);
    if (!p->n_tokens || longest > c->n_ctx)
        return invalid(d->err, "n_tokens + max_tokens", i, longest, c->n_ctx);
    if (longest > room)
        return invalid(d->err, "n_tokens + max_tokens (KV pool)", i, longest, room);
    for (uint32_t t = 0; t < p->n_tokens; t++)
        if (p->tokens[t] < 0 || (uint32_t)p->tokens[t] >= c->n_vocab)
            return invalid(d->err, "token id", i, (uint32_t)p->tokens[t], c->n_vocab - 1);
    return INSTRUCTD_OK;
}

static int check_request(drawing *d)
{
    if (!d->request.max_tokens || !(d->request.temperature > 0)) {
        snprintf(d->err, INSTRUCTD_ERROR_BYTES,
                 "rollouts: max_tokens %u and temperature %g must be positive",
                 d->request.max_tokens, (double)d->request.temperature);
        return INSTRUCTD_E_INVALID;
    }
    for (uint32_t i = 0; i < d->request.n_prompts; i++) {
        int rc = check_prompt(d, i);
        if (rc != INSTRUCTD_OK)
            return rc;
    }
    return INSTRUCTD_OK;
}

static int out_of_memory(char *err)
{
    snprintf(err, INSTRUCTD_ERROR_BYTES, "rollouts: out of memory");
    return INSTRUCTD_E_NOMEM;
}

static int make_results(drawing *d)
{
    const instructd_rollout_request *q = &d->request;
    uint32_t n = 0;
    d->first = calloc(q->n_prompts + 1, sizeof *d->first);
    d->done = calloc(q->n_prompts + 1, sizeof *d->done);
    if (!d->first || !d->done)
        return out_of_memory(d->err);
    for (uint32_t i = 0; i < q->n_prompts; n += q->prompts[i++].n_samples)
        d->first[i] = n;
    d->results = calloc(1, sizeof *d->results + n * sizeof d->results->items[0]);
    if (!d->results)
        return out_of_memory(d->err);
    d->results->rollouts = (instructd_rollouts){
        .size = sizeof d->results->rollouts, .n = n, .rollouts = d->results->items};
    snprintf(d->results->policy, sizeof d->results->policy, "%s", policy_id(d->policy));
    return INSTRUCTD_OK;
}

static int find_policy(rollout_source *r, const char *id, policy **out, char *err)
{
    char label[96];
    if (policy_resolve(r->registry, id, out, label) == POLICY_FOUND)
        return INSTRUCTD_OK;
    snprintf(err, INSTRUCTD_ERROR_BYTES, "rollouts: the policy %.60s is not in memory", id);
    return INSTRUCTD_E_NOT_FOUND;
}

/* ---- requests out, events in ------------------------------------------------------------------
 */

/* Prompt i as a request to the scheduler; NULL when memory is out. */
static gen_request *request_of(const drawing *d, uint32_t i)
{
    const instructd_rollout_prompt *p = &d->request.prompts[i];
    gen_request *r = gen_request_create();
    if (!r)
        return NULL;
    r->id = d->first_id + i;
    r->class = GEN_BACKGROUND;
    r->policy = policy_ref(d->policy);
    r->tenant = d->source->tenant;
    r->n = r->best_of = p->n_samples;
    r->max_tokens = d->request.max_tokens;
    r->n_logprobs = -1;
    r->drawn_logprobs = r->format.return_token_ids = true;
    r->sampling = (eng_sampling){.temperature = d->request.temperature,
                                 .top_p = 1,
                                 .seed = p->seed,
                                 .choice = p->first_choice};
    r->prompts = calloc(1, sizeof *r->prompts);
    int32_t *tokens = malloc(p->n_tokens * sizeof *tokens);
    if (!r->prompts || !tokens) {
        free(tokens);
        gen_request_unref(r);
        return NULL;
    }
    memcpy(tokens, p->tokens, p->n_tokens * sizeof *tokens);
    r->prompts[0] = (gen_prompt){.tokens = tokens, .n_tokens = p->n_tokens};
    r->n_prompts = 1;
    return r;
}

/* Keeps MAX_IN_FLIGHT prompts with the scheduler: enough for its batch, few enough for its queue.
 */
static int send_some(drawing *d)
{
    while (d->n_sent < d->request.n_prompts && d->n_sent - d->n_done < MAX_IN_FLIGHT) {
        cmd *c = cmd_create(CMD_SUBMIT, d->first_id + d->n_sent);
        if (c)
            c->request = request_of(d, d->n_sent);
        if (!c || !c->request || !mailbox_post(&d->source->inbox, &c->mail)) {
            cmd_free(c);
            return out_of_memory(d->err);
        }
        d->n_sent++;
    }
    return INSTRUCTD_OK;
}

/* Takes the ids and log-probs out of the chunk. */
static void keep_chunk(drawing *d, uint32_t prompt, gen_chunk *chunk)
{
    instructd_rollout *to = &d->results->items[d->first[prompt] + chunk->choice];
    *to = (instructd_rollout){.prompt = prompt,
                              .sample = chunk->choice,
                              .n_tokens = chunk->n_ids,
                              .ended = chunk->finish == GEN_FINISH_STOP,
                              .tokens = chunk->ids,
                              .logprobs = chunk->id_logprobs,
                              .policy = d->results->policy};
    chunk->ids = NULL;
    chunk->id_logprobs = NULL;
}

static int failure(drawing *d, gen_failure kind)
{
    static const struct {
        int code;
        const char *text;
    } of[] = {
        [GEN_FAIL_QUEUE_FULL] = {INSTRUCTD_E_INTERNAL, "the scheduler's queue is full"},
        [GEN_FAIL_DRAINING] = {INSTRUCTD_E_STOPPED, "the daemon is going down"},
        [GEN_FAIL_OUT_OF_MEMORY] = {INSTRUCTD_E_NOMEM, "out of memory"},
        [GEN_FAIL_NOT_FINITE] = {INSTRUCTD_E_NOT_FINITE, "the model gave a NaN or an infinity"},
        [GEN_FAIL_OTHER_SHAPE] = {INSTRUCTD_E_UNSUPPORTED, "the policy has another shape"},
    };
    snprintf(d->err, INSTRUCTD_ERROR_BYTES, "rollouts: %s", of[kind].text);
    return of[kind].code;
}

static int take_event(drawing *d, event *e)
{
    const uint64_t prompt = e->request_id - d->first_id;
    if (e->request_id < d->first_id || prompt >= d->request.n_prompts)
        return INSTRUCTD_OK; /* of an earlier drawing that was cancelled */
    if (e->kind == EV_CHUNK)
        keep_chunk(d, (uint32_t)prompt, &e->chunk);
    if (e->kind == EV_DONE || e->kind == EV_ERROR) {
        d->done[prompt] = true;
        d->n_done++;
    }
    return e->kind == EV_ERROR ? failure(d, e->error.kind) : INSTRUCTD_OK;
}

static int take_events(drawing *d)
{
    int rc = INSTRUCTD_OK;
    for (mail *m = mailbox_take(&d->source->outbox); m;) {
        event *e = (event *)(void *)m;
        m = m->next;
        int one = take_event(d, e);
        rc = rc == INSTRUCTD_OK ? one : rc;
        event_free(e);
    }
    return rc;
}

static void cancel_rest(const drawing *d)
{
    for (uint32_t i = 0; i < d->n_sent; i++) {
        cmd *c = d->done[i] ? NULL : cmd_create(CMD_CANCEL, d->first_id + i);
        if (c && !mailbox_post(&d->source->inbox, &c->mail))
            cmd_free(c); /* it runs to its end; its events are dropped */
    }
}

/* ---- under way --------------------------------------------------------------------------------
 */

static void drawing_free(drawing *d)
{
    if (d->results)
        rollout_free(&d->results->rollouts);
    for (uint32_t i = 0; d->request.prompts && i < d->request.n_prompts; i++)
        free((void *)(uintptr_t)d->request.prompts[i].tokens);
    free((void *)(uintptr_t)d->request.prompts);
    free(d->first);
    free(d->done);
    policy_unref(d->policy);
    free(d);
}

/* Prompts and tokens of the caller's request, which then points to copies. */
static int copy_request(drawing *d, const instructd_rollout_request *from)
{
    instructd_rollout_prompt *prompts = calloc((size_t)from->n_prompts + 1, sizeof *prompts);
    d->request = *from;
    d->request.prompts = prompts;
    d->request.policy = policy_id(d->policy);
    if (!prompts)
        return out_of_memory(d->err);
    for (uint32_t i = 0; i < from->n_prompts; i++) {
        const size_t bytes = from->prompts[i].n_tokens * sizeof *from->prompts[i].tokens;
        int32_t *tokens = malloc(bytes + 1);
        prompts[i] = from->prompts[i];
        prompts[i].tokens = tokens;
        if (!tokens) {
            d->request.n_prompts = i;
            return out_of_memory(d->err);
        }
        memcpy(tokens, from->prompts[i].tokens, bytes);
    }
    return INSTRUCTD_OK;
}

static int set_out(drawing *d, const instructd_rollout_request *request)
{
    int rc = find_policy(d->source, request->policy, &d->policy, d->err);
    if (rc == INSTRUCTD_OK)
        rc = need_scheduler(d->source, d->policy, d->err);
    if (rc == INSTRUCTD_OK)
        rc = copy_request(d, request);
    if (rc == INSTRUCTD_OK)
        rc = check_request(d);
    if (rc == INSTRUCTD_OK)
        rc = make_results(d);
    return rc == INSTRUCTD_OK ? send_some(d) : rc;
}

int rollout_begin(rollout_source *r, const instructd_rollout_request *request, char *err)
{
    if (r->drawing) {
        snprintf(err, INSTRUCTD_ERROR_BYTES,
                 "rollouts: expected one request at a time, found another one under way");
        return INSTRUCTD_E_INVALID;
    }
    drawing *d = calloc(1, sizeof *d);
    if (!d)
        return out_of_memory(err);
    d->source = r;
    d->first_id = r->last_id + 1;
    r->last_id += request->n_prompts;
    int rc = set_out(d, request);
    if (rc == INSTRUCTD_OK) {
        r->drawing = d;
        return rc;
    }
    snprintf(err, INSTRUCTD_ERROR_BYTES, "%s", d->err);
    cancel_rest(d);
    drawing_free(d);
    return rc;
}

static bool is_over(const drawing *d)
{
    return d->rc != INSTRUCTD_OK || d->n_done == d->request.n_prompts;
}

bool rollout_pump(rollout_source *r)
{
    drawing *d = r->drawing;
    if (!d || is_over(d))
        return true;
    d->rc = take_events(d);
    if (d->rc == INSTRUCTD_OK)
        d->rc = send_some(d);
    return is_over(d);
}

int rollout_wait(rollout_source *r, bool (*stopped)(void *arg), void *arg,
                 const instructd_rollouts **out, char *err)
{
    drawing *d = r->drawing;
    if (!d) {
        snprintf(err, INSTRUCTD_ERROR_BYTES, "rollouts: nothing was begun");
        return INSTRUCTD_E_INVALID;
    }
    while (!rollout_pump(r)) {
        if (stopped && stopped(arg)) {
            snprintf(d->err, sizeof d->err, "rollouts: stopped");
            d->rc = INSTRUCTD_E_STOPPED;
        } else {
            mailbox_wait(&r->outbox, WAIT_MS);
        }
    }
    const int rc = d->rc;
    if (rc == INSTRUCTD_OK) {
        *out = &d->results->rollouts;
        d->results = NULL;
    }
    snprintf(err, INSTRUCTD_ERROR_BYTES, "%s", d->err);
    rollout_cancel(r);
    return rc;
}

void rollout_cancel(rollout_source *r)
{
    if (!r->drawing)
        return;
    cancel_rest(r->drawing);
    drawing_free(r->drawing);
    r->drawing = NULL;
}

int rollout_generate(rollout_source *r, const instructd_rollout_request *request,
                     bool (*stopped)(void *arg), void *arg, const instructd_rollouts **out,
                     char *err)
{
    int rc = rollout_begin(r, request, err);
    return rc == INSTRUCTD_OK ? rollout_wait(r, stopped, arg, out, err) : rc;
}

void rollout_free(const instructd_rollouts *rollouts)
{
    for (uint32_t i = 0; rollouts && i < rollouts->n; i++) {
        free((void *)(uintptr_t)rollouts->rollouts[i].tokens);
        free((void *)(uintptr_t)rollouts->rollouts[i].logprobs);
    }
    free((void *)(uintptr_t)rollouts);
}
