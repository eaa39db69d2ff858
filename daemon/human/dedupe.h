/* Near-duplicates by long common prefix, as InstructGPT's authors removed them (Ouyang et al. 2022,
 * 3.2): templates whose last words differ, a conversation's later turns. Pure.
 *
 * Texts are sorted; neighbours belong to one cluster if they are equal or share a prefix of at
 * least max(64 bytes, 4/5 of the shorter), or of 256 bytes. A cluster keeps its oldest text, and
 * with it what belongs to that one's unit: a second labeler's ranking of the same task, the turns
 * of a tree that somebody ranked, a file's other comparisons of its prompt are no duplicates. */
#ifndef DAEMON_HUMAN_DEDUPE_H
#define DAEMON_HUMAN_DEDUPE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct dedupe_item {
    const char *text; /* normalised */
    const char *unit; /* never NULL */
    size_t age;       /* 0 is oldest; distinct */
    bool kept;        /* the answer */
} dedupe_item;

/* Sorts the items by text and fills `kept`. */
void dedupe(dedupe_item *items, size_t n);

#endif
