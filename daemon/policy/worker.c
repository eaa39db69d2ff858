#include "policy/worker.h"

#include "engine.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where the gate stays open: about a tenth of a core beside one busy thread. */
enum { NICENESS = 10 };

/* Lies on the stack of who waits for it. */
typedef struct task {
    void (*fn)(void *arg);
    void *arg;
    bool done;
    struct task *next;
} task;

struct worker {
    pthread_t thread;        /* (i) */
    void (*idle)(void *arg); /* (i) */
    void *arg;               /* (i) */
    spare_time *spare;       /* (i) or NULL */
    bool wants;              /* of the thread: it has a wish for spare time */
    pthread_mutex_t mutex;
    pthread_cond_t work, done;
    task *first, *last; /* (m) */
    bool kicked, quit;  /* (m) */
};

/* A wish begins with the first piece of work and ends where the thread waits: the next piece begins
 * another. */
static void want(worker *w, bool wants)
{
    if (w->wants == wants)
        return;
    w->wants = wants;
    if (wants)
        spare_time_begin(w->spare);
    else
        spare_time_end(w->spare);
}

/* Under the mutex: does the next thing. */
static void take(worker *w)
{
    task *t = w->first;
    if (t)
        w->first = t->next;
    else
        w->kicked = false;
    pthread_mutex_unlock(&w->mutex);
    if (t)
        t->fn(t->arg);
    else
        w->idle(w->arg);
    want(w, false);
    pthread_mutex_lock(&w->mutex);
    if (t)
        t->done = true;
    pthread_cond_broadcast(&w->done);
}

static void pass_gate(void *arg)
{
    worker *w = arg;
    want(w, true);
    spare_time_pass(w->spare);
}

static void wait_without(void *arg)
{
    want(arg, false);
}

static void *worker_main(void *arg)
{
    worker *w = arg;
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICENESS);
    eng_thread_pace(pass_gate, wait_without, w);
    pthread_mutex_lock(&w->mutex);
    while (!w->quit) {
        if (w->first || w->kicked)
            take(w);
        else
            pthread_cond_wait(&w->work, &w->mutex);
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

worker *worker_start(void (*idle)(void *arg), void *arg, spare_time *spare)
{
    worker *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->idle = idle;
    w->arg = arg;
    w->spare = spare;
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->work, NULL);
    pthread_cond_init(&w->done, NULL);
    if (pthread_create(&w->thread, NULL, worker_main, w) == 0)
        return w;
    pthread_cond_destroy(&w->done);
    pthread_cond_destroy(&w->work);
    pthread_mutex_destroy(&w->mutex);
    free(w);
    return NULL;
}

void worker_run(worker *w, void (*fn)(void *arg), void *arg)
{
    task t = {.fn = fn, .arg = arg};
    if (pthread_equal(pthread_self(), w->thread)) {
        fn(arg);
        return;
    }
    pthread_mutex_lock(&w->mutex);
    if (w->first)
        w->last->next = &t;
    else
        w->first = &t;
    w->last = &t;
    pthread_cond_signal(&w->work);
    while (!t.done)
        pthread_cond_wait(&w->done, &w->mutex);
    pthread_mutex_unlock(&w->mutex);
}

void worker_waits(worker *w)
{
    if (w && pthread_equal(pthread_self(), w->thread))
        want(w, false);
}

void worker_kick(worker *w)
{
    pthread_mutex_lock(&w->mutex);
    w->kicked = true;
    pthread_cond_signal(&w->work);
    pthread_mutex_unlock(&w->mutex);
}

void worker_stop(worker *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->mutex);
    w->quit = true;
    pthread_cond_signal(&w->work);
    pthread_mutex_unlock(&w->mutex);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->done);
    pthread_cond_destroy(&w->work);
    pthread_mutex_destroy(&w->mutex);
    free(w);
}
