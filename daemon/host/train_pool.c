#include "host/train_pool.h"

#include "base/clock.h"
#include "engine.h"

#include <linux/futex.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CACHE_LINE = 64, SPIN_NS = 30 * 1000, SPINS_PER_CLOCK_LOOK = 64 };

typedef void piece_fn(void *arg, uint32_t i, uint32_t member);

typedef struct pool_thread {
    train_pool *pool;
    pthread_t thread;
    uint32_t member;
} pool_thread;

struct train_pool {
    uint32_t width;       /* (i) the caller included */
    pool_thread *threads; /* (i) [width - 1] */
    spare_time *spare;    /* (i) */
    atomic_flag in_use;   /* (a) a run is under way */

    /* Written by the caller of run before `claims` is set; read by whoever holds a piece, which
     * keeps the caller from leaving. */
    piece_fn *fn;
    void *arg;
    uint32_t n;

    /* Number of the run in the upper half, pieces not yet taken in the lower: a thread that comes
     * late takes a piece of the run that is under way or none, never one of a run that is over. */
    _Alignas(CACHE_LINE) atomic_uint_least64_t claims;
    _Alignas(CACHE_LINE) atomic_uint left; /* pieces not yet finished; a futex */
    _Alignas(CACHE_LINE) atomic_uint rung; /* moves when there are pieces, or the end; a futex */
    atomic_uint sleepers;                  /* threads asleep, or about to be, on rung or left */
    atomic_uint_least64_t life;            /* pieces begun, of all runs */
    atomic_bool ending;
};

/* ---- waiting ---- */

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Returns once *word is not `seen`: after a short spin, asleep. A sleeper announces itself before
 * it looks once more, and the waker changes the word before it looks for sleepers: one of the two
 * always sees the other. */
static void wait_past(train_pool *p, atomic_uint *word, unsigned seen)
{
    int64_t until = clock_now_ns() + SPIN_NS;
    for (unsigned i = 1; atomic_load_explicit(word, memory_order_acquire) == seen; i++) {
        relax();
        if (i % SPINS_PER_CLOCK_LOOK == 0 && clock_now_ns() > until)
            break;
    }
    atomic_fetch_add(&p->sleepers, 1);
    while (atomic_load(word) == seen)
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    atomic_fetch_sub(&p->sleepers, 1);
}

static void wake(train_pool *p, atomic_uint *word)
{
    if (atomic_load(&p->sleepers))
        syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* ---- pieces ---- */

/* How many pieces are left with the one that was taken, which is piece n - that; 0: none. */
static uint32_t take(train_pool *p)
{
    uint64_t seen = atomic_load_explicit(&p->claims, memory_order_acquire);
    while ((uint32_t)seen)
        if (atomic_compare_exchange_weak_explicit(&p->claims, &seen, seen - 1, memory_order_acq_rel,
                                                  memory_order_acquire))
            return (uint32_t)seen;
    return 0;
}

static void begin_piece(train_pool *p)
{
    spare_time_pass(p->spare);
    atomic_fetch_add_explicit(&p->life, 1, memory_order_relaxed);
}

static void work(train_pool *p, uint32_t member)
{
    for (uint32_t remaining; (remaining = take(p)) != 0;) {
        begin_piece(p);
        p->fn(p->arg, p->n - remaining, member);
        if (atomic_fetch_sub(&p->left, 1) == 1)
            wake(p, &p->left);
    }
}

static void *thread_main(void *arg)
{
    const pool_thread *t = arg;
    train_pool *p = t->pool;
    eng_thread_lower();
    for (unsigned seen = 0; !atomic_load(&p->ending);) {
        work(p, t->member);
        wait_past(p, &p->rung, seen);
        seen = atomic_load(&p->rung);
    }
    return NULL;
}

static void ring(train_pool *p)
{
    atomic_fetch_add(&p->rung, 1);
    wake(p, &p->rung);
}

/* The caller waits on `left` for each value it takes on the way down. */
static void wait_for_pieces(train_pool *p)
{
    for (unsigned left; (left = atomic_load(&p->left)) != 0;)
        wait_past(p, &p->left, left);
}

void train_pool_run(train_pool *p, uint32_t n, piece_fn *fn, void *arg)
{
    if (n <= 1 || p->width == 1 || atomic_flag_test_and_set(&p->in_use)) {
        for (uint32_t i = 0; i < n; i++) {
            begin_piece(p);
            fn(arg, i, 0);
        }
        return;
    }
    p->fn = fn;
    p->arg = arg;
    p->n = n;
    atomic_store(&p->left, n);
    uint64_t run = (atomic_load(&p->claims) >> 32) + 1;
    atomic_store(&p->claims, run << 32 | n);
    ring(p);
    work(p, 0);
    wait_for_pieces(p);
    atomic_flag_clear(&p->in_use);
}

uint32_t train_pool_width(const train_pool *p)
{
    return p->width;
}

uint64_t train_pool_life(const train_pool *p)
{
    return atomic_load_explicit(&p->life, memory_order_relaxed);
}

/* ---- life ---- */

static bool start_thread(train_pool *p, uint32_t member)
{
    pool_thread *t = &p->threads[member - 1];
    *t = (pool_thread){.pool = p, .member = member};
    return pthread_create(&t->thread, NULL, thread_main, t) == 0;
}

train_pool *train_pool_create(uint32_t width, spare_time *spare, error_text *err)
{
    uint32_t want = width ? width : eng_cpu_count();
    train_pool *p = aligned_alloc(CACHE_LINE, sizeof *p);
    pool_thread *threads = calloc(want, sizeof *threads);
    if (!p || !threads) {
        free(p);
        free(threads);
        error_text_set(err, "training threads: out of memory");
        return NULL;
    }
    *p = (train_pool){.width = 1, .threads = threads, .spare = spare, .in_use = ATOMIC_FLAG_INIT};
    for (; p->width < want; p->width++) {
        if (start_thread(p, p->width))
            continue;
        error_text_set(err, "training threads: the system refuses thread %u of %u", p->width, want);
        train_pool_free(p);
        return NULL;
    }
    return p;
}

void train_pool_free(train_pool *p)
{
    if (!p)
        return;
    atomic_store(&p->ending, true);
    ring(p);
    for (uint32_t i = 1; i < p->width; i++)
        pthread_join(p->threads[i - 1].thread, NULL);
    free(p->threads);
    free(p);
}
