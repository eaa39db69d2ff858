/* Policies into memory: where they lie, whether they fit, loading, and holds. */
#include "policy/state.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "formats/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef unsigned long long ull; /* for %llu */

enum { ROOM_WAIT_MS = 30 * 1000, ROOM_TURN_MS = 100 };

publish_result publish_result_of(eng_status status)
{
    switch (status) {
    case ENG_OK:
        return PUBLISH_OK;
    case ENG_NOMEM:
        return PUBLISH_NO_MEMORY;
    case ENG_IO:
        return PUBLISH_UNAVAILABLE;
    default:
        return PUBLISH_INVALID;
    }
}

static publish_result refuse(publish_result result, const eng_error *why, error_text *err)
{
    error_text_set(err, "%s", why->text);
    return result;
}

bool publisher_locate(const publisher *p, const char *id, char path[VERSIONS_PATH_BYTES])
{
    if (strcmp(id, p->base_id) != 0)
        return versions_path(p->versions, id, path);
    snprintf(path, VERSIONS_PATH_BYTES, "%s", p->base_model);
    return true;
}

static publish_result not_found(const char *id, error_text *err)
{
    error_text_set(err, "policy %.64s: neither on disk nor the base model", id);
    return PUBLISH_NOT_FOUND;
}

/* ---- room ---- */

/* What there must be, and what there is. */
typedef struct fit {
    uint64_t need, free;
} fit;

/* Would such a model fit among the policies, and what making it takes into the system? One that is
 * to be made is written first and loaded then, so it takes the more of both. Of *of what fails. */
static bool fits(const publisher *p, const policy_room *room, const make_room *m,
                 const eng_model_facts *facts, fit *of)
{
    const uint32_t threads = m->options->n_threads ? m->options->n_threads : eng_cpu_count();
    const size_t scratch = m->writes ? facts->reload_scratch : facts->load_scratch;
    const uint64_t loading = facts->bytes + threads * (uint64_t)scratch;
    const uint64_t writing = m->writes ? facts->write_scratch : 0;
    *of = (fit){loading > writing ? loading : writing, memory_available()};
    if (of->need > of->free || !p->max_bytes)
        return of->need <= of->free;
    *of = (fit){facts->bytes, p->max_bytes > room->bytes ? p->max_bytes - room->bytes : 0};
    return of->need <= of->free;
}

static publish_result no_room(const publisher *p, const policy_room *room, const fit *of,
                              error_text *err)
{
    if (room->n_of >= p->max_resident)
        error_text_set(err,
                       "%zu policies of this alias are in memory, the most there may be, and "
                       "requests still run on each",
                       room->n_of);
    else
        error_text_set(err, "the policy takes %llu MiB of memory, %llu MiB are free",
                       (ull)(of->need >> 20), (ull)(of->free >> 20));
    return PUBLISH_NO_MEMORY;
}

static publish_result check_shape(const publisher *p, const eng_config *c, error_text *err)
{
    const eng_config *b = &p->base.config;
    if (eng_config_same_shape(b, c))
        return PUBLISH_OK;
    error_text_set(
        err,
        "a model of %u layers, width %u, %u heads, vocabulary %u, context %u; served are "
        "models of %u, %u, %u, %u, %u",
        c->n_layer, c->n_embd, c->n_head, c->n_vocab, c->n_ctx, b->n_layer, b->n_embd, b->n_head,
        b->n_vocab, b->n_ctx);
    return PUBLISH_INVALID;
}

static publish_result inspect(const publisher *p, const char *path,
                              const eng_model_options *options, eng_model_facts *facts,
                              error_text *err)
{
    eng_error why;
    eng_status st = eng_model_inspect(facts, path, options->serve_type, &why);
    if (st != ENG_OK)
        return refuse(publish_result_of(st), &why, err);
    return check_shape(p, &facts->config, err);
}

static void wait_for_room(publisher *p, uint64_t change, uint32_t ms)
{
    worker_waits(p->worker);
    policy_registry_wait(p->registry, change, ms);
}

publish_result publisher_make_room(publisher *p, const make_room *m, error_text *err)
{
    eng_model_facts facts;
    publish_result result = inspect(p, m->path, m->options, &facts, err);
    if (result != PUBLISH_OK)
        return result;
    for (uint32_t waited = 0;; waited += ROOM_TURN_MS) {
        fit of = {0};
        const policy_room room = policy_registry_room(p->registry, m->alias);
        if (room.n_of < p->max_resident && fits(p, &room, m, &facts, &of))
            return PUBLISH_OK;
        if (policy_registry_evict(p->registry))
            wait_for_room(p, room.change, ROOM_WAIT_MS);
        else if (waited < ROOM_WAIT_MS)
            wait_for_room(p, room.change, ROOM_TURN_MS);
        else
            return no_room(p, &room, &of, err);
    }
}

/* How a policy is packed. */
static const eng_model_options *options_of(const publisher *p, const char *id)
{
    return strcmp(id, p->base_id) == 0 ? &p->base_options : &p->published_options;
}

