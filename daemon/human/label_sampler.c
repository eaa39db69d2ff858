#include "human/label_sampler.h"

#include "api/label_tasks.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/random.h"
#include "host/rollout.h"
#include "human/tasks.h"
#include "store/store_human.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <text_stream.h>

enum { TRIES = 2 }; /* at one task */

struct label_sampler {
    store *store;
    publisher *publisher;
    policy_registry *registry;
    sched_options options;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t woken;
    bool work;              /* (m) */
    atomic_bool stopped;    /* (a) written under the mutex */
    rollout_source *source; /* of the thread; NULL while nothing is drawn */
};

/* One task in the making. */
typedef struct drawing {
    label_sampler *sampler;
    const store_task *task;
    store_output outputs[LIMIT_LABEL_MAX_K];
    uint32_t n;
    char err[INSTRUCTD_ERROR_BYTES];
} drawing;

static bool is_stopped(void *arg)
{
    label_sampler *l = arg;
    return atomic_load(&l->stopped);
}

/* ---- ids -> text ---- */

/* The bytes of the ids but for control tokens, as valid UTF-8 without NUL; NULL: no memory. */
static char *text_of(const eng_tokenizer *tok, const int32_t *ids, uint32_t n)
{
    buf bytes;
    buf_init(&bytes, LIMIT_CAPTURE_BYTES);
    for (uint32_t i = 0; i < n; i++) {
        size_t len = 0;
        const char *at =
            eng_token_is_special(tok, ids[i]) ? NULL : eng_token_bytes(tok, ids[i], &len);
        for (size_t b = 0; at && b < len; b++)
            if (at[b])
                buf_putc(&bytes, at[b]);
    }
    char *text = bytes.failed ? NULL : malloc(3 * bytes.len + 1);
    if (text)
        text[bytes.len ? eng_utf8_repair(text, bytes.data, bytes.len) : 0] = 0;
    buf_free(&bytes);
    return text;
}

/* ---- drawing ---- */

/* A reference to the policy, resident from now on, or NULL. */
static policy *find_policy(drawing *d, const char *id)
{
    error_text why;
    label_sampler *l = d->sampler;
    policy *p = policy_registry_find(l->registry, id);
    if (p || !l->publisher)
        return p;
    if (publisher_ensure(l->publisher, id, &why) != PUBLISH_OK)
        snprintf(d->err, sizeof d->err, "%.400s", why.text);
    return policy_registry_find(l->registry, id);
}

static bool keep(drawing *d, const eng_tokenizer *tok, const char *policy_name,
                 const instructd_rollout *r)
{
    char id[sizeof "out-" + 24] = "out-";
    random_hex(id + strlen(id), 12);
    store_output *o = &d->outputs[d->n++];
    o->id = strdup(id);
    o->policy = strdup(policy_name);
    o->text = text_of(tok, r->tokens, r->n_tokens);
    return o->id && o->policy && o->text;
}

static int draw_tokens(drawing *d, policy *p, const gen_prompt *prompt, uint32_t n)
{
    label_sampler *l = d->sampler;
    const eng_model *model = policy_model(p);
    const uint32_t n_ctx = eng_model_config(model)->n_ctx;
    if (!prompt->n_tokens || prompt->n_tokens >= n_ctx) {
        snprintf(d->err, sizeof d->err, "the prompt has %u tokens, the context %u",
                 prompt->n_tokens, n_ctx);
        return INSTRUCTD_E_INVALID;
    }
    const uint32_t room = n_ctx - prompt->n_tokens;
    const instructd_rollout_prompt one = {.tokens = prompt->tokens,
                                          .n_tokens = prompt->n_tokens,
                                          .n_samples = n,
                                          .first_choice = d->n,
                                          .seed = d->task->seed};
    const instructd_rollout_request request = {
        .size = sizeof request,
        .n_prompts = 1,
        .prompts = &one,
        .policy = policy_id(p),
        .max_tokens = d->task->max_tokens < room ? d->task->max_tokens : room,
        .temperature = 1};
    const instructd_rollouts *out = NULL;
    int rc = rollout_generate(l->source, &request, is_stopped, l, &out, d->err);
    for (uint32_t i = 0; rc == INSTRUCTD_OK && i < out->n; i++)
        if (!keep(d, eng_model_tokenizer(model), policy_id(p), &out->rollouts[i]))
            rc = INSTRUCTD_E_NOMEM;
    rollout_free(out);
    return rc;
}

/* n outputs of one policy. */
static int draw_from(drawing *d, const char *id, uint32_t n)
{
    gen_prompt prompt = {0};
    api_error why;
    policy *p = find_policy(d, id);
    if (!p) {
        if (!d->err[0])
            snprintf(d->err, sizeof d->err, "the policy %.60s is not in memory", id);
        return INSTRUCTD_E_NOT_FOUND;
    }
    int rc = INSTRUCTD_E_INVALID;
    if (api_task_tokens(&prompt, eng_model_tokenizer(policy_model(p)), d->task, &why))
        rc = draw_tokens(d, p, &prompt, n);
    else
        snprintf(d->err, sizeof d->err, "%.400s", why.message);
    free(prompt.tokens);
    policy_unref(p);
    return rc;
}

