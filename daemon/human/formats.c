#include "human/formats.h"

#include <string.h>

static const char *const texts[] = {
#define FORMAT__TEXT(name, text) text,
    RECORD_FORMAT_MAP(FORMAT__TEXT)
#undef FORMAT__TEXT
};

const char *record_format_text(record_format format)
{
    return texts[format];
}

bool record_format_parse(const char *text, record_format *out)
{
    for (int f = 0; f < RECORD_FORMATS; f++)
        if (strcmp(text, texts[f]) == 0) {
            *out = (record_format)f;
            return true;
        }
    return false;
}
