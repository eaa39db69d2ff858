/* A small file replaced by a process that dies, fails or loses its power at each of its system
 * calls: there is the old content or the new one, whole, and what was acknowledged stays. */
#include "fault/fault_calls.h"

#include "base/file_replace.h"
#include "harness.h"

#include <sys/wait.h>

#ifndef FAULTS_CALLS
TEST(replacing_a_file_survives_faults)
{
    SKIP("the C library's calls cannot be taken over here");
}
#else

static const char old_text[] = "what was there", new_text[] = "what is to be there, and is longer";

typedef struct place {
    char root[300], dir[310], keep[300], path[320];
    bool had; /* a file before */
    int strike_at, error;
} place;

static place set_place(bool had)
{
    place p = {.had = had};
    EXPECT(calls_share() != NULL);
    snprintf(p.root, sizeof p.root, "%s/root", test_dir()); /* whose own sync is not counted */
    snprintf(p.dir, sizeof p.dir, "%s/dir", p.root);
    snprintf(p.keep, sizeof p.keep, "%s/keep", test_dir());
    snprintf(p.path, sizeof p.path, "%s/name", p.dir);
    mkdir(p.root, 0700);
    mkdir(p.dir, 0700);
    mkdir(p.keep, 0700);
    return p;
}

static void replace_struck(void *arg)
{
    const place *p = arg;
    error_text err;
    calls_arm(p->root, p->keep, p->strike_at, p->error);
    const bool ok = file_replace_in(p->dir, "name", new_text, strlen(new_text), &err);
    calls_disarm();
    snprintf(calls_state->told[0], 64, "%s", ok ? "acknowledged" : "");
}

/* False: there are fewer calls than that. */
static bool replace_with_strike(place *p, int at, int error)
{
    unlink(p->path);
    if (p->had)
        test_write_file(p->path, old_text, strlen(old_text));
    memset(calls_state->told, 0, sizeof calls_state->told);
    p->strike_at = at;
    p->error = error;
    const int status = test_in_child(replace_struck, p);
    if (!calls_state->struck)
        return false;
    if (error ? status != 0 : !WIFSIGNALED(status))
        FAIL("call %d, error %d: status %d", at, error, status);
    return true;
}

/* Afterwards the next one finds nothing in its way. */
static void expect_old_or_new(const place *p, const char *how)
{
    char tmp[330];
    error_text err;
    const bool there = access(p->path, F_OK) == 0, new_there = calls_state->told[0][0];
    char *text = there ? test_read_file(p->path, NULL) : NULL;
    const bool is_new = text && strcmp(text, new_text) == 0;
    const bool is_old = p->had ? text && strcmp(text, old_text) == 0 : !there;
    if (!is_new && (new_there || !is_old))
        FAIL("%s at call %d: the file holds \"%s\"", how, p->strike_at, text ? text : "nothing");
    free(text);
    EXPECT(file_replace_in(p->dir, "name", new_text, strlen(new_text), &err));
    snprintf(tmp, sizeof tmp, "%s.tmp", p->path);
    EXPECT(access(tmp, F_OK) != 0);
}

static void try_all(place *p, int error, const char *how)
{
    int n = 1;
    for (; replace_with_strike(p, n, error); n++)
        expect_old_or_new(p, how);
    EXPECT(n > 6); /* unlink, create, write, sync, rename, sync */
}

TEST(a_file_replaced_by_a_process_that_dies_is_the_old_one_or_the_new)
{
    for (int had = 0; had < 2; had++) {
        place p = set_place(had);
        try_all(&p, 0, "killed");
    }
}

TEST(a_file_whose_replacing_fails_is_the_old_one_or_the_new)
{
    for (int had = 0; had < 2; had++) {
        place p = set_place(had);
        try_all(&p, EIO, "error");
        try_all(&p, ENOSPC, "disk full");
    }
}

TEST(a_file_whose_replacing_is_cut_off_from_power_is_the_old_one_or_the_new)
{
    uint32_t seed = 1;
    for (int had = 0; had < 2; had++) {
        place p = set_place(had);
        for (int n = 1; replace_with_strike(&p, n, 0); n++)
            for (int state = 0; state < 20; state++) {
                if (state && !replace_with_strike(&p, n, 0))
                    break;
                calls_cut_power(&seed, state ? 128 : 256);
                expect_old_or_new(&p, "power cut");
            }
        /* the last call is survived: what came of it stays */
        replace_with_strike(&p, 0, 0);
        EXPECT_STR(calls_state->told[0], "acknowledged");
        calls_cut_power(&seed, 256);
        expect_old_or_new(&p, "power cut after the end");
    }
}

#endif
