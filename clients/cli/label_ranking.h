/* A ranking as a person types it: `c > a = d > b`, best first, = for a tie. Outputs go by letter or
 * by number (a is 1). Pure functions. */
#ifndef CLI_LABEL_RANKING_H
#define CLI_LABEL_RANKING_H

#include "text.h"

enum { LABEL_OUTPUTS_MAX = 9, LABEL_WHY_ROOM = 120 };

/* Which output a letter of either case or a digit names: 0 to n-1, or -1. */
int label_output(char name, int n);
/* The letter of output i. */
char label_letter(int i);

/* Reads a whole line: ranks[0..n) of the n outputs, 0 for the best and without gaps. False: `why`
 * says what is wrong, in words for the one who typed it, and ranks are as they were. */
bool ranking_parse(const char *line, int n, int *ranks, char why[LABEL_WHY_ROOM]);
/* Appends the ranking with letters, those of a tie in order. */
void ranking_format(const int *ranks, int n, text *out);

#endif
