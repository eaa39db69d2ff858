#include "harness.h"
#include "serve/spare_time.h"

TEST(nothing_is_left_while_nobody_wants_it)
{
    spare_time t = {.percent = 10};
    EXPECT_EQ(spare_time_due_ns(&t, 9000), 0);
    spare_time_begin(&t);
    spare_time_end(&t);
    EXPECT_EQ(spare_time_due_ns(&t, 9000), 0);
}

TEST(what_is_left_is_its_share_of_the_whole)
{
    spare_time t = {.percent = 10};
    spare_time_begin(&t);
    EXPECT_EQ(spare_time_due_ns(&t, 9000), 1000); /* of 10,000 */
    spare_time_begin(&t);                         /* two who want it share it */
    EXPECT_EQ(spare_time_due_ns(&t, 9000), 1000);
    spare_time_end(&t);
    EXPECT_EQ(spare_time_due_ns(&t, 900000000000), 100000000000);
    t.percent = SPARE_TIME_MOST_PERCENT;
    EXPECT_EQ(spare_time_due_ns(&t, 9000), 9000);
}

TEST(a_share_of_nothing_never_stops_serving)
{
    spare_time t = {0};
    spare_time_begin(&t);
    EXPECT_EQ(spare_time_due_ns(&t, 9000), 0);
    spare_time_begin(NULL);
    spare_time_end(NULL);
    EXPECT_EQ(spare_time_due_ns(NULL, 9000), 0);
}
