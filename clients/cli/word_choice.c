#include "word_choice.h"

#include <string.h>

/* "1" to "99", or 0. */
static int number_of(const char *typed, size_t len)
{
    if (len < 1 || len > 2 || strspn(typed, "0123456789") < len)
        return 0;
    return len == 1 ? typed[0] - '0' : (typed[0] - '0') * 10 + typed[1] - '0';
}

int word_choice(const char *const *words, int n, const char *typed, size_t len)
{
    int number = number_of(typed, len), found = CHOICE_NONE;
    if (number >= 1 && number <= n)
        return number - 1;
    for (int i = 0; i < n && len; i++) {
        if (strncmp(words[i], typed, len) != 0)
            continue;
        if (strlen(words[i]) == len)
            return i;
        found = found == CHOICE_NONE ? i : CHOICE_SEVERAL;
    }
    return found;
}
