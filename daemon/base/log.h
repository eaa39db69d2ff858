/* The daemon's log: one line per event on stderr,
 *
 *   2026-01-31T12:00:00.123Z info  listening url=http://127.0.0.1:8080
 *
 * Lines hold lengths, hashes and ids, never prompts, completions or keys. [any thread] */
#ifndef DAEMON_BASE_LOG_H
#define DAEMON_BASE_LOG_H

#include <stdbool.h>

typedef enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG } log_level;

/* "error", "warn", "info" or "debug"; false for anything else. */
bool log_level_parse(const char *name, log_level *out);
/* Set before threads start; the default is LOG_INFO. */
void log_set_level(log_level level);
bool log_enabled(log_level level);

/* event: one word in snake_case; fmt: `key=value ...`. A control byte in the result is printed as
 * '?', so that a value can never forge a line. */
void log_event(log_level level, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
