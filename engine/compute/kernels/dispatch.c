/* Which kernel set runs on this CPU. */
#include "compute/kernels/kernels.h"
#include "compute/kernels/train_kernels.h"
#include "engine.h"

#include <sched.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

static bool cpu_runs_avx2(void)
{
#if defined(__x86_64__)
    unsigned a, b, c, d; /* by cpuid: clang 14 does not know the name "f16c" */
    bool f16c = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
    return f16c && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

static bool cpu_runs_avx512(void)
{
#if defined(__x86_64__)
    return cpu_runs_avx2() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni") &&
           __builtin_cpu_supports("avx512bf16");
#else
    return false;
#endif
}

const eng_kernels *eng__kernels_choose(const char *name)
{
#if defined(__x86_64__)
    if (cpu_runs_avx512() && (!name || strcmp(name, "avx512") == 0))
        return &eng__kernels_avx512;
    if (cpu_runs_avx2() && (!name || strcmp(name, "avx2") == 0))
        return &eng__kernels_avx2;
#endif
    return !name || strcmp(name, "scalar") == 0 ? &eng__kernels_scalar : NULL;
}

const eng_train_kernels *eng__train_kernels_choose(const char *name)
{
    const eng_kernels *k = eng__kernels_choose(name);
#if defined(__x86_64__)
    if (k == &eng__kernels_avx512)
        return &eng__train_avx512;
    if (k == &eng__kernels_avx2)
        return &eng__train_avx2;
#endif
    return k ? &eng__train_scalar : NULL;
}

unsigned eng__acts_forms_of(const eng_kernels *k, eng_dtype type)
{
    switch (type) {
    case ENG_F32:
    case ENG_F16:
        return ENG_ACTS_F32;
    case ENG_BF16:
        return k->bf16_dot ? ENG_ACTS_BF16 : ENG_ACTS_F32;
    case ENG_Q4_K:
    case ENG_Q6_K:
        return ENG_ACTS_Q8K;
    default:
        return ENG_ACTS_Q8;
    }
}

const char *eng_cpu_kernels(void)
{
    return eng__kernels_choose(NULL)->name;
}

uint32_t eng_cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? (uint32_t)n : 1;
}