/* Is there room for it without anybody giving way? */
static bool has_room(const publisher *p, const char *alias, const char *id, const char *path)
{
    eng_model_facts facts;
    error_text ignored;
    fit of;
    eng_model_options options = *options_of(p, id);
    options.n_threads = 1;
    const make_room m = {.alias = alias, .path = path, .options = &options};
    const policy_room room = policy_registry_room(p->registry, alias);
    return inspect(p, path, m.options, &facts, &ignored) == PUBLISH_OK &&
           room.n_of < p->max_resident && fits(p, &room, &m, &facts, &of);
}

/* ---- loading ---- */

typedef struct load {
    const char *path, *id; /* id NULL: the base model, which is not verified */
    eng_model_options options;
    eng_model *model;
    char stage[POLICY_STAGE_BYTES];
    eng_status status;
    bool damaged; /* the status is the directory's fault, not the machine's */
    eng_error err;
} load;

/* Digests, then the weights: a policy that lay on disk is read as if by a stranger. */
static void load_run(load *l)
{
    char id[ENG_POLICY_ID_BYTES];
    if (l->id) {
        l->status = eng_checkpoint_verify(l->path, id, &l->err);
        if (l->status == ENG_OK && strcmp(id, l->id) != 0)
            l->status = eng_fail(&l->err, ENG_FORMAT, "manifest.json: its digest is %s's", id);
        if (l->status == ENG_OK)
            l->status = eng_checkpoint_stage(l->path, l->stage, sizeof l->stage, &l->err);
    }
    if (l->status == ENG_OK)
        l->status = eng_model_open(&l->model, l->path, &l->options, &l->err);
    l->damaged = l->id && (l->status == ENG_FORMAT || l->status == ENG_UNSUPPORTED ||
                           l->status == ENG_INVALID);
}

static publish_result quarantine(publisher *p, const char *id, const eng_error *why,
                                 error_text *err)
{
    error_text moved = {"and cannot be moved to quarantine"};
    const bool ok = versions_quarantine(p->versions, id, &moved);
    log_event(LOG_ERROR, "policy_damaged", "policy=%s quarantined=%s error=\"%s\"", id,
              ok ? "yes" : moved.text, why->text);
    publisher_note_state(p, id, NULL, "quarantined", NULL);
    error_text_set(err, "policy %s is damaged and now in quarantine: %.300s", id, why->text);
    return PUBLISH_NOT_FOUND;
}

static publish_result load_policy(publisher *p, const char *id, const char *alias, policy **out,
                                  error_text *err)
{
    const bool base = strcmp(id, p->base_id) == 0;
    char path[VERSIONS_PATH_BYTES];
    if (!publisher_locate(p, id, path))
        return not_found(id, err);
    load l = {.path = path, .id = base ? NULL : id, .options = *options_of(p, id)};
    if (p->worker)
        l.options.n_threads = 1; /* beside serving */
    snprintf(l.stage, sizeof l.stage, "%s", p->base_stage);
    const make_room m = {.alias = alias, .path = path, .options = &l.options};
    publish_result result = publisher_make_room(p, &m, err);
    if (result == PUBLISH_NO_MEMORY || (result != PUBLISH_OK && base))
        return result;
    load_run(&l);
    if (l.damaged)
        return quarantine(p, id, &l.err, err);
    if (l.status != ENG_OK)
        return refuse(publish_result_of(l.status), &l.err, err);
    if (result != PUBLISH_OK) { /* whole, but of another shape */
        eng_model_unref(l.model);
        return result;
    }
    *out =
        policy_create(l.model, id, l.stage, base ? p->base_time : versions_time(p->versions, id));
    if (*out && policy_registry_add(p->registry, *out, POLICY_SPARE))
        return PUBLISH_OK;
    policy_unref(*out);
    error_text_set(err, "policy %s: no memory, or too many policies are in it", id);
    return PUBLISH_NO_MEMORY;
}

typedef struct bring_task {
    publisher *p;
    const char *id, *alias;
    policy **out;
    error_text *err;
    publish_result result;
} bring_task;

static void run_bring(void *arg)
{
    bring_task *t = arg;
    *t->out = policy_registry_find(t->p->registry, t->id);
    t->result = *t->out ? PUBLISH_OK : load_policy(t->p, t->id, t->alias, t->out, t->err);
}

publish_result publisher_bring_in(publisher *p, const char *id, const char *alias, policy **out,
                                  error_text *err)
{
    bring_task task = {p, id, alias, out, err, PUBLISH_OK};
    *out = policy_registry_find(p->registry, id);
    if (!*out)
        publisher_run(p, run_bring, &task);
    return task.result;
}

publish_result publisher_ensure(publisher *p, const char *id, error_text *err)
{
    policy *there;
    publish_result result = publisher_bring_in(p, id, NULL, &there, err);
    if (result == PUBLISH_OK)
        policy_unref(there);
    return result;
}

