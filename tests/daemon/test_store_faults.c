/* A database whose surroundings fail: kills, full disks, calls that fail one after the other. What
 * was acknowledged is there afterwards, and writes work again when the surroundings do. */
#include "daemon/fault_vfs.h"
#include "daemon/store_fixture.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static bool has_file(store *s, int number)
{
    char id[24];
    store_file f;
    error_text err;
    snprintf(id, sizeof id, "file-%d", number);
    const store_status status = store_file_get(s, id, &f, &err);
    if (status == STORE_OK)
        store_file_free(&f);
    else if (status != STORE_NOT_FOUND)
        FAIL("%s: %s", id, err.text);
    return status == STORE_OK;
}

static store_status put_file(store *s, int number)
{
    char id[24];
    error_text err;
    snprintf(id, sizeof id, "file-%d", number);
    const store_file f = fixture_file(id);
    const store_status status = store_file_insert(s, &f, &err);
    if (status != STORE_OK && status != STORE_UNAVAILABLE)
        FAIL("%s: %s", id, err.text);
    return status;
}

/* Events of ftjob-a, all numbered without a gap: their count. */
static size_t count_events(store *s)
{
    store_event *rows;
    size_t n;
    STORE_GOOD(store_event_since(s, "ftjob-a", 0, 10000, &rows, &n, &err));
    for (size_t i = 0; i < n; i++) {
        EXPECT_EQ(rows[i].seq, i + 1);
        store_event_free(&rows[i]);
    }
    free(rows);
    return n;
}

/* ---- kills ---- */

/* Writes on until it is killed; tells the number of each file that was acknowledged. */
_Noreturn static void write_until_killed(int first, int tell)
{
    store *s;
    error_text err;
    if (!store_open(&s, fixture_path(), &err))
        _exit(2);
    for (int i = first;; i++) {
        if (store_event_append(s, "ftjob-a", "info", "message", "m", NULL, NULL, &err) !=
                STORE_OK ||
            put_file(s, i) != STORE_OK || write(tell, &i, sizeof i) != sizeof i)
            _exit(3);
    }
}

TEST(what_was_acknowledged_survives_a_kill)
{
    store *s = fixture_open();
    const store_job j = fixture_job("ftjob-a");
    STORE_GOOD(store_job_insert(s, &j, &err));
    store_close(s);
    int last = 0;
    for (int round = 0; round < 15; round++) {
        int ends[2];
        EXPECT_EQ(pipe(ends), 0);
        const pid_t child = fork();
        if (child == 0)
            write_until_killed(last + 1, ends[1]);
        close(ends[1]);
        for (int i = 0; i < 1 + round * 3; i++)
            EXPECT_EQ(read(ends[0], &last, sizeof last), sizeof last);
        kill(child, SIGKILL);
        int status;
        waitpid(child, &status, 0);
        EXPECT(WIFSIGNALED(status));
        while (read(ends[0], &last, sizeof last) == sizeof last) /* told before the kill */
            ;
        close(ends[0]);
        s = fixture_open();
        for (int i = 1; i <= last; i++)
            if (!has_file(s, i))
                FAIL("round %d: file-%d of %d was acknowledged and is gone", round, i, last);
        /* Queued before a synced write: there with it. */
        EXPECT(count_events(s) >= (size_t)last);
        if (has_file(s, last + 1)) /* written, not told */
            last++;
        store_close(s);
    }
}

/* ---- full disks ---- */

/* Writes until the disk is full, then frees it with `make_room`. */
static void fill_and_mend(store *s, void (*make_room)(void))
{
    const store_job j = fixture_job("ftjob-a");
    STORE_GOOD(store_job_insert(s, &j, &err));
    int n = 0;
    size_t events = 0;
    error_text err = {{0}};
    static char message[4096];
    memset(message, 'm', sizeof message - 1);
    store_status status = STORE_OK;
    for (; n < 10000 && status == STORE_OK; n++) {
        if (store_event_append(s, "ftjob-a", "info", "message", message, NULL, NULL, &err) ==
            STORE_OK)
            events++;
        status = put_file(s, n);
    }
    EXPECT_EQ(status, STORE_UNAVAILABLE);
    EXPECT(n > 3);
    for (int i = 0; i < n - 1; i++)
        EXPECT(has_file(s, i)); /* reads go on */
    EXPECT_EQ(put_file(s, 20000), STORE_UNAVAILABLE);
    make_room();
    EXPECT_EQ(put_file(s, 20001), STORE_OK);
    EXPECT(has_file(s, 20001));
    EXPECT_EQ(count_events(s), events); /* those of the lost transaction came back */
    for (int i = 0; i < n - 1; i++)
        EXPECT(has_file(s, i));
}

