/* The worker team: every member meets every barrier, numbers are handed out once each, and no
 * wake-up is lost when members sleep at once. */
#include "compute/team.h"
#include "harness.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { MAX_MEMBERS = 4, PHASES = 1000, RUNS = 500, ITEMS = 37 };

typedef struct job {
    eng_team *team;
    uint32_t n;
    uint32_t plain[MAX_MEMBERS]; /* one a member, not atomic: the barrier orders them */
    uint32_t taken[ITEMS];
    atomic_uint wrong, calls;
    bool dawdle;
} job;

static eng_team *make_team(uint32_t n, uint32_t spin_us)
{
    eng_team *team;
    eng_error err;
    EXPECT_OK(eng__team_create(&team, n, spin_us, &err), err);
    EXPECT_EQ(eng__team_size(team), n);
    return team;
}

/* Long enough for a member that spins 1 us to fall asleep. */
static void dawdle(const job *j, uint32_t phase, uint32_t member)
{
    if (j->dawdle && (phase + member) % 97 == 0)
        nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
}

static void count_phases(void *arg, uint32_t member)
{
    job *j = arg;
    atomic_fetch_add(&j->calls, 1);
    for (uint32_t phase = 1; phase <= PHASES; phase++) {
        dawdle(j, phase, member);
        j->plain[member] = phase;
        eng__team_barrier(j->team);
        for (uint32_t i = 0; i < j->n; i++)
            if (j->plain[i] != phase)
                atomic_fetch_add(&j->wrong, 1);
        eng__team_barrier(j->team);
    }
}

static void take_items(void *arg, uint32_t member)
{
    job *j = arg;
    for (uint32_t phase = 1; phase <= PHASES / 4; phase++) {
        dawdle(j, phase, member);
        for (uint32_t i = eng__team_next(j->team); i < ITEMS; i = eng__team_next(j->team))
            j->taken[i]++;
        eng__team_barrier(j->team);
        for (uint32_t i = 0; i < ITEMS; i++)
            if (j->taken[i] != phase)
                atomic_fetch_add(&j->wrong, 1);
        eng__team_barrier(j->team);
    }
}

/* A member takes its own share in ascending order, and what others have left only after it. */
static void take_shares(void *arg, uint32_t member)
{
    job *j = arg;
    const uint32_t first = member * ITEMS / j->n, end = (member + 1) * ITEMS / j->n;
    for (uint32_t phase = 1; phase <= PHASES / 4; phase++) {
        dawdle(j, phase, member);
        uint32_t own = first; /* the least number of its share that may still come */
        for (uint32_t i; (i = eng__team_share(j->team, member, ITEMS)) != ENG_TEAM_DONE;) {
            j->taken[i]++;
            const bool mine = i >= first && i < end;
            if (mine && i < own)
                atomic_fetch_add(&j->wrong, 1);
            own = mine ? i + 1 : end;
        }
        eng__team_barrier(j->team);
        for (uint32_t i = 0; i < ITEMS; i++)
            if (j->taken[i] != phase)
                atomic_fetch_add(&j->wrong, 1);
        eng__team_barrier(j->team);
    }
}

static void run_job(eng_team_fn fn, uint32_t n, uint32_t spin_us, bool dawdles)
{
    job j = {.team = make_team(n, spin_us), .n = n, .dawdle = dawdles};
    eng__team_run(j.team, fn, &j);
    eng__team_free(j.team);
    EXPECT_EQ(atomic_load(&j.wrong), 0);
}

TEST(a_barrier_shows_every_member_what_the_others_wrote)
{
    for (uint32_t n = 1; n <= MAX_MEMBERS; n++)
        run_job(count_phases, n, 0, false);
}

TEST(next_hands_out_each_number_once_between_barriers)
{
    for (uint32_t n = 1; n <= MAX_MEMBERS; n++)
        run_job(take_items, n, 0, false);
}

TEST(share_hands_out_each_number_once_a_members_own_first)
{
    for (uint32_t n = 1; n <= MAX_MEMBERS; n++)
        run_job(take_shares, n, 0, false);
}

TEST(members_that_sleep_at_every_barrier_lose_no_wake_up)
{
    for (uint32_t n = 2; n <= MAX_MEMBERS; n++) {
        run_job(count_phases, n, 1, true);
        run_job(take_items, n, 1, true);
        run_job(take_shares, n, 1, true);
    }
}

static void add_one(void *arg, uint32_t member)
{
    job *j = arg;
    dawdle(j, atomic_fetch_add(&j->calls, 1), member);
    j->plain[member]++;
}

TEST(each_run_calls_every_member_once_and_returns_after_all)
{
    for (uint32_t n = 1; n <= MAX_MEMBERS; n++) {
        job j = {.team = make_team(n, 1), .n = n, .dawdle = true};
        for (uint32_t run = 1; run <= RUNS; run++) {
            if (run % 50 == 0) /* the members are asleep when the run begins */
                nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
            eng__team_run(j.team, add_one, &j);
            for (uint32_t i = 0; i < n; i++)
                EXPECT_EQ(j.plain[i], run);
        }
        EXPECT_EQ(atomic_load(&j.calls), n * RUNS);
        eng__team_free(j.team);
    }
}

TEST(a_team_that_never_ran_can_be_freed)
{
    for (uint32_t n = 1; n <= MAX_MEMBERS; n++)
        eng__team_free(make_team(n, 1));
    eng__team_free(NULL);
}

static void take_one(void *arg, uint32_t i, uint32_t member)
{
    job *j = arg;
    if (i >= ITEMS || member >= j->n)
        atomic_fetch_add(&j->wrong, 1);
    else
        j->taken[i]++;
}

TEST(a_lent_team_runs_each_task_once)
{
    for (uint32_t n = 1; n <= MAX_MEMBERS; n++) {
        job j = {.team = make_team(n, 1), .n = n};
        const eng_parallel lent = eng__team_parallel(j.team);
        EXPECT_EQ(lent.width, n);
        for (uint32_t run = 1; run <= RUNS; run++) {
            lent.run(lent.ctx, run % 5 ? ITEMS : 0, take_one, &j);
            for (uint32_t i = 0; i < ITEMS; i++)
                EXPECT_EQ(j.taken[i], run - run / 5);
        }
        EXPECT_EQ(atomic_load(&j.wrong), 0);
        eng__team_free(j.team);
    }
}

TEST(two_teams_do_not_disturb_each_other)
{
    job a = {.team = make_team(2, 1), .n = 2}, b = {.team = make_team(3, 0), .n = 3};
    for (int i = 0; i < 5; i++) {
        eng__team_run(a.team, count_phases, &a);
        eng__team_run(b.team, count_phases, &b);
    }
    eng__team_free(a.team);
    eng__team_free(b.team);
    EXPECT_EQ(atomic_load(&a.wrong) + atomic_load(&b.wrong), 0);
    EXPECT_EQ(atomic_load(&a.calls), 10);
    EXPECT_EQ(atomic_load(&b.calls), 15);
}
