/* What happens, told to whoever listens: alias.moved, policy.state, job.status, job.metrics.
 *
 * A bus with a bounded memory: publishers never wait, a subscriber that is slower than the bus
 * remembers is told so and goes on from the oldest that is left. Ids grow by one over the whole
 * process and carry the process' start, so that a Last-Event-ID of an earlier process is known as
 * such. */
#ifndef DAEMON_HOST_EVENTS_H
#define DAEMON_HOST_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct events events;

typedef enum event_topic {
    TOPIC_POLICY = 1,
    TOPIC_ALIAS = 2,
    TOPIC_JOB = 4,
    TOPIC_ROLLOUT = 8
} event_topic;

typedef struct event_record {
    uint64_t id;
    event_topic topic;
    char name[32];    /* "alias.moved" */
    char subject[72]; /* the job, policy or alias it is about */
    char *json;       /* one line; owned by the record's holder */
} event_record;

events *events_create(void); /* NULL when memory is out */
void events_free(events *e); /* NULL allowed; nobody publishes any more */
/* `ring` is called by the publishing thread after each publish; at most one, NULL for none. It must
 * not call events_*. Once this has returned, the ring before is not called any more. */
void events_on_publish(events *e, void (*ring)(void *arg), void *arg);
/* Copies its strings. json: one line. [any thread; never waits] */
void events_publish(events *e, event_topic topic, const char *name, const char *subject,
                    const char *json);
/* Copies to out the records after `since` that are in topics (and about subject, unless NULL), at
 * most cap; *since becomes the last id looked at, *lost is set when some after `since` are gone, or
 * `since` is of another process. The caller frees each json. [any thread] */
size_t events_after(events *e, uint64_t *since, unsigned topics, const char *subject,
                    event_record *out, size_t cap, bool *lost);
uint64_t events_last(events *e); /* id of the newest, 0 if none [any thread] */

#endif
