/* Texts as the search for duplicates compares them. Pure. */
#ifndef DAEMON_HUMAN_NORMALISE_H
#define DAEMON_HUMAN_NORMALISE_H

#include "base/arena.h"

/* The text in Unicode's form NFC, trimmed, each run of blanks (white space and separators of any
 * script) one space. A text that is not UTF-8 keeps its bytes, but for blanks. NULL: no memory. */
const char *text_normalise(const char *text, eng_arena *arena);

#endif
