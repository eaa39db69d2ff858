#include "problem.h"

#include "sanitize.h"

#include <stdarg.h>
#include <stdio.h>

exit_code problem_set(problem *p, exit_code code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(p->text, sizeof p->text, fmt, args);
    va_end(args);
    p->code = code;
    p->hint[0] = '\0';
    p->status = 0;
    return code;
}

void problem_hint(problem *p, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(p->hint, sizeof p->hint, fmt, args);
    va_end(args);
}

void problem_print(const problem *p)
{
    if (!p->text[0])
        return;
    text line;
    text_init(&line, 16384);
    text_puts(&line, "instruct: ");
    sanitize_line(p->text, &line);
    if (p->hint[0]) {
        text_puts(&line, "\n          ");
        sanitize_line(p->hint, &line);
    }
    text_puts(&line, "\n");
    fputs(text_str(&line), stderr);
    text_free(&line);
}
