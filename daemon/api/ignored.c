#include "api/ignored.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { COUNT_BYTES = sizeof ", +18446744073709551615" };

static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

/* Appends the name as far as there is room; a run of other bytes is one *. */
static size_t write_name(char out[IGNORED_NAME_BYTES + 1], size_t len, const char *name)
{
    for (const char *c = name; *c && len < IGNORED_NAME_BYTES;) {
        const size_t plain = strspn(c, safe);
        if (plain == 0) {
            out[len++] = '*';
            c += strcspn(c, safe);
        } else {
            const size_t room = IGNORED_NAME_BYTES - len, n = plain < room ? plain : room;
            memcpy(out + len, c, n);
            len += n;
            c += n;
        }
        if (*c && len == IGNORED_NAME_BYTES)
            out[len - 1] = '*';
    }
    out[len] = 0;
    return len;
}

void ignored_add(api_ignored *list, const char *path, const char *name)
{
    char shown[IGNORED_NAME_BYTES + 1];
    if (!list)
        return;
    size_t n = write_name(shown, 0, path);
    if (n)
        n = write_name(shown, n, ".");
    n = write_name(shown, n, name[0] ? name : "*");
    const char *between = list->len ? ", " : "";
    if (list->more || list->len + strlen(between) + n + COUNT_BYTES > IGNORED_TEXT_BYTES)
        snprintf(list->text + list->len, IGNORED_TEXT_BYTES - list->len, ", +%zu", ++list->more);
    else
        list->len += (size_t)sprintf(list->text + list->len, "%s%s", between, shown);
}

static bool is_known(const char *name, const char *const *known, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(known[i], name) == 0)
            return true;
    return false;
}

void ignored_add_members(api_ignored *list, const char *path, const cJSON *object,
                         const char *const *known, size_t n)
{
    const cJSON *v;
    cJSON_ArrayForEach(v, object)
    {
        if (!cJSON_IsNull(v) && !is_known(v->string, known, n))
            ignored_add(list, path, v->string);
    }
}
