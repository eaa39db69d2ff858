#include "base/error_text.h"

#include <stdarg.h>
#include <stdio.h>

bool error_text_set(error_text *err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    return false;
}
