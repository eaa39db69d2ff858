/* A reply on its way to stdout. Choices arrive interleaved and are printed one after the other: the
 * current one as it grows, the next ones from what is already there. Several choices stand under
 * headings "[0]", "[1]", ... */
#ifndef CLI_DISPLAY_H
#define CLI_DISPLAY_H

#include "reply.h"
#include "terminal.h"

typedef struct display {
    terminal *out; /* borrowed */
    bool headings;
    int current;    /* the choice being printed */
    size_t printed; /* bytes of it that are out */
    bool opened;    /* its heading is out */
} display;

void display_init(display *d, terminal *out, bool headings);
/* Prints what is new in the reply. */
void display_update(display *d, const reply *r);
/* The reply is over, in whatever way: prints the rest and closes the line. */
void display_end(display *d, const reply *r);

#endif
