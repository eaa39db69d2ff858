#include "api/strict_json.h"

#include "base/json.h"
#include "base/limits.h"

#include <string.h>

cJSON *strict_json_parse(const char *body, size_t len, api_error *err)
{
    static const eng_json_rules rules = {.max_depth = LIMIT_JSON_DEPTH,
                                         .unique_keys = true,
                                         .no_nul_escape = true,
                                         .top_object = true};
    eng_error why;
    eng_status status = eng_json_check(body, len, &rules, NULL, &why);
    if (status == ENG_NOMEM) {
        api_no_memory(err);
        return NULL;
    }
    if (status != ENG_OK) {
        api_invalid(err, "invalid_json", NULL, "the body is not valid %s", why.text);
        return NULL;
    }
    cJSON *root = cJSON_ParseWithLengthOpts(body, len, NULL, 0);
    if (!root)
        api_no_memory(err);
    return root;
}

/* ---- members of a valid object ---- */

static size_t skip_space(const char *s, size_t len, size_t at)
{
    while (at < len && (s[at] == ' ' || s[at] == '\t' || s[at] == '\n' || s[at] == '\r'))
        at++;
    return at;
}

static size_t skip_string(const char *s, size_t len, size_t at)
{
    for (at++; at < len && s[at] != '"'; at++)
        if (s[at] == '\\')
            at++;
    return at + 1;
}

/* The end of the value at `at`: the comma or closing bracket of what holds it. */
static size_t skip_value(const char *s, size_t len, size_t at)
{
    size_t depth = 0;
    while (at < len) {
        char c = s[at];
        if (c == '"') {
            at = skip_string(s, len, at);
            continue;
        }
        if (depth == 0 && (c == ',' || c == '}' || c == ']'))
            return at;
        if (c == '{' || c == '[')
            depth++;
        else if (c == '}' || c == ']')
            depth--;
        at++;
    }
    return len;
}

bool strict_json_is_object(const char *text)
{
    api_error err;
    cJSON *root = strict_json_parse(text, strlen(text), &err);
    cJSON_Delete(root);
    return root != NULL;
}

bool strict_json_member(const char *body, size_t len, size_t index, const char **text, size_t *n)
{
    size_t at = skip_space(body, len, 0) + 1; /* past '{' */
    for (size_t i = 0; at < len; i++) {
        at = skip_space(body, len, at);
        if (at >= len || body[at] != '"')
            return false;
        at = skip_space(body, len, skip_string(body, len, at));
        size_t start = skip_space(body, len, at + 1); /* past ':' */
        at = skip_value(body, len, start);
        if (i == index && at <= len && start < at) {
            while (at > start && strchr(" \t\n\r", body[at - 1]))
                at--;
            *text = body + start;
            *n = at - start;
            return true;
        }
        at++;
    }
    return false;
}
