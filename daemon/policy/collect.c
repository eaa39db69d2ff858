/* What disk need not keep: policies that served once, and that nothing names any more. */
#include "policy/state.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

/* Is it on a line of some alias? */
static bool is_named(publisher *p, const char *id)
{
    bool named = false;
    pthread_mutex_lock(&p->mutex);
    for (size_t a = 0; a < p->n_aliases && !named; a++)
        for (size_t i = 0; i < p->aliases[a].file.n && !named; i++)
            named = strcmp(p->aliases[a].file.list[i].policy, id) == 0;
    pthread_mutex_unlock(&p->mutex);
    return named;
}

/* Does a request run on it, or is it kept for one? */
static bool is_resident(publisher *p, const char *id)
{
    policy *found = policy_registry_find(p->registry, id);
    policy_unref(found);
    return found != NULL;
}

/* Only what an alias has let go is ever removed: a job's result that never served stays. */
static bool is_retired(publisher *p, const char *id)
{
    store_policy row;
    error_text err;
    if (!p->store || store_policy_get(p->store, id, &row, &err) != STORE_OK)
        return false;
    const bool retired = strcmp(row.state, "retired") == 0;
    store_policy_free(&row);
    return retired;
}

static bool needs(const store_job *job, const char *id)
{
    const bool live = STORE_JOB_BIT(job->status) & STORE_JOB_LIVE;
    return (job->fine_tuned_model && strstr(job->fine_tuned_model, id)) ||
           (live && strcmp(job->model_policy, id) == 0);
}

/* Is it what some job made in the end, or what one starts from that has not ended? Holds tell the
 * latter while the daemon runs; at its start there are none yet. A store that cannot tell says yes.
 */
static bool is_of_job(publisher *p, const char *id)
{
    char after[80] = "";
    error_text err;
    bool found = false, more = true;
    while (more && !found) {
        store_job *rows;
        size_t n;
        const store_page page = {.after = after, .limit = 100};
        if (store_job_list(p->store, page, 0, &rows, &n, &more, &err) != STORE_OK)
            return true;
        for (size_t i = 0; i < n; i++)
            found |= needs(&rows[i], id);
        if (n)
            strncpy(after, rows[n - 1].id, sizeof after - 1);
        for (size_t i = 0; i < n; i++)
            store_job_free(&rows[i]);
        free(rows);
    }
    return found;
}

static void collect_one(publisher *p, const char *id)
{
    error_text err;
    if (is_named(p, id) || is_resident(p, id) || !is_retired(p, id) || is_of_job(p, id) ||
        !publisher_doom(p, id))
        return;
    if (versions_remove(p->versions, id, &err))
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
    const size_t n = versions_list(p->versions, ids, VERSIONS_MAX);
    for (size_t i = 0; i < n; i++)
        collect_one(p, ids[i]);
    free(ids);
}
