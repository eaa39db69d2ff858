#include "base/parallel.h"

static void run_serially(void *ctx, uint32_t n, eng_task_fn *fn, void *arg)
{
    (void)ctx;
    for (uint32_t i = 0; i < n; i++)
        fn(arg, i, 0);
}

const eng_parallel eng_serial = {.width = 1, .run = run_serially};