static uint32_t count_words(const char *text)
{
    uint32_t n = text[0] != 0;
    for (const char *c = text; *c; c++)
        n += *c == ' ';
    return n;
}

static int draw_all(drawing *d)
{
    char names[LIMIT_LABEL_POLICIES * (POLICY_ID_CHARS + 1) + 1], *rest = names;
    const uint32_t n = count_words(d->task->policies);
    int rc = INSTRUCTD_OK;
    snprintf(names, sizeof names, "%s", d->task->policies);
    for (uint32_t p = 0; p < n && rc == INSTRUCTD_OK; p++)
        rc = draw_from(d, strsep(&rest, " "), task_share(d->task->k, n, p));
    return rc;
}

static void free_outputs(drawing *d)
{
    for (uint32_t i = 0; i < d->n; i++) {
        free(d->outputs[i].id);
        free(d->outputs[i].policy);
        free(d->outputs[i].text);
    }
    d->n = 0;
}

/* ---- tasks ---- */

/* False: the store cannot be written, try later. A task that left meanwhile (its prompt's author
 * erased it) is no failure. */
static bool settle(label_sampler *l, drawing *d, int rc)
{
    error_text why;
    if (rc != INSTRUCTD_OK)
        log_event(LOG_WARN, "label_task_failed", "task=%s error=\"%.300s\"", d->task->id, d->err);
    const store_status status =
        rc == INSTRUCTD_OK ? store_task_sampled(l->store, d->task->id, d->outputs, d->n, &why)
                           : store_task_failed(l->store, d->task->id, &why);
    return status != STORE_UNAVAILABLE;
}

/* False: try later. */
static bool sample(label_sampler *l, const store_task *task)
{
    drawing d = {.sampler = l, .task = task};
    int rc = INSTRUCTD_E_NOMEM;
    if (!l->source)
        l->source = rollout_source_create(l->registry, &l->options);
    for (int i = 0; l->source && i < TRIES && rc != INSTRUCTD_OK && !is_stopped(l); i++) {
        free_outputs(&d);
        rc = draw_all(&d);
    }
    const bool go_on = !is_stopped(l) && settle(l, &d, rc);
    free_outputs(&d);
    return go_on;
}

/* False: something is left, for later. */
static bool sample_waiting(label_sampler *l)
{
    store_task task;
    error_text why;
    store_status status = STORE_OK;
    bool go_on = true;
    while (go_on && !is_stopped(l) &&
           (status = store_task_to_sample(l->store, &task, &why)) == STORE_OK) {
        go_on = sample(l, &task);
        store_task_free(&task);
    }
    rollout_source_free(l->source);
    l->source = NULL;
    return go_on && status != STORE_UNAVAILABLE;
}

/* Under the mutex: before the store, which failed, is asked again. */
static void wait_to_retry(label_sampler *l)
{
    const struct timespec until = clock_in_ms(LIMIT_JOB_RETRY_S * 1000);
    while (!atomic_load(&l->stopped) && pthread_cond_timedwait(&l->woken, &l->mutex, &until) == 0)
        ;
    l->work = true;
}

static void *run(void *arg)
{
    label_sampler *l = arg;
    pthread_mutex_lock(&l->mutex);
    while (!atomic_load(&l->stopped)) {
        if (!l->work) {
            pthread_cond_wait(&l->woken, &l->mutex);
            continue;
        }
        l->work = false;
        pthread_mutex_unlock(&l->mutex);
        const bool all = sample_waiting(l);
        pthread_mutex_lock(&l->mutex);
        if (!all)
            wait_to_retry(l);
    }
    pthread_mutex_unlock(&l->mutex);
    return NULL;
}

/* ---- life ---- */

label_sampler *label_sampler_start(store *s, publisher *p, policy_registry *r,
                                   const sched_options *options, error_text *err)
{
    label_sampler *l = calloc(1, sizeof *l);
    if (!l) {
        error_text_set(err, "label sampling: out of memory");
        return NULL;
    }
    l->store = s;
    l->publisher = p;
    l->registry = r;
    l->options = *options;
    l->work = true; /* what an earlier run left */
    pthread_mutex_init(&l->mutex, NULL);
    clock_cond_init(&l->woken);
    if (pthread_create(&l->thread, NULL, run, l) == 0)
        return l;
    pthread_mutex_destroy(&l->mutex);
    pthread_cond_destroy(&l->woken);
    free(l);
    error_text_set(err, "label sampling: the system refuses a thread");
    return NULL;
}

static void tell(label_sampler *l, bool stop)
{
    pthread_mutex_lock(&l->mutex);
    l->work = true;
    if (stop)
        atomic_store(&l->stopped, true);
    pthread_cond_signal(&l->woken);
    pthread_mutex_unlock(&l->mutex);
}

void label_sampler_wake(label_sampler *l)
{
    if (l)
        tell(l, false);
}

void label_sampler_ask_stop(label_sampler *l)
{
    if (l)
        tell(l, true);
}

void label_sampler_free(label_sampler *l)
{
    if (!l)
        return;
    tell(l, true);
    pthread_join(l->thread, NULL);
    pthread_mutex_destroy(&l->mutex);
    pthread_cond_destroy(&l->woken);
    free(l);
}
