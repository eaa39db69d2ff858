#include "host/job_holds.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct hold {
    char job[65], policy[POLICY_ID_CHARS + 1];
} hold;

struct job_holds {
    publisher *publisher;  /* (i) */
    pthread_mutex_t mutex; /* never held while the publisher works */
    hold *list;            /* (m) */
    size_t n, cap;         /* (m) */
};

job_holds *job_holds_create(publisher *p)
{
    job_holds *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->publisher = p;
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

/* Under the mutex. False: the pair is there already, or there is no memory for it. */
static bool note(job_holds *h, const char *job, const char *id)
{
    for (size_t i = 0; i < h->n; i++)
        if (strcmp(h->list[i].job, job) == 0 && strcmp(h->list[i].policy, id) == 0)
            return false;
    if (h->n == h->cap) {
        size_t cap = h->cap ? 2 * h->cap : 16;
        hold *list = realloc(h->list, cap * sizeof *list);
        if (!list)
            return false;
        h->list = list;
        h->cap = cap;
    }
    hold *to = &h->list[h->n++];
    snprintf(to->job, sizeof to->job, "%s", job);
    snprintf(to->policy, sizeof to->policy, "%s", id);
    return true;
}

publish_result job_holds_add(job_holds *h, const char *job, const char *id, char *path, size_t cap,
                             error_text *err)
{
    publish_result result = publisher_hold(h->publisher, id, path, cap, err);
    if (result != PUBLISH_OK)
        return result;
    pthread_mutex_lock(&h->mutex);
    bool noted = note(h, job, id);
    pthread_mutex_unlock(&h->mutex);
    if (!noted)
        publisher_release(h->publisher, id);
    return PUBLISH_OK;
}

/* Takes one of the job's out of the list. */
static bool take(job_holds *h, const char *job, hold *out)
{
    bool found = false;
    pthread_mutex_lock(&h->mutex);
    for (size_t i = 0; i < h->n && !found; i++) {
        found = strcmp(h->list[i].job, job) == 0;
        if (!found)
            continue;
        *out = h->list[i];
        h->list[i] = h->list[--h->n];
    }
    pthread_mutex_unlock(&h->mutex);
    return found;
}

void job_holds_drop(job_holds *h, const char *job)
{
    for (hold one; take(h, job, &one);)
        publisher_release(h->publisher, one.policy);
}
