/* A publish that dies or fails at every one of its system calls: a restart finds the old policy or
 * the new one, never a mix, and what was acknowledged survives.
 *
 * The publishing process is a child; its parent does nothing but look at what it left. With
 * FAULTS_FULL=1 every state is tried instead of a part. */
#include "fault/fault_calls.h"

#include "daemon/publish_fixture.h"
#include "formats/checkpoint.h"

#include <sys/wait.h>

#ifndef FAULTS_CALLS
TEST(publishing_survives_faults)
{
    SKIP("the C library's calls cannot be taken over here");
}
#else

enum { OLD_VERSION = 4 }; /* base, then three published */

static const test_model_spec tiny = {.layers = 1, .embd = 32, .heads = 2};

/* The disk before: the alias on `old` after as many moves as it has lines, so that the next publish
 * also removes a policy. */
typedef struct stage {
    lab l;
    char saved[300], keep[300], old[POLICY_ID_CHARS + 1];
} stage;

static void run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void run(const char *fmt, ...)
{
    char command[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(command, sizeof command, fmt, args);
    va_end(args);
    EXPECT_EQ(system(command), 0);
}

static void publish_old(void *arg)
{
    stage *s = arg;
    EXPECT(lab_start(&s->l) == ENG_OK);
    for (int version = 2; version <= OLD_VERSION; version++)
        snprintf(calls_state->told[0], 64, "%s", lab_publish(&s->l, "instruct"));
    lab_stop(&s->l);
}

static void set_stage(stage *s)
{
    EXPECT(calls_share());
    lab_prepare(&s->l, &tiny);
    snprintf(s->saved, sizeof s->saved, "%s.saved", s->l.data_dir);
    snprintf(s->keep, sizeof s->keep, "%s.keep", s->l.data_dir);
    run("mkdir -p '%s'", s->keep);
    EXPECT_EQ(test_in_child(publish_old, s), 0);
    snprintf(s->old, sizeof s->old, "%.20s", calls_state->told[0]);
    run("cp -a '%s' '%s'", s->l.data_dir, s->saved);
    weights_nudge(&s->l.held, 5e-4f); /* the child's nudges were its own */
}

static void reset_stage(const stage *s)
{
    run("rm -rf '%s' && cp -a '%s' '%s'", s->l.data_dir, s->saved, s->l.data_dir);
    memset(calls_state->told, 0, sizeof calls_state->told);
}

/* What a stage's child does: opens, publishes with the strike that was asked for, tells the id and
 * version that were acknowledged, if they were. */
static int strike_at, strike_error;

static void publish_struck(void *arg)
{
    stage *s = arg;
    char id[POLICY_ID_CHARS + 1];
    EXPECT(lab_start(&s->l) == ENG_OK);
    calls_arm(s->l.data_dir, s->keep, strike_at, strike_error);
    const publish_result result = lab_try(&s->l, "instruct", id);
    if (result == PUBLISH_OK) {
        snprintf(calls_state->told[0], 64, "%s", id);
        snprintf(calls_state->told[1], 64, "%d", (int)lab_alias(&s->l, "instruct").version);
    }
    lab_stop(&s->l);
    calls_disarm();
}

/* Opens what is left: tells what serves, and that publishing goes on. */
static void look(void *arg)
{
    stage *s = arg;
    char path[128];
    eng_error err;
    EXPECT(lab_start(&s->l) == ENG_OK);
    const alias_state a = lab_alias(&s->l, "instruct");
    EXPECT(strcmp(lab_served(&s->l, "instruct"), a.policy) == 0);
    snprintf(path, sizeof path, "policies/%s", a.policy);
    EXPECT(eng_checkpoint_verify(lab_path(&s->l, path), NULL, &err) == ENG_OK);
    snprintf(calls_state->told[1], 64, "%s", a.policy);
    snprintf(calls_state->told[2], 64, "%d", (int)a.version);
    weights_nudge(&s->l.held, 1e-3f);
    char id[POLICY_ID_CHARS + 1];
    EXPECT(lab_try(&s->l, "instruct", id) == PUBLISH_OK);
    EXPECT(lab_alias(&s->l, "instruct").version > a.version);
    lab_stop(&s->l);
    EXPECT(system("test -z \"$(ls -A $ROOT/quarantine)\"") == 0);
    EXPECT(system("test -z \"$(ls -A $ROOT/policies | grep tmp)\"") == 0);
}

static void expect_old_or_new(stage *s, int at, const char *how)
{
    char acknowledged[64], version[64];
    memcpy(acknowledged, calls_state->told[0], 64);
    memcpy(version, calls_state->told[1], 64);
    setenv("ROOT", s->l.data_dir, 1);
    if (test_in_child(look, s) != 0)
        FAIL("%s at call %d: the restart failed, see above", how, at);
    const char *serves = calls_state->told[1];
    const bool old = strcmp(serves, s->old) == 0;
    if (acknowledged[0] && strcmp(serves, acknowledged) != 0)
        FAIL("%s at call %d: %s was acknowledged, %s serves", how, at, acknowledged, serves);
    if (acknowledged[0] && atoi(calls_state->told[2]) < atoi(version))
        FAIL("%s at call %d: version %s was acknowledged, it is %s", how, at, version,
             calls_state->told[2]);
    if (!old && atoi(calls_state->told[2]) != OLD_VERSION + 1)
        FAIL("%s at call %d: the new policy is version %s", how, at, calls_state->told[2]);
}

static bool full(void)
{
    const char *v = getenv("FAULTS_FULL");
    return v && strcmp(v, "1") == 0;
}

/* Publishes with the strike; false: the publish has fewer calls. */
static bool publish_with_strike(stage *s, int at, int error)
{
    reset_stage(s);
    strike_at = at;
    strike_error = error;
    const int status = test_in_child(publish_struck, s);
    if (!calls_state->struck)
        return false;
    if (error ? status != 0 : !WIFSIGNALED(status))
        FAIL("call %d, error %d: status %d", at, error, status);
    return true;
}

TEST(a_publish_killed_at_any_call_leaves_the_old_policy_or_the_new)
{
    stage s;
    int n = 0;
    set_stage(&s);
    while (publish_with_strike(&s, n + 1, 0)) {
        n++;
        if (full() || n % 3 == 1 || calls_state->n_log > 40)
            expect_old_or_new(&s, n, "killed");
    }
    if (n < 40)
        FAIL("only %d calls were counted", n);
    weights_free(&s.l.held);
}

/* Of each call's errors one that a file system gives and one that it gives when it is full. */
TEST(a_publish_that_fails_at_any_call_leaves_the_old_policy_or_the_new)
{
    static const int errors[] = {EIO, ENOSPC};
    stage s;
    set_stage(&s);
    for (int e = 0; e < 2; e++)
        for (int n = 1; publish_with_strike(&s, n, errors[e]); n += full() ? 1 : 2 + e)
            expect_old_or_new(&s, n, e ? "disk full" : "error");
    weights_free(&s.l.held);
}

/* At each call, a disk on which nothing that was not synced is left, and disks where parts are. */
TEST(a_publish_cut_off_from_power_leaves_the_old_policy_or_the_new)
{
    stage s;
    uint32_t seed = 1;
    set_stage(&s);
    for (int n = 1; publish_with_strike(&s, n, 0); n += full() ? 1 : 4)
        for (int state = 0; state < (full() ? 20 : 2); state++) {
            if (state && !publish_with_strike(&s, n, 0))
                break;
            calls_cut_power(&seed, state ? 128 : 256);
            expect_old_or_new(&s, n, "power cut");
        }
    weights_free(&s.l.held);
}

#endif
