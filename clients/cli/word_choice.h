/* A word of a fixed list, as a person types it: whole, by the letters it begins with, or by its
 * number in the list. */
#ifndef CLI_WORD_CHOICE_H
#define CLI_WORD_CHOICE_H

#include <stddef.h>

enum { CHOICE_NONE = -1, CHOICE_SEVERAL = -2 };

/* The place of the word that the first len bytes of `typed` mean, from 0; or one of the above. */
int word_choice(const char *const *words, int n, const char *typed, size_t len);

#endif
