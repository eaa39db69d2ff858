/* A store in the test's directory, and rows to put in it. */
#ifndef TESTS_DAEMON_STORE_FIXTURE_H
#define TESTS_DAEMON_STORE_FIXTURE_H

#include "harness.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>

/* Calls that must succeed; the error text is printed otherwise. */
#define STORE_EXPECT(call, want)                                                                   \
    do {                                                                                           \
        error_text err = {{0}};                                                                    \
        const store_status got_ = (call);                                                          \
        if (got_ != (want))                                                                        \
            FAIL("%s is %d, expected %d: %s", #call, (int)got_, (int)(want), err.text);            \
    } while (0)
#define STORE_GOOD(call) STORE_EXPECT(call, STORE_OK)

static inline const char *fixture_path(void)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/instructd.db", test_dir());
    return path;
}

static inline store *fixture_open_at(const char *path)
{
    store *s = NULL;
    error_text err = {{0}};
    if (!store_open(&s, path, &err))
        FAIL("store_open: %s", err.text);
    return s;
}

static inline store *fixture_open(void)
{
    return fixture_open_at(fixture_path());
}

static inline store_file fixture_file(const char *id)
{
    return (store_file){.id = (char *)id,
                        .filename = "a.jsonl",
                        .purpose = "fine-tune",
                        .status = "processed",
                        .format = "supervised",
                        .sha256 = "00ff",
                        .bytes = 5ull << 32,
                        .rows = 7,
                        .created_at = 1700000000};
}

static inline store_job fixture_job(const char *id)
{
    return (store_job){.id = (char *)id,
                       .status = STORE_JOB_QUEUED,
                       .method = "supervised",
                       .model = "instruct",
                       .model_policy = "pol_0123456789abcdef",
                       .training_file = "file-a",
                       .method_json = "{\"hyperparameters\":{\"n_epochs\":2}}",
                       .seed = 1,
                       .created_at = 1700000001};
}

#endif
