/* One line at the bottom of a terminal that says how far something is, drawn over and over. On
 * anything but a terminal that can be drawn over it draws nothing. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "terminal.h"

#include <stdint.h>

typedef struct progress_line {
    terminal *t; /* borrowed */
    double drawn_s;
    bool shown;
} progress_line;

void progress_init(progress_line *p, terminal *t);
/* Draws the line (one line, cut to the terminal's width), but not more than ten times a second. */
void progress_draw(progress_line *p, const char *line);
/* Removes the line, so that others can be printed; the next draw is not delayed. */
void progress_clear(progress_line *p);

/* Appends "[#####     ]" of `width` places, share from 0 to 1. */
void progress_bar(text *out, double share, int width);
/* Appends "12.3 MiB". */
void progress_bytes(text *out, uint64_t bytes);
/* Appends "1:05" or "2:03:09". */
void progress_duration(text *out, double seconds);
/* "demos.jsonl  [####    ]  45%  12.3 of 27.0 MiB", drawn. */
void progress_transfer(progress_line *p, const char *name, uint64_t done, uint64_t total);

#endif
