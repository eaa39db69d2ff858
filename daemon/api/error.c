#include "api/error.h"

#include "api/json_out.h"
#include "text_stream.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const uint32_t DEFAULT_RETRY_MS = 1000;

static void fill(api_error *err, int status, const char *type, const char *code, const char *param)
{
    *err = (api_error){.status = status, .type = type, .code = code};
    if (status == 429 || status == 503)
        err->retry_after_ms = DEFAULT_RETRY_MS;
    if (param)
        snprintf(err->param, sizeof err->param, "%s", param);
}

/* A message that had to be cut may end inside a character that a client sent. */
__attribute__((format(printf, 2, 0))) static void set_message(api_error *err, const char *fmt,
                                                              va_list args)
{
    int n = vsnprintf(err->message, sizeof err->message, fmt, args);
    if (n >= (int)sizeof err->message)
        err->message[eng_utf8_complete(err->message, strlen(err->message))] = 0;
}

bool api_fail(api_error *err, int status, const char *type, const char *code, const char *param,
              const char *fmt, ...)
{
    fill(err, status, type, code, param);
    va_list args;
    va_start(args, fmt);
    set_message(err, fmt, args);
    va_end(args);
    return false;
}

bool api_invalid(api_error *err, const char *code, const char *param, const char *fmt, ...)
{
    fill(err, 400, "invalid_request_error", code, param);
    va_list args;
    va_start(args, fmt);
    set_message(err, fmt, args);
    va_end(args);
    return false;
}

bool api_no_memory(api_error *err)
{
    return api_fail(err, 503, "unavailable_error", "out_of_memory", NULL,
                    "no memory for this request right now");
}

void api_error_write(const api_error *err, buf *out)
{
    JSON_LIT(out, "{\"error\":{\"message\":");
    json_cstring(out, err->message);
    JSON_LIT(out, ",\"type\":");
    json_cstring(out, err->type);
    JSON_LIT(out, ",\"param\":");
    json_cstring(out, err->param[0] ? err->param : NULL);
    JSON_LIT(out, ",\"code\":");
    json_cstring(out, err->code);
    JSON_LIT(out, "}}");
}
