/* A job from its events to its end. */
#ifndef CLI_FOLLOW_H
#define CLI_FOLLOW_H

#include "options.h"
#include "terminal.h"

/* Prints the events of a job as they come until it ended: lines, with o->json each event as it was
 * sent and the job at last, and on a terminal `err` a bar with the live figures. A connection that
 * breaks is made again. EXIT_DONE: it succeeded. EXIT_FRUITLESS: it failed or was cancelled. A
 * signal leaves the job running and says how to come back. */
exit_code follow_job(const options *o, const char *id, terminal *out, terminal *err, problem *p);

/* One event as a line: "12:03:04 message", "step 10  loss 1.23". */
void follow_print_event(const cJSON *event, terminal *out);

#endif
