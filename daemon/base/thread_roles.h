/* Which thread a function runs on, checked by clang's -Wthread-safety and by an assertion at run
 * time. A role is a capability that exactly one thread holds: ROLE_ENTER at the thread's start,
 * assert_on_<role>() at the top of every callback that a library calls. Under gcc the annotations
 * vanish and the assertions stay.
 *
 * Fields of shared structs carry a letter: (l) loop, (c) compute, (s) store, (m) guarded by the
 * named mutex, (i) immutable after creation, (a) atomic. */
#ifndef DAEMON_BASE_THREAD_ROLES_H
#define DAEMON_BASE_THREAD_ROLES_H

#include <assert.h>

#if defined(__clang__)
#define THREAD_ATTR(x) __attribute__((x))
#else
#define THREAD_ATTR(x)
#endif

#define CAPABILITY(name) THREAD_ATTR(capability(name))
#define GUARDED_BY(x) THREAD_ATTR(guarded_by(x))
#define REQUIRES(...) THREAD_ATTR(requires_capability(__VA_ARGS__))
#define ACQUIRES(...) THREAD_ATTR(acquire_capability(__VA_ARGS__))
#define RELEASES(...) THREAD_ATTR(release_capability(__VA_ARGS__))
#define ASSERTS_CAPABILITY(x) THREAD_ATTR(assert_capability(x))
#define NO_THREAD_CHECK THREAD_ATTR(no_thread_safety_analysis)

typedef struct CAPABILITY("thread") thread_role {
    int unused;
} thread_role;

extern thread_role role_loop, role_compute, role_store;

#define ON_LOOP REQUIRES(role_loop)
#define ON_COMPUTE REQUIRES(role_compute)
#define ON_STORE REQUIRES(role_store)
#define ANY_THREAD

/* The calling thread becomes the holder of the role; role_leave ends that (in-process tests start
 * and stop several daemons one after the other). */
void role_enter_loop(void) ACQUIRES(role_loop);
void role_leave_loop(void) RELEASES(role_loop);
void role_enter_compute(void) ACQUIRES(role_compute);
void role_leave_compute(void) RELEASES(role_compute);
void role_enter_store(void) ACQUIRES(role_store);
void role_leave_store(void) RELEASES(role_store);

/* Aborts when another thread calls: a bug of ours, never of a client. */
void assert_on_loop(void) ASSERTS_CAPABILITY(role_loop);
void assert_on_compute(void) ASSERTS_CAPABILITY(role_compute);
void assert_on_store(void) ASSERTS_CAPABILITY(role_store);
/* For what waits on a disk or another thread: the loop and compute threads must not. */
void assert_may_wait(void);

#endif
