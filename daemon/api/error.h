/* The API's error object, {"error":{message,type,param,code}} with its HTTP status. */
#ifndef DAEMON_API_ERROR_H
#define DAEMON_API_ERROR_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct api_error {
    int status;       /* HTTP */
    const char *type; /* static: "invalid_request_error", ... */
    const char *code; /* static or NULL: JSON null */
    char param[64];   /* "" = null */
    char message[512];
    uint32_t retry_after_ms; /* 0 = no header; api_fail sets 1000 for 429 and 503 */
} api_error;

/* Fills *err and returns false, so that a failing check is one line. */
bool api_fail(api_error *err, int status, const char *type, const char *code, const char *param,
              const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* 400 invalid_request_error with this code. */
bool api_invalid(api_error *err, const char *code, const char *param, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* 503 out_of_memory: for an allocation whose size the client chose. */
bool api_no_memory(api_error *err);
/* Appends the error object as JSON, without a final newline. */
void api_error_write(const api_error *err, buf *out);

#endif
