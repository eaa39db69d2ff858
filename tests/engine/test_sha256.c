#include "base/sha256.h"
#include "harness.h"

#include <stdlib.h>
#include <string.h>

static void digest(const void *data, size_t n, bool portable, char hex[ENG_SHA256_HEX])
{
    eng_sha256 sha;
    if (portable)
        eng_sha256_init_portable(&sha);
    else
        eng_sha256_init(&sha);
    eng_sha256_update(&sha, data, n);
    eng_sha256_final_hex(&sha, hex);
}

/* Vectors: NIST's example values for SHA-256 (FIPS 180 examples). */
TEST(sha256_gives_the_published_digests)
{
    static const struct {
        const char *text, *hex;
    } vectors[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
        for (int portable = 0; portable < 2; portable++) {
            char hex[ENG_SHA256_HEX];
            digest(vectors[i].text, strlen(vectors[i].text), portable, hex);
            EXPECT_STR(hex, vectors[i].hex);
        }
}

TEST(sha256_of_a_million_letters_a)
{
    enum { N = 1000000 };
    char *a = malloc(N), hex[ENG_SHA256_HEX];
    memset(a, 'a', N);
    for (int portable = 0; portable < 2; portable++) {
        digest(a, N, portable, hex);
        EXPECT_STR(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    }
    free(a);
}

TEST(sha256_paths_agree_at_every_length_and_split)
{
    uint8_t data[300];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 37 + 11);
    for (size_t n = 0; n <= sizeof data; n++) {
        char whole[ENG_SHA256_HEX], split[ENG_SHA256_HEX];
        digest(data, n, true, whole);
        eng_sha256 sha;
        eng_sha256_init(&sha);
        size_t cut = n * 7 / 11;
        eng_sha256_update(&sha, data, cut);
        eng_sha256_update(&sha, data + cut, n - cut);
        eng_sha256_final_hex(&sha, split);
        EXPECT_STR(split, whole);
    }
}
