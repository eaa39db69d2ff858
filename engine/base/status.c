#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>

const char *eng_status_text(eng_status status)
{
    static const char *const texts[] = {
#define ENG__STATUS_TEXT(name, text) text,
        ENG_STATUS_MAP(ENG__STATUS_TEXT)
#undef ENG__STATUS_TEXT
    };
    size_t i = (size_t)status;
    return i < sizeof texts / sizeof texts[0] ? texts[i] : "unknown status";
}

eng_status eng_fail(eng_error *err, eng_status status, const char *fmt, ...)
{
    if (err) {
        va_list args;
        va_start(args, fmt);
        vsnprintf(err->text, sizeof err->text, fmt, args);
        va_end(args);
    }
    return status;
}
