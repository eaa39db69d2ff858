#include "terminal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

/* Pieces are written as they come; a whole reply in one piece may be this long, four-fold grown by
 * visible forms of its controls. */
enum { SCRATCH_MAX = 256 << 20 };

void terminal_init(terminal *t, FILE *file, bool color)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    *t = (terminal){.file = file, .is_tty = isatty(fileno(file))};
    t->redraws = t->is_tty && term && strcmp(term, "dumb") != 0;
    t->color = t->redraws && color && !(no_color && *no_color);
    text_init(&t->scratch, SCRATCH_MAX);
}

void terminal_free(terminal *t)
{
    text_free(&t->scratch);
}

static void note_error(terminal *t, bool ok)
{
    if (!ok && !t->error)
        t->error = errno ? errno : EIO;
}

void terminal_printf(terminal *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    errno = 0;
    int n = vfprintf(t->file, fmt, args);
    va_end(args);
    note_error(t, n >= 0);
}

void terminal_set_style(terminal *t, terminal_style style)
{
    static const char *const codes[] = {"\033[0m", "\033[2m", "\033[1m"};
    if (t->color)
        terminal_printf(t, "%s", codes[style]);
}

static void put(terminal *t, const char *bytes, size_t n)
{
    errno = 0;
    bool ok = fwrite(bytes, 1, n, t->file) == n;
    note_error(t, ok && fflush(t->file) == 0);
}

void terminal_write(terminal *t, const char *bytes, size_t n)
{
    if (!n || t->error)
        return;
    t->line_open = bytes[n - 1] != '\n';
    if (!t->is_tty) {
        put(t, bytes, n);
        return;
    }
    text_clear(&t->scratch);
    sanitize_feed(&t->outside, bytes, n, &t->scratch);
    if (t->scratch.len)
        put(t, t->scratch.data, t->scratch.len);
}

void terminal_end(terminal *t)
{
    text_clear(&t->scratch);
    sanitize_end(&t->outside, &t->scratch);
    if (t->line_open)
        text_puts(&t->scratch, "\n");
    t->line_open = false;
    if (!t->error)
        put(t, text_str(&t->scratch), t->scratch.len);
}

void terminal_line(terminal *t, const char *line)
{
    terminal_write(t, line, strlen(line));
    terminal_end(t);
}

size_t terminal_width(const char *s)
{
    mbstate_t state = {0};
    size_t columns = 0;
    for (const char *at = s; *at;) {
        wchar_t wide;
        size_t len = mbrtowc(&wide, at, strlen(at), &state);
        if (len == (size_t)-1 || len == (size_t)-2)
            return strlen(s);
        int width = wcwidth(wide);
        columns += width > 0 ? (size_t)width : 0;
        at += len;
    }
    return columns;
}
