/* That a thread with a pace is held up between pieces of whatever takes long, hears of its waits
 * for the disk, and nobody else does. Linked with -Wl,--wrap=preadv2. */
#include "base/pace.h"
#include "base/sha256.h"
#include "engine.h"
#include "formats/checkpoint.h"
#include "formats/convert.h"
#include "harness.h"
#include "model_files.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>

static void count(void *n)
{
    ++*(uint64_t *)n;
}

/* A checkpoint of a model with these rows of 256, whose embedding alone is `bytes`. */
static const char *write_checkpoint(uint64_t *bytes)
{
    static char gguf[256], dir[256];
    const test_model_spec spec = {.embd = 256, .layers = 2};
    char id[ENG_POLICY_ID_BYTES];
    eng_error err;
    snprintf(gguf, sizeof gguf, "%s/model.gguf", test_dir());
    snprintf(dir, sizeof dir, "%s/checkpoint", test_dir());
    test_write_gguf(gguf, &spec);
    EXPECT_OK(eng_convert_to_directory(gguf, dir, NULL, id, &err), err);
    *bytes = (uint64_t)TEST_N_VOCAB * 256 * sizeof(float);
    return dir;
}

TEST(long_work_is_cut_in_pieces)
{
    uint64_t n = 0, bytes, verified, opened;
    eng_error err;
    eng_model *model;
    const char *dir = write_checkpoint(&bytes);
    eng_thread_pace(count, NULL, &n);
    EXPECT_OK(eng_checkpoint_verify(dir, NULL, &err), err);
    verified = n;
    EXPECT_OK(eng_model_open(&model, dir, &(eng_model_options){.n_threads = 1}, &err), err);
    opened = n - verified;
    eng_model_unref(model);
    eng_thread_pace(NULL, NULL, NULL);
    EXPECT(verified >= 2 * bytes / ENG_PACE_BYTES);               /* read and digested */
    EXPECT(opened >= TEST_N_VOCAB / 16 + bytes / ENG_PACE_BYTES); /* packed by 16 rows; read */
    n = 0;
    EXPECT_OK(eng_checkpoint_verify(dir, NULL, &err), err);
    EXPECT_EQ(n, 0);
}

TEST(what_is_digested_piece_by_piece_has_the_same_digest)
{
    enum { N = 3 * ENG_PACE_BYTES + 61 };
    uint64_t n = 0;
    char whole[ENG_SHA256_HEX], parts[ENG_SHA256_HEX];
    uint8_t *data = malloc(N);
    for (size_t i = 0; i < N; i++)
        data[i] = (uint8_t)(i * 31 >> 3);
    eng_thread_pace(count, NULL, &n);
    eng_sha256_hex(data, N, whole);
    EXPECT(n >= 3);
    eng_thread_pace(NULL, NULL, NULL);
    eng_sha256 sha;
    eng_sha256_init(&sha);
    for (size_t i = 0; i < N; i += 61)
        eng_sha256_update(&sha, data + i, N - i < 61 ? N - i : 61);
    eng_sha256_final_hex(&sha, parts);
    EXPECT_STR(whole, parts);
    free(data);
}

static void *digest_elsewhere(void *unused)
{
    char hex[ENG_SHA256_HEX];
    (void)unused;
    eng_sha256_hex("abcdefgh", 64 / 8, hex);
    eng_pace(NULL);
    return NULL;
}

/* ---- waiting ---- */

/* Nothing that is read is in memory, which the system may tell in two ways. */
static atomic_int cold;
enum { COLD_BY_ERROR = 1, COLD_BY_NOTHING };

ssize_t __real_preadv2(int fd, const struct iovec *to, int n, off_t offset, int flags);
ssize_t __wrap_preadv2(int fd, const struct iovec *to, int n, off_t offset, int flags);
ssize_t __wrap_preadv2(int fd, const struct iovec *to, int n, off_t offset, int flags)
{
    EXPECT_EQ(flags, RWF_NOWAIT);
    if (!atomic_load(&cold))
        return __real_preadv2(fd, to, n, offset, flags);
    if (cold == COLD_BY_NOTHING)
        return 0;
    errno = EAGAIN;
    return -1;
}

TEST(waits_for_the_disk_are_told)
{
    enum { FILES = 6 };
    uint64_t waits = 0, bytes;
    eng_error err;
    eng_thread_pace(NULL, count, &waits);
    const char *dir = write_checkpoint(&bytes);
    EXPECT_EQ(waits, FILES + 1); /* each is synced once, and the folder */
    for (int how = COLD_BY_ERROR; how <= COLD_BY_NOTHING; how++) {
        waits = 0;
        atomic_store(&cold, how);
        EXPECT_OK(eng_checkpoint_verify(dir, NULL, &err), err);
        EXPECT(waits >= bytes / ENG_PACE_BYTES);
    }
    waits = 0;
    eng_thread_pace(NULL, NULL, NULL);
    EXPECT_OK(eng_checkpoint_verify(dir, NULL, &err), err);
    EXPECT_EQ(waits, 0);
    atomic_store(&cold, 0);
}

TEST(a_pace_is_the_threads_own)
{
    uint64_t n = 0;
    pthread_t other;
    eng_thread_pace(count, NULL, &n);
    EXPECT_EQ(pthread_create(&other, NULL, digest_elsewhere, NULL), 0);
    pthread_join(other, NULL);
    EXPECT_EQ(n, 0);
    eng_pace(NULL);
    EXPECT_EQ(n, 1);
    eng_thread_pace(NULL, NULL, NULL);
}
