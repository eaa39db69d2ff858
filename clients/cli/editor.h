/* One line from a person at a terminal, with editing and recall of earlier lines (libedit; the
 * user's ~/.editrc holds). Signals stay the program's own (signals.h). */
#ifndef CLI_EDITOR_H
#define CLI_EDITOR_H

#include "text.h"

#include <stdio.h>

typedef struct editor editor;

typedef enum editor_event {
    EDITOR_LINE,
    EDITOR_INTERRUPTED, /* Ctrl-C: the line was given up */
    EDITOR_END          /* Ctrl-D on an empty line, a closed terminal, or an ending signal */
} editor_event;

/* Reads stdin, draws on out. The prompt is bold with color. NULL without memory. */
editor *editor_open(FILE *out, bool color);
void editor_close(editor *e);
/* Shows the prompt (at most 15 bytes of ASCII) and appends the line without its \n. */
editor_event editor_read(editor *e, const char *prompt, text *line);
/* Makes a text recallable with the arrow keys. */
void editor_remember(editor *e, const char *line);

#endif
