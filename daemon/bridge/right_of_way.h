/* Who computes makes way for threads that need a core for a moment only: the loop while it has the
 * scheduler's events to send, workers while they parse a body.
 *
 * The engine computes on all cores by default, and the system lets a thread that wakes wait behind
 * one that computes until the next tick of its timer (4 ms, often) once it has had its share,
 * several times on a token's way to its reader. So those who compute look, before each piece of a
 * step, whether anybody asked for the way, and yield the core if so. Nobody is stopped: a yield
 * beside an idle queue returns at once, and what is asked in vain costs a system call in some 50
 * us.
 *
 * Lies with its owner and outlives its users. NULL: nothing happens. */
#ifndef DAEMON_BRIDGE_RIGHT_OF_WAY_H
#define DAEMON_BRIDGE_RIGHT_OF_WAY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    /* Who has got the end of a reply soon asks for more: the way stays free so long. */
    RIGHT_OF_WAY_LINGER_NS = 1000 * 1000,
    RIGHT_OF_WAY_PAUSE_NS = 50 * 1000 /* between two yields of one thread: pieces may be short */
};

typedef struct right_of_way {
    atomic_int_least64_t until_ns; /* (a) CLOCK_MONOTONIC; 0: the loop does not ask */
    atomic_uint jobs;              /* (a) bodies being parsed or waiting for that */
    atomic_uint given;             /* (a) yields */
} right_of_way;

/* The loop's doorbell was rung: it asks until it has served. [any thread] */
void right_of_way_ring(right_of_way *w);
/* The loop has served what it was rung for; `ended`: a reply's end was among it. A ring that comes
 * meanwhile may be lost: then nobody makes way for what follows, no more. [loop] */
void right_of_way_served(right_of_way *w, bool ended);
/* A body goes to a worker; it is back. [loop] */
void right_of_way_job_begins(right_of_way *w);
void right_of_way_job_ends(right_of_way *w);
/* Yields the core if anybody asks and this thread has not just done so. `way` is a right_of_way,
 * not NULL: fits eng_runtime_options.give_way. [any thread] */
void right_of_way_give(void *way);

#endif
