#include "host/events.h"

#include "base/limits.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A second of the process' start is worth so many ids: no process publishes that many in one. */
enum { IDS_PER_SECOND_BITS = 20 };

struct events {
    pthread_mutex_t mutex;
    uint64_t first;                  /* (i) the first id of this process */
    uint64_t next;                   /* (m) the id of the next event */
    uint64_t oldest;                 /* (m) the oldest remembered; == next: none */
    size_t json_bytes;               /* (m) of all records */
    event_record ring[LIMIT_EVENTS]; /* (m) event `id` lies at id % LIMIT_EVENTS */

    pthread_mutex_t doorbell_mutex; /* held while the doorbell rings */
    void (*doorbell)(void *arg);    /* guarded by doorbell_mutex */
    void *doorbell_arg;             /* likewise */
};

events *events_create(void)
{
    events *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->first = e->next = e->oldest = ((uint64_t)time(NULL) << IDS_PER_SECOND_BITS) + 1;
    pthread_mutex_init(&e->mutex, NULL);
    pthread_mutex_init(&e->doorbell_mutex, NULL);
    return e;
}

/* Under the mutex. */
static event_record *record_at(events *e, uint64_t id)
{
    return &e->ring[id % LIMIT_EVENTS];
}

static void forget_oldest(events *e)
{
    event_record *r = record_at(e, e->oldest++);
    if (r->json)
        e->json_bytes -= strlen(r->json);
    free(r->json);
    r->json = NULL;
}

void events_free(events *e)
{
    if (!e)
        return;
    while (e->oldest < e->next)
        forget_oldest(e);
    pthread_mutex_destroy(&e->mutex);
    pthread_mutex_destroy(&e->doorbell_mutex);
    free(e);
}

void events_on_publish(events *e, void (*ring)(void *arg), void *arg)
{
    pthread_mutex_lock(&e->doorbell_mutex);
    e->doorbell = ring;
    e->doorbell_arg = arg;
    pthread_mutex_unlock(&e->doorbell_mutex);
}

static void ring_doorbell(events *e)
{
    pthread_mutex_lock(&e->doorbell_mutex);
    if (e->doorbell)
        e->doorbell(e->doorbell_arg);
    pthread_mutex_unlock(&e->doorbell_mutex);
}

void events_publish(events *e, event_topic topic, const char *name, const char *subject,
                    const char *json)
{
    event_record r = {.topic = topic, .json = strdup(json)};
    snprintf(r.name, sizeof r.name, "%s", name);
    snprintf(r.subject, sizeof r.subject, "%s", subject);
    const size_t bytes = r.json ? strlen(r.json) : 0;

    pthread_mutex_lock(&e->mutex);
    while (e->oldest < e->next &&
           (e->next - e->oldest == LIMIT_EVENTS || e->json_bytes + bytes > LIMIT_EVENTS_BYTES))
        forget_oldest(e);
    r.id = e->next++;
    *record_at(e, r.id) = r;
    e->json_bytes += bytes;
    if (!r.json) /* no memory for it: it counts as gone, with all before it */
        while (e->oldest < e->next)
            forget_oldest(e);
    pthread_mutex_unlock(&e->mutex);
    ring_doorbell(e);
}

static bool wanted(const event_record *r, unsigned topics, const char *subject)
{
    return (r->topic & topics) && (!subject || strcmp(r->subject, subject) == 0);
}

size_t events_after(events *e, uint64_t *since, unsigned topics, const char *subject,
                    event_record *out, size_t cap, bool *lost)
{
    size_t n = 0;
    pthread_mutex_lock(&e->mutex);
    const bool foreign = *since && (*since < e->first - 1 || *since >= e->next);
    uint64_t id = foreign || !*since ? e->first : *since + 1;
    *lost = foreign || id < e->oldest;
    if (id < e->oldest)
        id = e->oldest;
    for (; id < e->next && n < cap; id++) {
        const event_record *r = record_at(e, id);
        if (!wanted(r, topics, subject))
            continue;
        out[n] = *r;
        out[n].json = strdup(r->json);
        if (!out[n].json)
            break; /* the caller asks again */
        n++;
    }
    *since = id - 1;
    pthread_mutex_unlock(&e->mutex);
    return n;
}

uint64_t events_last(events *e)
{
    pthread_mutex_lock(&e->mutex);
    const uint64_t last = e->next == e->first ? 0 : e->next - 1;
    pthread_mutex_unlock(&e->mutex);
    return last;
}
