#include "crew.h"

#include "measure.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static void start_thread(pthread_t *thread, void *(*fn)(void *), void *arg)
{
    if (pthread_create(thread, NULL, fn, arg) != 0) {
        fprintf(stderr, "bench: a thread could not be started\n");
        exit(1);
    }
}

/* ---- a crew ---- */

typedef struct crew {
    pthread_barrier_t ready;
    void (*fn)(void *arg, uint32_t member);
    void *arg;
} crew;

typedef struct crew_member {
    crew *crew;
    uint32_t index;
    pthread_t thread;
    double begin, end;
} crew_member;

static void *member_main(void *arg)
{
    crew_member *m = arg;
    pthread_barrier_wait(&m->crew->ready);
    m->begin = now_s();
    m->crew->fn(m->crew->arg, m->index);
    m->end = now_s();
    return NULL;
}

double crew_run(uint32_t n, void (*fn)(void *arg, uint32_t member), void *arg)
{
    crew_member members[CREW_MAX];
    crew c = {.fn = fn, .arg = arg};
    if (n > CREW_MAX)
        n = CREW_MAX;
    pthread_barrier_init(&c.ready, NULL, n);
    for (uint32_t i = 0; i < n; i++) {
        members[i] = (crew_member){.crew = &c, .index = i};
        start_thread(&members[i].thread, member_main, &members[i]);
    }
    for (uint32_t i = 0; i < n; i++)
        pthread_join(members[i].thread, NULL);
    pthread_barrier_destroy(&c.ready);
    double begin = members[0].begin, end = members[0].end;
    for (uint32_t i = 1; i < n; i++) {
        begin = members[i].begin < begin ? members[i].begin : begin;
        end = members[i].end > end ? members[i].end : end;
    }
    return end - begin;
}

/* ---- busy threads ---- */

struct busy {
    atomic_bool stop;
    int nice_value;
    uint32_t n;
    pthread_t threads[CREW_MAX];
};

static void *busy_main(void *arg)
{
    busy *b = arg;
    /* On Linux a nice value belongs to a thread, not to its process. */
    if (b->nice_value)
        setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), b->nice_value);
    uint64_t x = 88172645463325252u;
    while (!atomic_load_explicit(&b->stop, memory_order_relaxed))
        for (int i = 0; i < 1024; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            __asm__ volatile("" : "+r"(x));
        }
    return NULL;
}

busy *busy_start(uint32_t n, int nice_value)
{
    busy *b = calloc(1, sizeof *b);
    if (!b) {
        fprintf(stderr, "bench: out of memory\n");
        exit(1);
    }
    atomic_init(&b->stop, false);
    b->nice_value = nice_value;
    b->n = n < CREW_MAX ? n : CREW_MAX;
    for (uint32_t i = 0; i < b->n; i++)
        start_thread(&b->threads[i], busy_main, b);
    return b;
}

void busy_stop(busy *b)
{
    atomic_store_explicit(&b->stop, true, memory_order_relaxed);
    for (uint32_t i = 0; i < b->n; i++)
        pthread_join(b->threads[i], NULL);
    free(b);
}