void publisher_warm(publisher *p, const char *id, const char *alias)
{
    char path[VERSIONS_PATH_BYTES];
    error_text err;
    if (publisher_locate(p, id, path) && has_room(p, alias, id, path) &&
        publisher_ensure(p, id, &err) != PUBLISH_OK)
        log_event(LOG_WARN, "not_warmed", "policy=%s error=\"%s\"", id, err.text);
}

/* ---- weights that no directory holds ---- */

static publish_result load_raw(publisher *p, const publish_weights *weights,
                               char id[POLICY_ID_CHARS + 1], error_text *err)
{
    char path[VERSIONS_PATH_BYTES], hex[17];
    eng_model_options options = p->published_options;
    const eng_weights list = {weights->tensors, weights->n_tensors};
    eng_model *model;
    eng_error why;
    if (!publisher_locate(p, weights->base_policy, path))
        return not_found(weights->base_policy, err);
    options.n_threads = 1;
    const make_room m = {.path = path, .options = &options};
    publish_result result = publisher_make_room(p, &m, err);
    if (result != PUBLISH_OK)
        return result;
    eng_status st = eng_model_open_with(&model, path, &list, &options, &why);
    if (st != ENG_OK)
        return refuse(st == ENG_FORMAT ? PUBLISH_REFUSED : publish_result_of(st), &why, err);
    random_hex(hex, 8);
    snprintf(id, POLICY_ID_CHARS + 1, "pol_%s", hex);
    policy *raw = policy_create(model, id, "raw", (int64_t)time(NULL));
    const bool added = raw && policy_registry_add(p->registry, raw, POLICY_HELD);
    policy_unref(raw);
    if (added)
        return PUBLISH_OK;
    error_text_set(err, "no memory, or too many policies are in it");
    return PUBLISH_NO_MEMORY;
}

typedef struct raw_task {
    publisher *p;
    const publish_weights *weights;
    char *id;
    error_text *err;
    publish_result result;
} raw_task;

static void run_raw(void *arg)
{
    raw_task *t = arg;
    t->result = load_raw(t->p, t->weights, t->id, t->err);
}

publish_result publisher_load_raw(publisher *p, const publish_weights *weights,
                                  char id[POLICY_ID_CHARS + 1], error_text *err)
{
    raw_task task = {p, weights, id, err, PUBLISH_OK};
    publisher_run(p, run_raw, &task);
    return task.result;
}

void publisher_unload(publisher *p, const char *id)
{
    policy_registry_release(p->registry, id);
}

/* ---- holds ---- */

/* Under the mutex: the hold on this id, or NULL. */
static hold *find_hold(publisher *p, const char *id)
{
    for (size_t i = 0; i < p->n_holds; i++)
        if (strcmp(p->holds[i].id, id) == 0)
            return &p->holds[i];
    return NULL;
}

/* Under the mutex. */
static bool add_hold(publisher *p, const char *id)
{
    hold *h = find_hold(p, id);
    if (!h) {
        if (p->n_holds == PUBLISHER_HOLDS || strcmp(p->doomed, id) == 0)
            return false;
        h = &p->holds[p->n_holds++];
        *h = (hold){.count = 0};
        snprintf(h->id, sizeof h->id, "%s", id);
    }
    h->count++;
    return true;
}

publish_result publisher_hold(publisher *p, const char *id, char *path, size_t cap, error_text *err)
{
    char at[VERSIONS_PATH_BYTES];
    if (!policy_id_valid(id))
        return not_found(id, err);
    pthread_mutex_lock(&p->mutex); /* first the hold, then the look: nothing can go in between */
    const bool held = add_hold(p, id), full = p->n_holds == PUBLISHER_HOLDS;
    pthread_mutex_unlock(&p->mutex);
    if (!held && full) {
        error_text_set(err,
                       "held policies: %d, the most that jobs and downloads may need at once; one "
                       "more when any of them has ended",
                       PUBLISHER_HOLDS);
        return PUBLISH_FULL;
    }
    if (!held)
        return not_found(id, err);
    if (publisher_locate(p, id, at) && (size_t)snprintf(path, cap, "%s", at) < cap)
        return PUBLISH_OK;
    publisher_release(p, id);
    return not_found(id, err);
}

void publisher_release(publisher *p, const char *id)
{
    pthread_mutex_lock(&p->mutex);
    hold *h = find_hold(p, id);
    if (h && --h->count == 0)
        *h = p->holds[--p->n_holds];
    pthread_mutex_unlock(&p->mutex);
}

bool publisher_doom(publisher *p, const char *id)
{
    pthread_mutex_lock(&p->mutex);
    const bool held = find_hold(p, id) != NULL;
    if (!held)
        snprintf(p->doomed, sizeof p->doomed, "%s", id);
    pthread_mutex_unlock(&p->mutex);
    return !held;
}

void publisher_spare(publisher *p)
{
    pthread_mutex_lock(&p->mutex);
    p->doomed[0] = 0;
    pthread_mutex_unlock(&p->mutex);
}
