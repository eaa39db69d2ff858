#include "human/dedupe.h"

#include <stdlib.h>
#include <string.h>

enum { PREFIX_LEAST = 64, PREFIX_ENOUGH = 256 };

static int by_text(const void *a, const void *b)
{
    const dedupe_item *x = a, *y = b;
    const int order = strcmp(x->text, y->text);
    return order ? order : (x->age > y->age) - (x->age < y->age);
}

static size_t common_prefix(const char *a, const char *b)
{
    size_t n = 0;
    while (a[n] && a[n] == b[n])
        n++;
    return n;
}

static bool same_cluster(const char *a, const char *b)
{
    const size_t shared = common_prefix(a, b), la = strlen(a), lb = strlen(b);
    const size_t shorter = la < lb ? la : lb;
    return (shared == la && shared == lb) || shared >= PREFIX_ENOUGH ||
           (shared >= PREFIX_LEAST && 5 * shared >= 4 * shorter);
}

static void keep_oldest(dedupe_item *cluster, size_t n)
{
    const dedupe_item *oldest = cluster;
    for (size_t i = 1; i < n; i++)
        if (cluster[i].age < oldest->age)
            oldest = &cluster[i];
    for (size_t i = 0; i < n; i++)
        cluster[i].kept = strcmp(cluster[i].unit, oldest->unit) == 0;
}

void dedupe(dedupe_item *items, size_t n)
{
    if (n > 1)
        qsort(items, n, sizeof *items, by_text);
    for (size_t start = 0, end; start < n; start = end) {
        end = start + 1;
        while (end < n && same_cluster(items[end - 1].text, items[end].text))
            end++;
        keep_oldest(items + start, end - start);
    }
}
