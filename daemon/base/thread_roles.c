#include "base/thread_roles.h"

#include <stdio.h>
#include <stdlib.h>

thread_role role_loop, role_compute, role_store;

static _Thread_local int is_loop, is_compute, is_store;

static void must_hold(int held, const char *role)
{
    if (held)
        return;
    fprintf(stderr, "instructd: a function of the %s thread was called by another\n", role);
    abort();
}

void role_enter_loop(void) NO_THREAD_CHECK
{
    is_loop = 1;
}

void role_leave_loop(void) NO_THREAD_CHECK
{
    is_loop = 0;
}

void role_enter_compute(void) NO_THREAD_CHECK
{
    is_compute = 1;
}

void role_leave_compute(void) NO_THREAD_CHECK
{
    is_compute = 0;
}

void role_enter_store(void) NO_THREAD_CHECK
{
    is_store = 1;
}

void role_leave_store(void) NO_THREAD_CHECK
{
    is_store = 0;
}

void assert_on_loop(void) NO_THREAD_CHECK
{
    must_hold(is_loop, "loop");
}

void assert_on_compute(void) NO_THREAD_CHECK
{
    must_hold(is_compute, "compute");
}

void assert_on_store(void) NO_THREAD_CHECK
{
    must_hold(is_store, "store");
}

void assert_may_wait(void)
{
    if (!is_loop && !is_compute)
        return;
    fprintf(stderr, "instructd: a function that waits was called on the %s thread\n",
            is_loop ? "loop" : "compute");
    abort();
}
