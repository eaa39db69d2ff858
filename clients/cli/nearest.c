#include "nearest.h"

#include <string.h>

enum { LEN_MAX = 63, PREFIX_MIN = 3 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t edit_distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    /* rows[i % 3][j]: edits between the first i letters of a and the first j of b. */
    size_t rows[3][LEN_MAX + 1];
    if (n > LEN_MAX || m > LEN_MAX)
        return n > m ? n : m;
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *now = rows[i % 3], *above = rows[(i - 1) % 3], *two_above = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            now[j] = least(above[j - 1] + (a[i - 1] != b[j - 1]), least(above[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], two_above[j - 2] + 1);
        }
    }
    return rows[n % 3][m];
}

void nearest_init(nearest *n, const char *wanted)
{
    *n = (nearest){.wanted = wanted};
}

/* In the shortest words every letter tells: dpo is not ppo. */
static size_t close_edits(size_t len)
{
    return len <= 3 ? 0 : len / 3;
}

void nearest_offer(nearest *n, const char *name)
{
    size_t distance = edit_distance(n->wanted, name), len = strlen(n->wanted);
    size_t close = close_edits(len);
    if (len >= PREFIX_MIN && strncmp(n->wanted, name, len) == 0)
        distance = least(distance, close);
    if (distance > close || (n->best && distance >= n->distance))
        return;
    n->best = name;
    n->distance = distance;
}
