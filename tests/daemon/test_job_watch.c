#include "harness.h"
#include "host/job_watch.h"

static job_watch watch(void)
{
    job_watch w = {.silent_cpu_ms = 30, .silent_ms = 600};
    job_watch_begin(&w, 1, 1000, 50);
    return w;
}

TEST(a_plugin_that_computes_without_a_sign_hangs)
{
    job_watch w = watch();
    EXPECT(!job_watch_is_silent(&w, 1, 1010, 79));
    EXPECT(job_watch_is_silent(&w, 1, 1010, 80));
}

TEST(a_plugin_that_gets_no_core_is_given_longer)
{
    job_watch w = watch();
    EXPECT(!job_watch_is_silent(&w, 1, 1599, 51));
    EXPECT(job_watch_is_silent(&w, 1, 1600, 51));
}

TEST(every_sign_of_life_starts_afresh)
{
    job_watch w = watch();
    EXPECT(!job_watch_is_silent(&w, 2, 1599, 79));
    EXPECT(!job_watch_is_silent(&w, 2, 2198, 108));
    EXPECT(!job_watch_is_silent(&w, 3, 9000, 999)); /* however late it comes */
    EXPECT(job_watch_is_silent(&w, 3, 9001, 1029));
}
