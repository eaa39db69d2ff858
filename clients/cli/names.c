#include "names.h"

#include <string.h>

#define ALPHANUMERIC "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

enum { ID_MAX = 64, FILE_NAME_MAX = 128 };

bool name_is_id(const char *s)
{
    size_t len = strlen(s);
    return len >= 1 && len <= ID_MAX && strspn(s, ALPHANUMERIC "_-") == len;
}

exit_code name_check(const char *s, const char *what, problem *p)
{
    if (!s)
        return problem_set(p, EXIT_USAGE, "%s is missing", what);
    if (!name_is_id(s))
        return problem_set(p, EXIT_USAGE, "\"%.80s\" cannot be %s", s, what);
    return EXIT_DONE;
}

bool name_is_file(const char *s)
{
    size_t len = strlen(s);
    return len >= 1 && len <= FILE_NAME_MAX && s[0] != '.' && s[0] != '-' &&
           strspn(s, ALPHANUMERIC "_.-") == len;
}
