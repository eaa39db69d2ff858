/* The members of a body that its route does not know. They are ignored, and named in the reply's
 * x-instructd-ignored: a misspelt "max_token" would be found by nobody otherwise. */
#ifndef DAEMON_API_IGNORED_H
#define DAEMON_API_IGNORED_H

#include <cjson/cJSON.h>
#include <stddef.h>

enum {
    IGNORED_NAME_BYTES = 40, /* of one name, its path included */
    IGNORED_TEXT_BYTES = 256
};

/* {0} names none. */
typedef struct api_ignored {
    /* "foo, stream_options.bar, +3": a header's value as it stands, NUL-terminated. What a name
     * holds beyond [A-Za-z0-9_.-] is a *, and so is the end of one that is cut. */
    char text[IGNORED_TEXT_BYTES];
    size_t len;  /* of the names in it */
    size_t more; /* names that did not fit: the +3 */
} api_ignored;

/* path: what the member stands in, "" at the top. list NULL: nothing is kept. */
void ignored_add(api_ignored *list, const char *path, const char *name);

/* Adds each member of the object that is none of the n known ones; null is as good as absent. */
void ignored_add_members(api_ignored *list, const char *path, const cJSON *object,
                         const char *const *known, size_t n);

#endif
