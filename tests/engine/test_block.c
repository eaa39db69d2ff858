/* Large blocks: zeroed when fresh; the one spared last serves again. */
#include "base/block.h"
#include "harness.h"

#include <stdint.h>
#include <string.h>

enum { BYTES = 5 << 20 };

/* A block that has been written to and spared. */
static uint8_t *spare_one(void)
{
    uint8_t *block = eng_block_alloc(BYTES);
    EXPECT(block);
    memset(block, 7, BYTES);
    eng_block_spare(block, BYTES);
    return block;
}

static void expect_zeroes_and_free(uint8_t *block, size_t bytes)
{
    EXPECT(block);
    for (size_t i = 0; i < bytes; i += 997)
        EXPECT_EQ(block[i], 0);
    eng_block_free(block, bytes);
}

TEST(a_fresh_block_is_zero)
{
    expect_zeroes_and_free(eng_block_alloc(BYTES), BYTES);
    eng_block_free(NULL, BYTES);
}

TEST(a_spared_block_serves_again_for_as_much_and_once)
{
    uint8_t *block = spare_one();
    uint8_t *again = eng_block_reuse(BYTES), *other = eng_block_reuse(BYTES);
    EXPECT(again == block);
    EXPECT(other && other != block);
    memset(again, 8, BYTES); /* it is ours: what is written stays */
    memset(other, 9, BYTES);
    for (size_t i = 0; i < BYTES; i += 997)
        EXPECT(again[i] == 8 && other[i] == 9);
    eng_block_free(again, BYTES);
    eng_block_free(other, BYTES);
}

TEST(a_block_of_another_size_is_fresh_and_the_spare_goes)
{
    spare_one();
    expect_zeroes_and_free(eng_block_reuse(2 * BYTES), 2 * BYTES);
}

TEST(what_is_allocated_as_ever_is_zero_beside_a_spare)
{
    spare_one();
    expect_zeroes_and_free(eng_block_alloc(BYTES), BYTES);
    eng_block_spare(NULL, BYTES);
}
