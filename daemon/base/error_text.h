/* One line that tells an operator what is wrong and where, filled where the facts are. */
#ifndef DAEMON_BASE_ERROR_TEXT_H
#define DAEMON_BASE_ERROR_TEXT_H

#include <stdbool.h>

typedef struct error_text {
    char text[512]; /* NUL-terminated; long text is cut */
} error_text;

/* Formats into err and returns false, so that a failing check is one line. */
bool error_text_set(error_text *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
