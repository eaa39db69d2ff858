#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 1024 };

static const char *const names[] = {"error", "warn", "info", "debug"};
static log_level threshold = LOG_INFO;

bool log_level_parse(const char *name, log_level *out)
{
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (log_level)i;
            return true;
        }
    return false;
}

void log_set_level(log_level level)
{
    threshold = level;
}

bool log_enabled(log_level level)
{
    return level <= threshold;
}

/* "2026-01-31T12:00:00.123Z info  event " */
static size_t write_prefix(char *line, log_level level, const char *event)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t n = strftime(line, LINE_BYTES, "%Y-%m-%dT%H:%M:%S", &utc);
    n += (size_t)snprintf(line + n, LINE_BYTES - n, ".%03dZ %-5s %.64s ",
                          (int)(now.tv_nsec / 1000000), names[level], event);
    return n;
}

void log_event(log_level level, const char *event, const char *fmt, ...)
{
    if (!log_enabled(level))
        return;
    char line[LINE_BYTES + 1];
    size_t n = write_prefix(line, level, event);
    va_list args;
    va_start(args, fmt);
    int wanted = vsnprintf(line + n, LINE_BYTES - n, fmt, args);
    va_end(args);
    if (wanted > 0)
        n += (size_t)wanted < LINE_BYTES - n ? (size_t)wanted : LINE_BYTES - n - 1;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    line[n++] = '\n';
    /* One write keeps lines of different threads whole; a full or closed stderr loses the line. */
    ssize_t written = write(STDERR_FILENO, line, n);
    (void)written;
}
