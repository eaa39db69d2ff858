#include "json.h"

#include "text.h"

#include <string.h>

/* Copies JSON text with each \u0000 escape replaced; other escapes are stepped over as pairs, so
 * that the six characters of an escaped backslash before "u0000" stay what they are. */
static void copy_without_nul(text *out, const char *bytes, size_t len)
{
    size_t from = 0;
    for (size_t i = 0; i + 1 < len; i++) {
        if (bytes[i] != '\\')
            continue;
        if (len - i >= 6 && memcmp(bytes + i, "\\u0000", 6) == 0) {
            text_append(out, bytes + from, i - from);
            text_puts(out, "\\u2400");
            from = i + 6;
            i += 5;
        } else {
            i++;
        }
    }
    text_append(out, bytes + from, len - from);
}

cJSON *json_parse(const char *bytes, size_t len)
{
    text clean;
    text_init(&clean, len);
    cJSON *value = NULL;
    copy_without_nul(&clean, bytes, len);
    if (!clean.failed && clean.len) {
        const char *end = NULL;
        value = cJSON_ParseWithLengthOpts(clean.data, clean.len + 1, &end, 1);
    }
    text_free(&clean);
    return value;
}

const char *json_string(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

double json_number(const cJSON *object, const char *name, double otherwise)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNumber(item) ? item->valuedouble : otherwise;
}

char *json_print(const cJSON *value)
{
    return cJSON_PrintUnformatted(value);
}
