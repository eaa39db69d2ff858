#include "base/alias_name.h"

#include "base/limits.h"

#include <string.h>

bool alias_name_valid(const char *name)
{
    const size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return n >= 1 && n <= LIMIT_NAME_BYTES && name[n] == 0 && name[0] != '-';
}
