/* Status codes and the error text that travels with them.
 *
 * Every fallible engine function returns an eng_status and takes, last, an optional eng_error that
 * is filled where the facts are ("tensor blk.3.ffn_up: 576x1536 in the file, 576x1024 in the
 * config"). Library code never prints and never exits. */
#ifndef ENG_BASE_STATUS_H
#define ENG_BASE_STATUS_H

#include <stddef.h>

#define ENG_STATUS_MAP(X)                                                                          \
    X(OK, "ok")                                                                                    \
    X(IO, "input/output error")                                                                    \
    X(FORMAT, "malformed data")                                                                    \
    X(UNSUPPORTED, "not supported")                                                                \
    X(INVALID, "invalid argument")                                                                 \
    X(NOMEM, "out of memory")                                                                      \
    X(FULL, "no room left")

typedef enum eng_status {
#define ENG__STATUS_ENUM(name, text) ENG_##name,
    ENG_STATUS_MAP(ENG__STATUS_ENUM)
#undef ENG__STATUS_ENUM
} eng_status;

/* One line of explanation, always NUL-terminated; valid only after a status other than ENG_OK. */
typedef struct eng_error {
    char text[512];
} eng_error;

#if defined(__GNUC__)
#define ENG_MUST_CHECK __attribute__((warn_unused_result))
#define ENG_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define ENG_MUST_CHECK
#define ENG_PRINTF(fmt, args)
#endif

/* The code's general meaning, a static string. [any thread] */
const char *eng_status_text(eng_status status);

/* Formats into err (may be NULL; long text is cut) and returns `status`, so that a failing check is
 * one line: `return eng_fail(err, ENG_FORMAT, "tensor %s: ...", name);`. [any thread] */
eng_status eng_fail(eng_error *err, eng_status status, const char *fmt, ...) ENG_PRINTF(3, 4);

#endif
