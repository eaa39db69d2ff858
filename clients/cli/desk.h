/* The labelling desk in a terminal: one task after the other, each asked line by line. What is
 * typed at any question besides an answer (help, undo, skip, leave) is the same for every kind of
 * task. */
#ifndef CLI_DESK_H
#define CLI_DESK_H

#include "editor.h"
#include "label_draft.h"
#include "label_task.h"

/* What became of a line. */
typedef enum desk_turn {
    DESK_STAY, /* the same task goes on */
    DESK_NEXT, /* it was handed in or skipped */
    DESK_LEAVE
} desk_turn;

typedef struct desk {
    server *server;
    terminal *screen; /* a terminal; borrowed */
    editor *editor;
    const char *kind;
    label_task task;
    label_draft draft;
    int handed_in, skipped;
    unsigned explained; /* each form of a task, once: 1 << rating_form */
    text line;          /* the last answer */
} desk;

/* Hands out tasks of a kind ("rank", "eval", "demo") until there is none or the person leaves. */
exit_code desk_run(server *s, const char *kind, terminal *screen, problem *p);

/* One task from its prompt to its end: desk_ranking.c, desk_writing.c. */
desk_turn desk_ranking(desk *k);
desk_turn desk_writing(desk *k);

/* ---- for these two ---- */

/* Asks (the prompt at most 15 bytes) and puts the answer into k->line, without blanks around it.
 * Adds the seconds that it took to *spent_s, unless NULL. False: the person, or a signal, leaves.
 */
bool desk_ask(desk *k, const char *prompt, double *spent_s);
/* Our own words, for the person. */
void desk_say(desk *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Keeps the draft; what prevents it is said, and does not stop the work. */
void desk_save(desk *k);
/* Sends a body (freed; NULL = out of memory) that ends the task. DESK_STAY: it did not arrive,
 * which was said, and may be sent again. */
desk_turn desk_send(desk *k, const char *path, char *body, const char *thanks);
/* Asks why, and skips the task. DESK_STAY: it was not meant. */
desk_turn desk_skip(desk *k);

#endif
