#include "harness.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_TESTS = 1024 };

static struct {
    const char *name;
    test_fn fn;
} tests[MAX_TESTS];
static int n_tests;

static jmp_buf escape;
enum { OUTCOME_PASSED, OUTCOME_FAILED, OUTCOME_SKIPPED };
static char dir[64];

void test_register(const char *name, test_fn fn)
{
    if (n_tests == MAX_TESTS)
        abort();
    tests[n_tests].name = name;
    tests[n_tests++].fn = fn;
}

_Noreturn void test_fail(const char *file, int line, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    printf("  %s:%d: ", file, line);
    vprintf(fmt, args);
    printf("\n");
    va_end(args);
    longjmp(escape, OUTCOME_FAILED);
}

_Noreturn void test_skip(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    printf("  skipped: ");
    vprintf(fmt, args);
    printf("\n");
    va_end(args);
    longjmp(escape, OUTCOME_SKIPPED);
}

void test_eq_int(const char *file, int line, const char *what, long long got, long long want)
{
    if (got != want)
        test_fail(file, line, "%s is %lld, expected %lld", what, got, want);
}

void test_eq_str(const char *file, int line, const char *what, const char *got, const char *want)
{
    if (!got || !want ? got != want : strcmp(got, want) != 0)
        test_fail(file, line, "%s is \"%s\", expected \"%s\"", what, got ? got : "(null)",
                  want ? want : "(null)");
}

void test_eq_mem(const char *file, int line, const char *what, const void *got, const void *want,
                 size_t bytes)
{
    const unsigned char *g = got, *w = want;
    for (size_t i = 0; i < bytes; i++)
        if (g[i] != w[i])
            test_fail(file, line, "%s differs at byte %zu: 0x%02x, expected 0x%02x", what, i, g[i],
                      w[i]);
}

void test_near(const char *file, int line, const char *what, double got, double want, double tol)
{
    double d = got > want ? got - want : want - got;
    if (!(d <= tol))
        test_fail(file, line, "%s is %.9g, expected %.9g within %.3g", what, got, want, tol);
}

int test_in_child(void (*fn)(void *arg), void *arg)
{
    int status = -1;
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        const int outcome = setjmp(escape);
        if (outcome == 0)
            fn(arg);
        fflush(stdout);
        _exit(outcome);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        FAIL("a child process: %s", strerror(errno));
    return status;
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static void remove_dir(void)
{
    if (dir[0])
        nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    dir[0] = 0;
}

const char *test_dir(void)
{
    if (!dir[0]) {
        strcpy(dir, "/tmp/instructd-test-XXXXXX");
        if (!mkdtemp(dir))
            FAIL("mkdtemp: %s", strerror(errno));
    }
    return dir;
}

static const char *joined(const char *base, const char *name)
{
    static char path[4][1024];
    static unsigned turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", base, name);
    return p;
}

const char *test_data(const char *name)
{
    return joined(TEST_SOURCE_DIR "/tests", name);
}

bool test_heavy_allowed(void)
{
    const char *heavy = getenv("INSTRUCTD_TEST_HEAVY");
    return !heavy || strcmp(heavy, "0") != 0;
}

void test_skip_unless_heavy(void)
{
    if (!test_heavy_allowed())
        SKIP("INSTRUCTD_TEST_HEAVY=0: minutes of the same arithmetic");
}

const char *test_shared(const char *name)
{
    const char *base = getenv("INSTRUCTD_SHARED");
    const char *p = joined(base ? base : TEST_SOURCE_DIR "/../shared", name);
    if (access(p, R_OK) != 0)
        SKIP("%s is not here (set INSTRUCTD_SHARED to the shared data)", name);
    return p;
}

const char *test_model(void)
{
    const char *given = getenv("INSTRUCTD_TEST_MODEL");
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    const char *p = given;
    if (!p && cache && cache[0])
        p = joined(cache, "instructd/SmolLM2-135M-Instruct.Q4_1.gguf");
    else if (!p)
        p = joined(home ? home : "/root", ".cache/instructd/SmolLM2-135M-Instruct.Q4_1.gguf");
    if (access(p, R_OK) != 0)
        SKIP("the default model is not in the cache (./quickstart up fetches it)");
    return p;
}

char *test_read_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        FAIL("%s: %s", path, strerror(errno));
    fseek(f, 0, SEEK_END);
    long n = ftell(f);
    rewind(f);
    char *buf = malloc((size_t)n + 1);
    size_t got = fread(buf, 1, (size_t)n, f);
    fclose(f);
    buf[got] = 0;
    if (len)
        *len = got;
    return buf;
}

void test_write_file(const char *path, const void *data, size_t len)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, len, f) != len || fclose(f) != 0)
        FAIL("%s: %s", path, strerror(errno));
}

/* With arguments, runs only the tests whose names contain one of them. */
static bool selected(const char *name, int argc, char **argv)
{
    if (argc < 2)
        return true;
    for (int i = 1; i < argc; i++)
        if (strstr(name, argv[i]))
            return true;
    return false;
}

static int run_one(test_fn fn)
{
    int outcome = setjmp(escape);
    if (outcome == OUTCOME_PASSED)
        fn();
    return outcome;
}

int main(int argc, char **argv)
{
    int count[3] = {0, 0, 0};
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 0; i < n_tests; i++) {
        if (!selected(tests[i].name, argc, argv))
            continue;
        printf("- %s\n", tests[i].name);
        int outcome = run_one(tests[i].fn);
        count[outcome]++;
        if (outcome == OUTCOME_FAILED)
            printf("  FAILED %s\n", tests[i].name);
        remove_dir();
    }
    printf("%d passed, %d failed, %d skipped\n", count[0], count[1], count[2]);
    return count[1] != 0;
}
