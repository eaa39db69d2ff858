#include "engine.h"
#include "harness.h"
#include "host/train_pool.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST = 5000 };

typedef struct tally {
    atomic_uint calls[MOST];
    uint32_t width;
    atomic_bool member_wrong;
} tally;

static void count(void *arg, uint32_t i, uint32_t member)
{
    tally *t = arg;
    atomic_fetch_add_explicit(&t->calls[i], 1, memory_order_relaxed);
    if (member >= t->width)
        atomic_store(&t->member_wrong, true);
}

static tally *counted; /* by run_counted */

static train_pool *create(uint32_t width)
{
    error_text err;
    train_pool *p = train_pool_create(width, NULL, &err);
    if (!p)
        FAIL("%s", err.text);
    return p;
}

TEST(each_piece_is_done_once_whatever_the_width)
{
    static const uint32_t widths[] = {1, 2, 3, 8}, sizes[] = {0, 1, 2, 7, 64, MOST};
    tally *t = calloc(1, sizeof *t);
    for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++) {
        train_pool *p = create(widths[w]);
        t->width = train_pool_width(p);
        EXPECT_EQ(t->width, widths[w]);
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            memset(t->calls, 0, sizeof t->calls);
            train_pool_run(p, sizes[s], count, t);
            for (uint32_t i = 0; i < MOST; i++)
                EXPECT_EQ(t->calls[i], i < sizes[s]);
        }
        EXPECT(!t->member_wrong);
        train_pool_free(p);
    }
    free(t);
}

/* Plain memory, so that a thread sanitizer sees whether a run's end is one. */
typedef struct plain {
    uint64_t value[64];
    uint64_t add;
} plain;

static void add_plain(void *arg, uint32_t i, uint32_t member)
{
    plain *p = arg;
    (void)member;
    p->value[i] += p->add;
}

TEST(many_short_runs_see_each_others_writes)
{
    train_pool *p = create(4);
    plain data = {.add = 0};
    for (uint64_t run = 1; run <= 3000; run++) {
        data.add = run;
        train_pool_run(p, 1 + run % 64, add_plain, &data);
    }
    uint64_t sum = 0, want = 0;
    for (int i = 0; i < 64; i++)
        sum += data.value[i];
    for (uint64_t run = 1; run <= 3000; run++)
        want += run * (1 + run % 64);
    EXPECT_EQ(sum, want);
    EXPECT(train_pool_life(p) > 0);
    train_pool_free(p);
}

static void *run_counted(void *arg)
{
    train_pool_run(arg, 64, count, counted);
    return NULL;
}

TEST(no_piece_is_begun_while_the_gate_is_closed)
{
    spare_time spare = {.percent = 10};
    error_text err;
    pthread_t caller;
    train_pool *p = train_pool_create(3, &spare, &err);
    EXPECT(p != NULL);
    counted = calloc(1, sizeof *counted);
    counted->width = 3;
    spare_time_close(&spare);
    EXPECT_EQ(pthread_create(&caller, NULL, run_counted, p), 0);
    while (atomic_load(&spare.waiting) < 3) /* each stands there with a piece in its hands */
        usleep(1000);
    for (uint32_t i = 0; i < 64; i++)
        EXPECT_EQ(counted->calls[i], 0);
    spare_time_open(&spare);
    pthread_join(caller, NULL);
    for (uint32_t i = 0; i < 64; i++)
        EXPECT_EQ(counted->calls[i], 1);
    train_pool_free(p);
    free(counted);
}

typedef struct nested {
    train_pool *pool;
    atomic_uint inner;
} nested;

static void count_inner(void *arg, uint32_t i, uint32_t member)
{
    (void)i;
    if (member == 0)
        atomic_fetch_add((atomic_uint *)arg, 1);
}

static void run_inner(void *arg, uint32_t i, uint32_t member)
{
    nested *n = arg;
    (void)i, (void)member;
    train_pool_run(n->pool, 3, count_inner, &n->inner);
}

TEST(a_run_beside_another_is_done_by_its_caller_alone)
{
    nested n = {.pool = create(3)};
    train_pool_run(n.pool, 10, run_inner, &n);
    EXPECT_EQ(n.inner, 30);
    train_pool_free(n.pool);
}

typedef struct seen {
    pthread_t caller;
    atomic_uint others, idle, niced;
} seen;

static void look_at_priority(void *arg, uint32_t i, uint32_t member)
{
    seen *s = arg;
    (void)i;
    usleep(2000); /* long enough for another thread to come and take one */
    if (member == 0)
        return;
    atomic_fetch_add(&s->others, 1);
    if (sched_getscheduler(0) == SCHED_IDLE)
        atomic_fetch_add(&s->idle, 1);
    if (getpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid)) == 19)
        atomic_fetch_add(&s->niced, 1);
}

TEST(threads_of_the_pool_give_way_to_all_others)
{
    train_pool *p = create(4);
    seen s = {.caller = pthread_self()};
    for (int i = 0; i < 100 && !s.others; i++)
        train_pool_run(p, 16, look_at_priority, &s);
    EXPECT(s.others > 0);
    EXPECT_EQ(s.niced, s.others);
    EXPECT_EQ(s.idle, s.others);
    EXPECT(sched_getscheduler(0) == SCHED_OTHER);
    train_pool_free(p);
}

/* The state letter of each thread of this process but the caller's, e.g. "SSR". */
static size_t thread_states(char *out, size_t cap)
{
    size_t n = 0;
    DIR *dir = opendir("/proc/self/task");
    if (!dir)
        SKIP("no /proc");
    for (struct dirent *e; (e = readdir(dir)) && n + 1 < cap;) {
        char path[300], line[256];
        if (e->d_name[0] == '.' || atol(e->d_name) == syscall(SYS_gettid))
            continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/stat", e->d_name);
        FILE *f = fopen(path, "r");
        if (f && fgets(line, sizeof line, f) && strrchr(line, ')'))
            out[n++] = strrchr(line, ')')[2];
        if (f)
            fclose(f);
    }
    closedir(dir);
    out[n] = 0;
    return n;
}

TEST(threads_without_work_sleep)
{
    char states[64];
    plain data = {.add = 1};
    train_pool *p = create(4);
    train_pool_run(p, 64, add_plain, &data);
    for (int i = 0; i < 5000; i++) { /* they spin for a moment first */
        EXPECT(thread_states(states, sizeof states) >= 3);
        if (strspn(states, "S") == strlen(states))
            break;
        usleep(2000);
    }
    EXPECT_EQ(strspn(states, "S"), strlen(states));
    train_pool_free(p);
}

TEST(a_pool_is_as_wide_as_the_machine_unless_told)
{
    train_pool *p = create(0);
    EXPECT_EQ(train_pool_width(p), eng_cpu_count());
    train_pool_free(p);
}
