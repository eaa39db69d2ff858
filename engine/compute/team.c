#include "compute/team.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { CACHE_LINE = 64, SPINS_PER_CLOCK_LOOK = 64, DEFAULT_SPIN_US = 50, LEAST_PATIENCE = 32 };

/* How many numbers of a member's share are taken in the current phase. */
typedef struct team_share {
    _Alignas(CACHE_LINE) atomic_uint taken;
} team_share;

/* How long a member spins adapts: half as long after a wait that ended asleep, twice as long after
 * one that did not. Two members that other work has crowded onto one core cannot meet while either
 * spins; there each barrier costs a switch of threads instead of the whole spin. */
struct eng_team {
    uint32_t n_members;          /* (i) */
    int64_t spin_ns;             /* (i) */
    pthread_t *threads;          /* (i) n_members - 1 */
    team_share *shares;          /* [n_members] */
    void (*give_way)(void *arg); /* (i) since the first run; or NULL */
    void *give_way_arg;          /* (i) */

    /* Written by the owner before `generation` moves, read by members after. */
    eng_team_fn fn;
    void *arg;
    bool quit;

    _Alignas(CACHE_LINE) atomic_uint generation; /* moves when there is a function to run */
    _Alignas(CACHE_LINE) atomic_uint arrived;    /* members at the current barrier */
    _Alignas(CACHE_LINE) atomic_uint phase;      /* moves when a barrier opens */
    _Alignas(CACHE_LINE) atomic_uint next;       /* work counter of the current phase */
    _Alignas(CACHE_LINE) atomic_uint sleepers;   /* members asleep on generation or phase */
    _Alignas(CACHE_LINE) atomic_int_least64_t patience_ns; /* of a spin, up to spin_ns */
};

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void adapt(eng_team *team, int64_t patience_ns)
{
    const int64_t least = team->spin_ns / LEAST_PATIENCE;
    if (patience_ns >= least && patience_ns <= team->spin_ns)
        atomic_store_explicit(&team->patience_ns, patience_ns, memory_order_relaxed);
}

/* Has *word moved on while the caller's patience lasted? */
static bool moves_soon(eng_team *team, atomic_uint *word, unsigned seen)
{
    const int64_t patience_ns = atomic_load_explicit(&team->patience_ns, memory_order_relaxed);
    int64_t until = 0;
    for (unsigned i = 1;; i++) {
        if (atomic_load_explicit(word, memory_order_acquire) != seen) {
            adapt(team, 2 * patience_ns);
            return true;
        }
        relax();
        if (i % SPINS_PER_CLOCK_LOOK == 0) {
            int64_t now = now_ns();
            if (!until)
                until = now + patience_ns;
            else if (now > until)
                break;
        }
    }
    adapt(team, patience_ns / 2);
    return false;
}

/* Returns once *word != seen. Sleeping is announced in `sleepers` before the word is looked at once
 * more, and the waker moves the word before it looks at `sleepers`: one of the two always sees the
 * other (both sequentially consistent), so no wake-up is lost. */
static void wait_past(eng_team *team, atomic_uint *word, unsigned seen)
{
    if (moves_soon(team, word, seen))
        return;
    atomic_fetch_add(&team->sleepers, 1);
    while (atomic_load(word) == seen)
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    atomic_fetch_sub(&team->sleepers, 1);
}

static void move_and_wake(eng_team *team, atomic_uint *word)
{
    atomic_fetch_add(word, 1);
    if (atomic_load(&team->sleepers))
        syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void eng__team_barrier(eng_team *team)
{
    unsigned phase = atomic_load_explicit(&team->phase, memory_order_relaxed);
    if (atomic_fetch_add(&team->arrived, 1) + 1 == team->n_members) {
        atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&team->next, 0, memory_order_relaxed);
        for (uint32_t i = 0; i < team->n_members; i++)
            atomic_store_explicit(&team->shares[i].taken, 0, memory_order_relaxed);
        move_and_wake(team, &team->phase);
        return;
    }
    wait_past(team, &team->phase, phase);
}

void eng__team_give_way(eng_team *team, void (*give_way)(void *arg), void *arg)
{
    team->give_way = give_way;
    team->give_way_arg = arg;
}

uint32_t eng__team_next(eng_team *team)
{
    if (team->give_way)
        team->give_way(team->give_way_arg);
    return atomic_fetch_add_explicit(&team->next, 1, memory_order_relaxed);
}