static const char *mounted_path(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/disk/%s", test_dir(), name);
    return path;
}

static void remove_filler(void)
{
    EXPECT_EQ(unlink(mounted_path("filler")), 0);
}

TEST(a_full_disk_is_told_and_passes)
{
    char filler[600 * 1024] = {0};
    mkdir(mounted_path(""), 0700);
    if (mount("none", mounted_path(""), "tmpfs", 0, "size=1m,mode=700") != 0)
        SKIP("no tmpfs can be mounted here: %s", strerror(errno));
    test_write_file(mounted_path("filler"), filler, sizeof filler);
    store *s = fixture_open_at(mounted_path("db"));
    fill_and_mend(s, remove_filler);
    store_close(s);
    umount(mounted_path(""));
}

static void lift_limit(void)
{
    struct rlimit r;
    getrlimit(RLIMIT_FSIZE, &r);
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_FSIZE, &r);
}

TEST(a_file_that_may_not_grow_is_told_and_passes)
{
    struct rlimit r;
    signal(SIGXFSZ, SIG_IGN);
    store *s = fixture_open();
    getrlimit(RLIMIT_FSIZE, &r);
    r.rlim_cur = 400 * 1024;
    setrlimit(RLIMIT_FSIZE, &r);
    fill_and_mend(s, lift_limit);
    store_close(s);
    s = fixture_open();
    EXPECT(has_file(s, 20001));
    store_close(s);
}

/* ---- every call fails in turn ---- */

enum { FILES = 6, TRIES_MAX = 500 };

typedef struct outcome {
    bool acknowledged[FILES];
    size_t events; /* acknowledged */
    bool struck;
} outcome;

/* A small life: files and events while the n-th call to the file system fails. */
static outcome live_with_fault(store *s, int n, int code, bool lasts)
{
    outcome o = {0};
    error_text err;
    fault_arm(n, code, lasts);
    for (int i = 0; i < FILES; i++) {
        o.events +=
            store_event_append(s, "ftjob-a", "info", "message", "m", NULL, NULL, &err) == STORE_OK;
        o.acknowledged[i] = put_file(s, i) == STORE_OK;
    }
    o.struck = fault_mend();
    return o;
}

static void expect_kept(store *s, const outcome *o, int n, const char *when)
{
    for (int i = 0; i < FILES; i++)
        if (o->acknowledged[i] != has_file(s, i))
            FAIL("fault at call %d: file-%d %s, %s", n, i,
                 o->acknowledged[i] ? "was acknowledged and is gone" : "was refused and is there",
                 when);
    if (count_events(s) != o->events)
        FAIL("fault at call %d: %zu events, %zu were acknowledged, %s", n, count_events(s),
             o->events, when);
}

static void fail_each_call(int code, bool lasts)
{
    fault_install();
    bool struck = true;
    int n = 1;
    for (; struck && n < TRIES_MAX; n++) {
        char path[512];
        snprintf(path, sizeof path, "%s/db-%d", test_dir(), n);
        store *s = fixture_open_at(path);
        const store_job j = fixture_job("ftjob-a");
        STORE_GOOD(store_job_insert(s, &j, &err));
        const outcome o = live_with_fault(s, n, code, lasts);
        struck = o.struck;
        EXPECT_EQ(put_file(s, 100), STORE_OK); /* works again at once */
        expect_kept(s, &o, n, "before a restart");
        store_close(s);
        s = fixture_open_at(path); /* checks its integrity, too */
        expect_kept(s, &o, n, "after a restart");
        EXPECT(has_file(s, 100));
        store_close(s);
    }
    EXPECT(n > 10 && n < TRIES_MAX);
}

TEST(each_call_may_fail_once_with_an_input_output_error)
{
    fail_each_call(SQLITE_IOERR_WRITE, false);
}

TEST(each_sync_may_fail_for_a_while)
{
    fail_each_call(SQLITE_IOERR_FSYNC, true);
}

TEST(the_disk_may_be_full_from_any_call_on)
{
    fail_each_call(SQLITE_FULL, true);
}

/* ---- the start ---- */

TEST(an_open_that_fails_at_any_call_leaves_a_database_that_opens)
{
    fault_install();
    bool struck = true;
    int n = 1;
    for (; struck && n < TRIES_MAX; n++) {
        char path[512];
        store *s;
        error_text err;
        snprintf(path, sizeof path, "%s/db-%d", test_dir(), n);
        fault_arm(n, SQLITE_IOERR_WRITE, false);
        const bool opened = store_open(&s, path, &err);
        struck = fault_mend();
        if (opened)
            store_close(s);
        s = fixture_open_at(path);
        EXPECT_EQ(put_file(s, 1), STORE_OK);
        store_close(s);
    }
    EXPECT(n > 10 && n < TRIES_MAX);
}
