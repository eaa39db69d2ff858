/* What disk need not keep, and what somebody asks it not to keep. */
#include "policy/state.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

enum { UNSERVED_OF_JOB = 3 }; /* that a job made last, while it goes on */

/* The alias that has it on one of its newest `depth` lines; false: none. */
static bool find_alias(publisher *p, const char *id, size_t depth, char alias[LIMIT_NAME_BYTES + 1])
{
    bool named = false;
    pthread_mutex_lock(&p->mutex);
    for (size_t a = 0; a < p->n_aliases && !named; a++) {
        const alias_file *f = &p->aliases[a].file;
        for (size_t i = 0; i < f->n && i < depth && !named; i++)
            named = strcmp(f->list[i].policy, id) == 0;
        if (named)
            memcpy(alias, f->name, sizeof f->name);
    }
    pthread_mutex_unlock(&p->mutex);
    return named;
}

/* From disk; nobody has a hold on it, and none can begin. */
static bool remove_doomed(publisher *p, const char *id, error_text *err)
{
    const bool removed = versions_remove(p->versions, id, err);
    publisher_spare(p); /* the same weights may come again */
    if (removed)
        publisher_note_state(p, id, NULL, "removed", NULL);
    return removed;
}

/* ---- collecting ---- */

/* Does a request run on it, or is it kept for one? */
static bool is_resident(publisher *p, const char *id)
{
    policy *found = policy_registry_find(p->registry, id);
    policy_unref(found);
    return found != NULL;
}

/* Nobody will miss it: an alias has let it go, or a job made it on its way and it never served. A
 * job's result and what no job made are for somebody to remove. */
static bool is_expendable(const store_policy *row, const store_policy_use *use)
{
    if (use->job[0] || use->result)
        return false;
    if (strcmp(row->state, "retired") == 0)
        return true;
    return row->job && strcmp(row->state, "validated") == 0 &&
           (!use->making || use->newer >= UNSERVED_OF_JOB);
}

/* A store that cannot tell keeps everything. */
static bool may_go(publisher *p, const char *id)
{
    store_policy row;
    store_policy_use use;
    error_text err;
    if (store_policy_get(p->store, id, &row, &err) != STORE_OK)
        return false;
    const bool go =
        store_policy_uses(p->store, id, &use, &err) == STORE_OK && is_expendable(&row, &use);
    store_policy_free(&row);
    return go;
}

static void collect_one(publisher *p, const char *id)
{
    char alias[LIMIT_NAME_BYTES + 1];
    error_text err;
    if (find_alias(p, id, ALIAS_VERSIONS, alias) || is_resident(p, id) || !may_go(p, id) ||
        !publisher_doom(p, id))
        return;
    if (remove_doomed(p, id, &err))
        log_event(LOG_INFO, "policy_removed", "policy=%s", id);
    else
        log_event(LOG_WARN, "policy_not_removed", "error=\"%s\"", err.text);
}

void publisher_collect(publisher *p)
{
    char(*ids)[POLICY_ID_CHARS + 1] = calloc(VERSIONS_MAX, sizeof *ids);
    if (!ids || !p->store) {
        free(ids);
        return;
    }
    worker_waits(p->worker);
    const size_t n = versions_list(p->versions, ids, VERSIONS_MAX);
    for (size_t i = 0; i < n; i++)
        collect_one(p, ids[i]);
    free(ids);
}

void publisher_tidy(publisher *p)
{
    worker_kick(p->worker);
}

/* ---- removing one that somebody names ---- */

/* Why it has to stay as long as things are as they are; PUBLISH_OK: it need not. */
static publish_result check_named(publisher *p, const char *id, error_text *err)
{
    enum { WAY_BACK = 2 }; /* lines: what an alias points at, and what a rollback goes to */
    char path[VERSIONS_PATH_BYTES], alias[LIMIT_NAME_BYTES + 1];
    if (strcmp(id, p->base_id) == 0) {
        error_text_set(err, "policy %s is the model that the daemon was started with", id);
        return PUBLISH_IN_USE;
    }
    if (!versions_path(p->versions, id, path)) {
        error_text_set(err, "policy %.64s is not on disk", id);
        return PUBLISH_NOT_FOUND;
    }
    if (!find_alias(p, id, WAY_BACK, alias))
        return PUBLISH_OK;
    error_text_set(err, "policy %s serves as %s, or is what a rollback of it goes to", id, alias);
    return PUBLISH_IN_USE;
}

static publish_result check_jobs(publisher *p, const char *id, error_text *err)
{
    store_policy_use use = {.job = ""};
    if (p->store && store_policy_uses(p->store, id, &use, err) != STORE_OK)
        return PUBLISH_UNAVAILABLE;
    if (!use.job[0])
        return PUBLISH_OK;
    error_text_set(err, "policy %s is needed by the job %s, which has not ended", id, use.job);
    return PUBLISH_IN_USE;
}

static publish_result remove_one(publisher *p, const char *id, error_text *err)
{
    publish_result result = check_named(p, id, err);
    if (result == PUBLISH_OK)
        result = check_jobs(p, id, err);
    if (result != PUBLISH_OK)
        return result;
    if (!publisher_doom(p, id)) {
        error_text_set(err, "policy %s is being read, by a job or a download", id);
        return PUBLISH_IN_USE;
    }
    if (!policy_registry_drop(p->registry, id)) {
        publisher_spare(p);
        error_text_set(err, "requests run on policy %s", id);
        return PUBLISH_IN_USE;
    }
    return remove_doomed(p, id, err) ? PUBLISH_OK : PUBLISH_UNAVAILABLE;
}

typedef struct removal {
    publisher *p;
    const char *id;
    error_text *err;
    publish_result result;
} removal;

static void run_removal(void *arg)
{
    removal *r = arg;
    r->result = remove_one(r->p, r->id, r->err);
}

publish_result publisher_remove(publisher *p, const char *id, const char *actor, error_text *err)
{
    removal r = {p, id, err, PUBLISH_UNAVAILABLE};
    publisher_run(p, run_removal, &r);
    if (r.result == PUBLISH_OK)
        log_event(LOG_INFO, "policy_removed", "policy=%s by=%s", id, actor);
    return r.result;
}
