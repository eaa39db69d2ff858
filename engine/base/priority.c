/* Threads that give way: training and rollouts share their cores with serving. */
#include "engine.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NICEST = 19 };

/* On Linux both are a thread's own, and threads it starts later inherit them. */
void eng_thread_lower(void)
{
    const struct sched_param none = {0};
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICEST);
    sched_setscheduler(0, SCHED_IDLE, &none);
}
