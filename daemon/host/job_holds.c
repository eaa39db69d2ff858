#include "host/job_holds.h"

#include "base/log.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct hold {
    char job[65], policy[POLICY_ID_CHARS + 1];
} hold;

struct job_holds {
    publisher *publisher;  /* (i) */
    store *store;          /* (i) */
    pthread_mutex_t mutex; /* never held while the publisher works */
    hold *list;            /* (m) */
    size_t n, cap;         /* (m) */
};

job_holds *job_holds_create(publisher *p, store *s)
{
    job_holds *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->publisher = p;
    h->store = s;
    pthread_mutex_init(&h->mutex, NULL);
    return h;
}

void job_holds_free(job_holds *h)
{
    if (!h)
        return;
    for (size_t i = 0; i < h->n; i++)
        publisher_release(h->publisher, h->list[i].policy);
    free(h->list);
    pthread_mutex_destroy(&h->mutex);
    free(h);
}

typedef enum noting { NOTED, NOTED_BEFORE, NOT_NOTED } noting; /* the last: memory is out */

/* Under the mutex. */
static noting note(job_holds *h, const char *job, const char *id)
{
    for (size_t i = 0; i < h->n; i++)
        if (strcmp(h->list[i].job, job) == 0 && strcmp(h->list[i].policy, id) == 0)
            return NOTED_BEFORE;
    if (h->n == h->cap) {
        size_t cap = h->cap ? 2 * h->cap : 16;
        hold *list = realloc(h->list, cap * sizeof *list);
        if (!list)
            return NOT_NOTED;
        h->list = list;
        h->cap = cap;
    }
    hold *to = &h->list[h->n++];
    snprintf(to->job, sizeof to->job, "%s", job);
    snprintf(to->policy, sizeof to->policy, "%s", id);
    return NOTED;
}

/* *fresh: the pair was not there. */
static publish_result add(job_holds *h, const char *job, const char *id, char *path, size_t cap,
                          bool *fresh, error_text *err)
{
    publish_result result = publisher_hold(h->publisher, id, path, cap, err);
    *fresh = false;
    if (result != PUBLISH_OK)
        return result;
    pthread_mutex_lock(&h->mutex);
    const noting noted = note(h, job, id);
    pthread_mutex_unlock(&h->mutex);
    *fresh = noted == NOTED;
    if (!*fresh)
        publisher_release(h->publisher, id);
    if (noted != NOT_NOTED)
        return PUBLISH_OK;
    error_text_set(err, "out of memory");
    return PUBLISH_UNAVAILABLE;
}

publish_result job_holds_add(job_holds *h, const char *job, const char *id, char *path, size_t cap,
                             error_text *err)
{
    bool fresh;
    return add(h, job, id, path, cap, &fresh, err);
}

publish_result job_holds_need(job_holds *h, const char *job, const char *id, char *path, size_t cap,
                              error_text *err)
{
    bool fresh;
    publish_result result = add(h, job, id, path, cap, &fresh, err);
    if (result != PUBLISH_OK || !fresh || store_need_put(h->store, job, id, err) == STORE_OK)
        return result;
    job_holds_let_go(h, job, id);
    return PUBLISH_UNAVAILABLE;
}

bool job_holds_recall(job_holds *h, const store_job *job, error_text *err)
{
    char path[PATH_MAX];
    error_text why;
    store_need *needs;
    size_t n;
    if (store_need_list(h->store, job->id, &needs, &n, err) != STORE_OK)
        return false;
    job_holds_add(h, job->id, job->model_policy, path, sizeof path, &why);
    for (size_t i = 0; i < n; i++)
        job_holds_add(h, job->id, needs[i].policy, path, sizeof path, &why);
    free(needs);
    return true;
}

/* Takes one of the job's, or this one of the job's, out of the list. */
static bool take(job_holds *h, const char *job, const char *id, hold *out)
{
    bool found = false;
    pthread_mutex_lock(&h->mutex);
    for (size_t i = 0; i < h->n && !found; i++) {
        found = strcmp(h->list[i].job, job) == 0 && (!id || strcmp(h->list[i].policy, id) == 0);
        if (!found)
            continue;
        *out = h->list[i];
        h->list[i] = h->list[--h->n];
    }
    pthread_mutex_unlock(&h->mutex);
    return found;
}

void job_holds_let_go(job_holds *h, const char *job, const char *id)
{
    hold one;
    error_text err;
    if (!take(h, job, id, &one))
        return;
    if (store_need_drop(h->store, job, id, &err) != STORE_OK) /* it goes with the job, then */
        log_event(LOG_WARN, "need_not_dropped", "job=%s policy=%s error=\"%.300s\"", job, id,
                  err.text);
    publisher_release(h->publisher, id);
    publisher_tidy(h->publisher);
}

void job_holds_drop(job_holds *h, const char *job)
{
    for (hold one; take(h, job, NULL, &one);)
        publisher_release(h->publisher, one.policy);
    publisher_tidy(h->publisher);
}
