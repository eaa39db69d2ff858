/* A test file: any number of TEST(name_as_a_sentence) { ... }, linked with harness.c, which has
 * main(). Assertions print both values and end the test. SKIP says why. The last line is
 * `N passed, N failed, N skipped`. */
#ifndef TESTS_SUPPORT_HARNESS_H
#define TESTS_SUPPORT_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef void (*test_fn)(void);
void test_register(const char *name, test_fn fn);

#define TEST(name)                                                                                 \
    static void test_##name(void);                                                                 \
    __attribute__((constructor)) static void test_register_##name(void)                            \
    {                                                                                              \
        test_register(#name, test_##name);                                                         \
    }                                                                                              \
    static void test_##name(void)

/* Both end the running test (longjmp); test code frees what it must with care for that. */
_Noreturn void test_fail(const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
_Noreturn void test_skip(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void test_eq_int(const char *file, int line, const char *what, long long got, long long want);
void test_eq_str(const char *file, int line, const char *what, const char *got, const char *want);
void test_eq_mem(const char *file, int line, const char *what, const void *got, const void *want,
                 size_t bytes);
void test_near(const char *file, int line, const char *what, double got, double want, double tol);

#define FAIL(...) test_fail(__FILE__, __LINE__, __VA_ARGS__)
#define SKIP(...) test_skip(__VA_ARGS__)
#define EXPECT(cond)                                                                               \
    do {                                                                                           \
        if (!(cond))                                                                               \
            FAIL("expected %s", #cond);                                                            \
    } while (0)
#define EXPECT_EQ(got, want)                                                                       \
    test_eq_int(__FILE__, __LINE__, #got, (long long)(got), (long long)(want))
#define EXPECT_STR(got, want) test_eq_str(__FILE__, __LINE__, #got, got, want)
#define EXPECT_MEM(got, want, bytes) test_eq_mem(__FILE__, __LINE__, #got, got, want, bytes)
#define EXPECT_NEAR(got, want, tol) test_near(__FILE__, __LINE__, #got, got, want, tol)
/* An engine call that must succeed; prints the error text of `err` otherwise. */
#define EXPECT_OK(call, err)                                                                       \
    do {                                                                                           \
        if ((call) != ENG_OK)                                                                      \
            FAIL("%s failed: %s", #call, (err).text);                                              \
    } while (0)

/* Runs fn(arg) in a child process, where a failed assertion ends the child. What waitpid tells: 0
 * when the child came to its end. */
int test_in_child(void (*fn)(void *arg), void *arg);

/* False under INSTRUCTD_TEST_HEAVY=0: code is walked, without minutes of the same arithmetic. */
bool test_heavy_allowed(void);
/* Skips the running test then. */
void test_skip_unless_heavy(void);

/* An empty directory for the running test, removed with its contents when the test ends. */
const char *test_dir(void);
/* $INSTRUCTD_SHARED or ../shared beside the source tree + "/" + name; skips when it is absent. */
const char *test_shared(const char *name);
/* $INSTRUCTD_TEST_MODEL or the default model in the user's cache; skips when it is absent. */
const char *test_model(void);
/* <source tree>/tests/ + name. */
const char *test_data(const char *name);
/* Reads a whole file, NUL-terminated; fails the test when it cannot. The caller frees. */
char *test_read_file(const char *path, size_t *len);
void test_write_file(const char *path, const void *data, size_t len);

#endif
