#include "base/thread_prompt.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As sched_setattr(2) has it; older headers lack it. */
typedef struct sched_attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns,
        period_ns; /* of a thread without a deadline: its slice, -, - */
} sched_attributes;

enum { RESET_ON_FORK = 1 };

void thread_be_prompt(void)
{
    static _Thread_local bool asked;
    if (asked)
        return;
    asked = true;
    errno = 0;
    const int nice = getpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid));
    if (errno || nice < 0 || sched_getscheduler(0) != SCHED_OTHER)
        return;
    const sched_attributes a = {.size = sizeof a,
                                .policy = SCHED_OTHER,
                                .flags = RESET_ON_FORK,
                                .nice = nice,
                                .runtime_ns = THREAD_PROMPT_SLICE_NS};
    syscall(SYS_sched_setattr, 0, &a, 0); /* refused: things stay as they were */
}
