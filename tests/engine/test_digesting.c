/* A digest that two threads make is the one that a single thread makes. */
#include "base/sha256.h"
#include "formats/digesting.h"
#include "harness.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PIECE = 256 * 1024, RING = 16 * PIECE };

static eng__file write_bytes(size_t n)
{
    char path[256];
    uint8_t *bytes = malloc(n + 1);
    eng__file file;
    eng_error err;
    snprintf(path, sizeof path, "%s/bytes", test_dir());
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    EXPECT(bytes && fd >= 0);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(i * 167 + i / 251);
    EXPECT(eng__write_all(fd, bytes, n));
    EXPECT_OK(eng__file_adopt(&file, fd, &err), err);
    free(bytes);
    return file;
}

TEST(the_digest_is_the_files_around_the_borders_of_pieces_and_of_the_ring)
{
    static const size_t lengths[] = {0,         1,        63,           64,
                                     PIECE - 1, PIECE,    PIECE + 1,    RING - 1,
                                     RING,      RING + 1, RING + PIECE, 3 * RING + 12345};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        eng__file file = write_bytes(lengths[i]);
        char got[65], want[65];
        eng_error err;
        eng__digesting *d = eng__digesting_start(&file);
        EXPECT(d);
        EXPECT_OK(eng__digesting_wait(d, got, &err), err);
        EXPECT_OK(eng__file_digest(&file, want, &err), err);
        EXPECT_STR(got, want);
        EXPECT_OK(eng__digesting_wait(d, got, &err), err); /* asked again */
        EXPECT_STR(got, want);
        eng__digesting_free(d);
        eng__file_close(&file);
    }
}

TEST(who_loses_interest_waits_for_no_end)
{
    eng__file file = write_bytes(3 * RING);
    for (int i = 0; i < 50; i++) {
        eng__digesting *d = eng__digesting_start(&file);
        EXPECT(d);
        usleep((unsigned)i * 50);
        eng__digesting_free(d);
    }
    eng__digesting_free(NULL);
    eng__file_close(&file);
}

TEST(a_file_that_became_shorter_is_refused)
{
    eng__file file = write_bytes(2 * RING);
    char hex[65];
    eng_error err;
    EXPECT(ftruncate(file.fd, RING + 5) == 0);
    eng__digesting *d = eng__digesting_start(&file);
    EXPECT(d);
    EXPECT_EQ(eng__digesting_wait(d, hex, &err), ENG_IO);
    EXPECT_STR(err.text, "the file was truncated to 4194309 bytes while in use");
    eng__digesting_free(d);
    eng__file_close(&file);
}
