#include "input.h"

#include "signals.h"
#include "utf8.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

bool input_is_interactive(const options *o)
{
    return !o->arguments_len && isatty(STDIN_FILENO);
}

exit_code input_check(const char *bytes, size_t n, const char *what, problem *p)
{
    size_t valid = utf8_valid_bytes(bytes, n);
    if (valid < n)
        return problem_set(p, EXIT_USAGE, "%s is not UTF-8 (at byte %zu)", what, valid);
    const char *nul = memchr(bytes, 0, n);
    if (nul)
        return problem_set(p, EXIT_USAGE, "%s has a NUL character (at byte %zu)", what,
                           (size_t)(nul - bytes));
    return EXIT_DONE;
}

static exit_code read_stdin(text *out, problem *p)
{
    char piece[16384];
    for (;;) {
        ssize_t n = read(STDIN_FILENO, piece, sizeof piece);
        if (signals_pending()) {
            problem_set(p, EXIT_INTERRUPTED, "%s", "");
            return p->code = (exit_code)(128 + signals_pending());
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return problem_set(p, EXIT_USAGE, "cannot read standard input: %s", strerror(errno));
        if (n == 0)
            return EXIT_DONE;
        text_append(out, piece, (size_t)n);
        if (out->failed)
            return problem_set(p, EXIT_USAGE, "standard input is longer than %zu MiB",
                               out->max >> 20);
    }
}

exit_code input_read(const options *o, text *out, problem *p)
{
    bool from_stdin = !o->arguments_len || strcmp(o->arguments[0], "-") == 0;
    exit_code code = EXIT_DONE;
    if (from_stdin)
        code = read_stdin(out, p);
    else
        text_puts(out, o->arguments[0]);
    if (code != EXIT_DONE)
        return code;
    return input_check(text_str(out), out->len, from_stdin ? "standard input" : "the argument", p);
}
