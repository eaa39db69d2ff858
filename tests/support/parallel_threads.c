#include "parallel_threads.h"
#include "harness.h"

#include <pthread.h>
#include <stdlib.h>

enum { MAX_WIDTH = 64 };

typedef struct worker {
    parallel_threads *owner;
    uint32_t member;
    pthread_t thread;
} worker;

struct parallel_threads {
    eng_parallel parallel;
    pthread_mutex_t lock;
    pthread_cond_t work, done; /* a job to take from or the end; the last task is finished */
    /* under lock: */
    eng_task_fn *fn;
    void *arg;
    uint32_t n, next, left; /* tasks of the job, the next to hand out, those not finished */
    bool ending;
    worker workers[MAX_WIDTH - 1];
};

/* Takes tasks until none is left. Enters and leaves with the lock held. */
static void take_tasks(parallel_threads *p, uint32_t member)
{
    while (p->next < p->n) {
        const uint32_t i = p->next++;
        eng_task_fn *fn = p->fn;
        void *arg = p->arg;
        pthread_mutex_unlock(&p->lock);
        fn(arg, i, member);
        pthread_mutex_lock(&p->lock);
        if (--p->left == 0)
            pthread_cond_signal(&p->done);
    }
}

static void *worker_main(void *arg)
{
    const worker *w = arg;
    parallel_threads *p = w->owner;
    pthread_mutex_lock(&p->lock);
    while (!p->ending) {
        take_tasks(p, w->member);
        pthread_cond_wait(&p->work, &p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static void run(void *ctx, uint32_t n, eng_task_fn *fn, void *arg)
{
    parallel_threads *p = ctx;
    if (!n)
        return;
    pthread_mutex_lock(&p->lock);
    p->fn = fn;
    p->arg = arg;
    p->n = p->left = n;
    p->next = 0;
    pthread_cond_broadcast(&p->work);
    take_tasks(p, 0);
    while (p->left)
        pthread_cond_wait(&p->done, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

parallel_threads *parallel_threads_create(uint32_t width)
{
    EXPECT(width >= 1 && width <= MAX_WIDTH);
    parallel_threads *p = calloc(1, sizeof *p);
    EXPECT(p);
    p->parallel = (eng_parallel){.ctx = p, .width = width, .run = run};
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->done, NULL);
    for (uint32_t i = 1; i < width; i++) {
        worker *w = &p->workers[i - 1];
        *w = (worker){.owner = p, .member = i};
        EXPECT_EQ(pthread_create(&w->thread, NULL, worker_main, w), 0);
    }
    return p;
}

void parallel_threads_free(parallel_threads *p)
{
    pthread_mutex_lock(&p->lock);
    p->ending = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (uint32_t i = 1; i < p->parallel.width; i++)
        pthread_join(p->workers[i - 1].thread, NULL);
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->done);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

const eng_parallel *parallel_threads_parallel(const parallel_threads *p)
{
    return &p->parallel;
}