/* The next number of a share, or ENG_TEAM_DONE. */
static uint32_t take_of(team_share *share, uint32_t first, uint32_t end)
{
    if (atomic_load_explicit(&share->taken, memory_order_relaxed) >= end - first)
        return ENG_TEAM_DONE;
    const uint32_t i = atomic_fetch_add_explicit(&share->taken, 1, memory_order_relaxed);
    return i < end - first ? first + i : ENG_TEAM_DONE;
}

uint32_t eng__team_share(eng_team *team, uint32_t member, uint32_t n)
{
    if (team->give_way)
        team->give_way(team->give_way_arg);
    const uint64_t all = team->n_members;
    for (uint32_t i = 0; i < all; i++) {
        const uint64_t whose = (member + i) % all;
        const uint32_t found = take_of(&team->shares[whose], (uint32_t)(whose * n / all),
                                       (uint32_t)((whose + 1) * n / all));
        if (found != ENG_TEAM_DONE)
            return found;
    }
    return ENG_TEAM_DONE;
}

typedef struct member_start {
    eng_team *team;
    uint32_t member;
} member_start;

static void *member_main(void *arg)
{
    member_start start = *(member_start *)arg;
    free(arg);
    eng_team *team = start.team;
    for (unsigned seen = 0;; seen++) {
        wait_past(team, &team->generation, seen);
        if (team->quit)
            return NULL;
        team->fn(team->arg, start.member);
        eng__team_barrier(team);
    }
}

void eng__team_run(eng_team *team, eng_team_fn fn, void *arg)
{
    team->fn = fn;
    team->arg = arg;
    if (team->n_members > 1)
        move_and_wake(team, &team->generation);
    fn(arg, 0);
    eng__team_barrier(team);
}

uint32_t eng__team_size(const eng_team *team)
{
    return team->n_members;
}

static bool start_member(eng_team *team, uint32_t member)
{
    member_start *start = malloc(sizeof *start);
    if (!start)
        return false;
    *start = (member_start){team, member};
    if (pthread_create(&team->threads[member - 1], NULL, member_main, start) == 0)
        return true;
    free(start);
    return false;
}

eng_status eng__team_create(eng_team **out, uint32_t n_members, uint32_t spin_us, eng_error *err)
{
    eng_team *team = aligned_alloc(CACHE_LINE, sizeof *team);
    if (!team)
        return eng_fail(err, ENG_NOMEM, "worker team: out of memory");
    *team = (eng_team){.n_members = 1,
                       .spin_ns = (int64_t)(spin_us ? spin_us : DEFAULT_SPIN_US) * 1000};
    team->patience_ns = team->spin_ns;
    team->threads = calloc(n_members, sizeof *team->threads);
    team->shares = aligned_alloc(CACHE_LINE, n_members * sizeof *team->shares);
    if (!team->threads || !team->shares) {
        free(team->threads);
        free(team->shares);
        free(team);
        return eng_fail(err, ENG_NOMEM, "worker team: out of memory");
    }
    for (uint32_t i = 0; i < n_members; i++)
        team->shares[i].taken = 0;
    /* n_members counts the threads that exist, so that a failure half way joins just those. No
     * member reads it before the first run. */
    for (uint32_t i = 1; i < n_members; i++, team->n_members++) {
        if (!start_member(team, i)) {
            eng__team_free(team);
            return eng_fail(err, ENG_NOMEM, "worker team: thread %u of %u could not start", i,
                            n_members);
        }
    }
    *out = team;
    return ENG_OK;
}

void eng__team_free(eng_team *team)
{
    if (!team)
        return;
    team->quit = true;
    move_and_wake(team, &team->generation);
    for (uint32_t i = 1; i < team->n_members; i++)
        pthread_join(team->threads[i - 1], NULL);
    free(team->threads);
    free(team->shares);
    free(team);
}

typedef struct lent_job {
    eng_team *team;
    uint32_t n;
    eng_task_fn *fn;
    void *arg;
} lent_job;

static void take_tasks(void *arg, uint32_t member)
{
    const lent_job *job = arg;
    for (uint32_t i = eng__team_next(job->team); i < job->n; i = eng__team_next(job->team))
        job->fn(job->arg, i, member);
}

static void run_tasks(void *ctx, uint32_t n, eng_task_fn *fn, void *arg)
{
    lent_job job = {ctx, n, fn, arg};
    eng__team_run(job.team, take_tasks, &job);
}

eng_parallel eng__team_parallel(eng_team *team)
{
    return (eng_parallel){.ctx = team, .width = team->n_members, .run = run_tasks};
}
