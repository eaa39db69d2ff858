/* Threads that give way: training, rollouts and publishing share their cores with serving. */
#include "base/pace.h"

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

static _Thread_local struct {
    void (*between)(void *arg);
    void (*waits)(void *arg);
    void *arg;
} pace;

void eng_thread_pace(void (*between)(void *arg), void (*waits)(void *arg), void *arg)
{
    pace.between = between;
    pace.waits = waits;
    pace.arg = arg;
}

void eng_pace(void *unused)
{
    (void)unused;
    if (pace.between)
        pace.between(pace.arg);
}

bool eng__pace_minds_waiting(void)
{
    return pace.waits != NULL;
}

void eng__pace_waits(void)
{
    if (pace.waits)
        pace.waits(pace.arg);
}
