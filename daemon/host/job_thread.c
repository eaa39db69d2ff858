#include "host/job_thread.h"

#include "base/clock.h"
#include "engine.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

typedef enum thread_state {
    THREAD_IDLE,    /* waits for start */
    THREAD_ENTERED, /* in enter */
    THREAD_CALLING, /* in enter, waits for the watcher to carry out `fn` */
    THREAD_RETURNED /* enter has returned `rc`; the watcher has not seen it */
} thread_state;

struct job_thread {
    pthread_t thread;
    spare_time *spare; /* (i) */
    pthread_mutex_t mutex;
    pthread_cond_t to_thread;  /* there is something to enter, a call is done, or the end */
    pthread_cond_t to_watcher; /* the state is CALLING or RETURNED */
    thread_state state;        /* (m) */
    bool ending;               /* (m) */
    job_thread_fn *fn;         /* (m) what is to be entered, or called */
    void *arg;                 /* (m) */
    int rc;                    /* (m) of what was entered, or called */
    atomic_uint_least64_t calls;
};

/* ---- the thread's side ---- */

static void *thread_main(void *arg)
{
    job_thread *t = arg;
    eng_thread_lower();
    pthread_mutex_lock(&t->mutex);
    for (;;) {
        while (t->state != THREAD_ENTERED && !t->ending)
            pthread_cond_wait(&t->to_thread, &t->mutex);
        if (t->state != THREAD_ENTERED)
            break;
        job_thread_fn *enter = t->fn;
        void *enter_arg = t->arg;
        pthread_mutex_unlock(&t->mutex);
        spare_time_begin(t->spare);
        int rc = enter(enter_arg);
        spare_time_end(t->spare);
        pthread_mutex_lock(&t->mutex);
        t->rc = rc;
        t->state = THREAD_RETURNED;
        pthread_cond_signal(&t->to_watcher);
    }
    pthread_mutex_unlock(&t->mutex);
    return NULL;
}

int job_thread_call(job_thread *t, job_thread_fn *fn, void *arg, int refused)
{
    if (!pthread_equal(t->thread, pthread_self()))
        return refused;
    spare_time_end(t->spare);
    pthread_mutex_lock(&t->mutex);
    t->fn = fn;
    t->arg = arg;
    t->state = THREAD_CALLING;
    pthread_cond_signal(&t->to_watcher);
    while (t->state == THREAD_CALLING)
        pthread_cond_wait(&t->to_thread, &t->mutex);
    int rc = t->rc;
    pthread_mutex_unlock(&t->mutex);
    spare_time_begin(t->spare);
    return rc;
}

/* ---- the watcher's side ---- */

void job_thread_start(job_thread *t, job_thread_fn *enter, void *arg)
{
    pthread_mutex_lock(&t->mutex);
    t->fn = enter;
    t->arg = arg;
    t->state = THREAD_ENTERED;
    pthread_cond_signal(&t->to_thread);
    pthread_mutex_unlock(&t->mutex);
}

/* Enters and leaves with the lock held. */
static void carry_out(job_thread *t)
{
    job_thread_fn *fn = t->fn;
    void *arg = t->arg;
    pthread_mutex_unlock(&t->mutex);
    int rc = fn(arg);
    atomic_fetch_add(&t->calls, 1);
    pthread_mutex_lock(&t->mutex);
    t->rc = rc;
    t->state = THREAD_ENTERED;
    pthread_cond_signal(&t->to_thread);
}

bool job_thread_attend(job_thread *t, int timeout_ms, int *rc)
{
    const struct timespec until = clock_in_ms(timeout_ms);
    bool returned = false, waited = true;
    pthread_mutex_lock(&t->mutex);
    while (!returned && waited) {
        if (t->state == THREAD_CALLING)
            carry_out(t);
        else if (t->state == THREAD_RETURNED)
            returned = true;
        else
            waited = pthread_cond_timedwait(&t->to_watcher, &t->mutex, &until) == 0;
    }
    if (returned) {
        *rc = t->rc;
        t->state = THREAD_IDLE;
    }
    pthread_mutex_unlock(&t->mutex);
    return returned;
}

uint64_t job_thread_calls(const job_thread *t)
{
    return atomic_load(&t->calls);
}

int64_t job_thread_cpu_ms(const job_thread *t)
{
    return clock_thread_cpu_ms(t->thread);
}

/* ---- life ---- */

static void destroy(job_thread *t)
{
    pthread_cond_destroy(&t->to_watcher);
    pthread_cond_destroy(&t->to_thread);
    pthread_mutex_destroy(&t->mutex);
    free(t);
}

job_thread *job_thread_create(spare_time *spare)
{
    job_thread *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->spare = spare;
    pthread_mutex_init(&t->mutex, NULL);
    pthread_cond_init(&t->to_thread, NULL);
    clock_cond_init(&t->to_watcher);
    pthread_mutex_lock(&t->mutex); /* t->thread is written before the thread goes on */
    bool started = pthread_create(&t->thread, NULL, thread_main, t) == 0;
    pthread_mutex_unlock(&t->mutex);
    if (started)
        return t;
    destroy(t);
    return NULL;
}

void job_thread_free(job_thread *t)
{
    if (!t)
        return;
    pthread_mutex_lock(&t->mutex);
    t->ending = true;
    pthread_cond_signal(&t->to_thread);
    pthread_mutex_unlock(&t->mutex);
    pthread_join(t->thread, NULL);
    destroy(t);
}
