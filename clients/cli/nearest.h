/* What a mistyped name may have meant. */
#ifndef CLI_NEAREST_H
#define CLI_NEAREST_H

#include <stddef.h>

typedef struct nearest {
    const char *wanted; /* borrowed */
    const char *best;   /* the closest name offered so far, borrowed; NULL = none is close */
    size_t distance;    /* its edits */
} nearest;

void nearest_init(nearest *n, const char *wanted);
/* A name is close when it begins with the wanted one, or when at most a third of that one's letters
 * would change; of three or fewer none may. */
void nearest_offer(nearest *n, const char *name);
/* Letters to insert, remove, replace or swap with their neighbour (optimal string alignment:
 * Damerau 1964) to make b of a; names past 63 bytes are as far as they are long. */
size_t edit_distance(const char *a, const char *b);

#endif
