/* That the model's digest is remembered as long as its file is the one that was hashed. Linked with
 * -Wl,--wrap=time. */
#include "harness.h"
#include "model_files.h"
#include "policy/base_digest.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* How far the clock is ahead. */
static time_t ahead_s;

time_t __real_time(time_t *t);
time_t __wrap_time(time_t *t);
time_t __wrap_time(time_t *t)
{
    const time_t now = __real_time(NULL) + ahead_s;
    if (t)
        *t = now;
    return now;
}

typedef struct place {
    char model[256], remembered[256];
} place;

static place make_model(uint64_t seed)
{
    place p;
    ahead_s = 0;
    snprintf(p.model, sizeof p.model, "%s/model.gguf", test_dir());
    snprintf(p.remembered, sizeof p.remembered, "%s/base.digest", test_dir());
    test_write_gguf(p.model, &(test_model_spec){.seed = seed});
    return p;
}

/* Nobody has written to the file for long. The time of a change cannot be set, but the clock can.
 */
static void settle(void)
{
    ahead_s = 60;
}

static void read_digest(const place *p, char digest[65])
{
    eng_error err;
    EXPECT_OK(base_digest(test_dir(), p->model, digest, &err), err);
}

static void expect_true_digest(const place *p)
{
    char got[65], want[65];
    eng_error err;
    read_digest(p, got);
    EXPECT_OK(eng_model_file_digest(p->model, want, &err), err);
    EXPECT_STR(got, want);
}

static void write_line(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    EXPECT(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

/* The remembered line with another digest: who answers with that has not hashed the file. */
static void forge(const place *p, char forged[65])
{
    char line[512] = "";
    FILE *f = fopen(p->remembered, "r");
    EXPECT(f && fgets(line, sizeof line, f) && fclose(f) == 0);
    memset(line, 'a', 64);
    memset(forged, 'a', 64);
    forged[64] = 0;
    write_line(p->remembered, line);
}

/* Another last byte, and the old time of modification. Once the file system's clock has ticked: a
 * change within the tick is what a file is not remembered for. */
static void change_and_hide(const char *path)
{
    struct stat before, now;
    int fd = open(path, O_WRONLY);
    EXPECT(fd >= 0 && fstat(fd, &before) == 0);
    do {
        EXPECT(pwrite(fd, "x", 1, before.st_size - 1) == 1);
        EXPECT_EQ(futimens(fd, (const struct timespec[2]){before.st_atim, before.st_mtim}), 0);
        EXPECT_EQ(fstat(fd, &now), 0);
    } while (now.st_ctim.tv_sec == before.st_ctim.tv_sec &&
             now.st_ctim.tv_nsec == before.st_ctim.tv_nsec);
    close(fd);
}

TEST(a_file_that_nobody_touched_is_hashed_once)
{
    char got[65], forged[65];
    place p = make_model(1);
    expect_true_digest(&p);
    EXPECT(access(p.remembered, F_OK) != 0); /* just written: it may change within the same tick */
    settle();
    expect_true_digest(&p);
    forge(&p, forged);
    read_digest(&p, got);
    EXPECT_STR(got, forged);
}

TEST(a_file_that_changed_is_hashed_again)
{
    char forged[65];
    place p = make_model(1);
    settle();
    expect_true_digest(&p);
    forge(&p, forged);
    change_and_hide(p.model);
    expect_true_digest(&p);
    EXPECT_EQ(unlink(p.model), 0);
    make_model(2);
    expect_true_digest(&p);
}

TEST(a_line_that_cannot_be_read_is_no_line)
{
    char forged[65], long_line[600];
    place p = make_model(1);
    settle();
    expect_true_digest(&p);
    forge(&p, forged);
    memset(long_line, 'b', sizeof long_line);
    long_line[sizeof long_line - 1] = 0;
    const char *const lines[] = {"", "\n", forged, "not a digest", long_line};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        write_line(p.remembered, lines[i]);
        expect_true_digest(&p);
    }
}

TEST(a_missing_model_is_told_by_its_name)
{
    char digest[65];
    eng_error err;
    EXPECT_EQ(base_digest(test_dir(), "/nowhere/model.gguf", digest, &err), ENG_IO);
    EXPECT(strstr(err.text, "/nowhere/model.gguf") != NULL);
}
