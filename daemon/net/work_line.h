/* libuv's four workers, shared out by how long they may be taken, so that nobody's completion waits
 * for management, and nobody's way back waits for a publish.
 *
 * Parsing a body takes microseconds and begins at once. Management asks the store and the disk: it
 * has LIMIT_MANAGE_JOBS workers, and leaves one to bodies. Some of it may take minutes, for the
 * publisher or a plugin to come to an end: of those workers it has LIMIT_LONG_JOBS, and leaves one
 * to the rest. Who finds no place stands in line on the loop, first come, first served among those
 * for whom there is one. Lies with its owner, zeroed but for the loop. */
#ifndef DAEMON_NET_WORK_LINE_H
#define DAEMON_NET_WORK_LINE_H

#include "base/thread_roles.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

typedef enum work_kind { WORK_BODY, WORK_SHORT, WORK_LONG, WORK_KINDS } work_kind;

typedef struct work work;
typedef struct work_line work_line;

/* Part of a struct of the caller's, which stays until `done`. */
struct work {
    uv_work_t uv;
    void (*run)(work *w);  /* worker thread */
    void (*done)(work *w); /* loop; comes after run, or without it once work_cancel was called; w
                              may be freed, or started again */
    work_kind kind;
    work_line *line; /* (l) */
    work *next;      /* (l) in line */
};

struct work_line {
    uv_loop_t *loop;              /* (i) */
    uint32_t at_work[WORK_KINDS]; /* (l) */
    work *first, *last;           /* (l) who stand there */
};

/* run, done and kind are set. */
void work_start(work_line *line, work *w) ON_LOOP;
/* It is wanted no more. True: it stood in line and is the caller's again. False: done comes. */
bool work_cancel(work *w) ON_LOOP;

#endif
