#include "input.h"

#include "signals.h"
#include "utf8.h"

#include <errno.h>
#include <fcntl.h>
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

static exit_code read_to_end(int fd, const char *name, text *out, problem *p)
{
    char piece[16384];
    for (;;) {
        ssize_t n = read(fd, piece, sizeof piece);
        if (signals_pending()) {
            problem_set(p, EXIT_INTERRUPTED, "%s", "");
            return p->code = (exit_code)(128 + signals_pending());
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return problem_set(p, EXIT_USAGE, "cannot read %.300s: %s", name, strerror(errno));
        if (n == 0)
            return EXIT_DONE;
        text_append(out, piece, (size_t)n);
        if (out->failed)
            return problem_set(p, EXIT_USAGE, "%.300s is longer than %zu MiB", name,
                               out->max >> 20);
    }
}

exit_code input_read_file(const char *path, text *out, problem *p)
{
    const bool from_stdin = !path || strcmp(path, "-") == 0;
    const char *name = from_stdin ? "standard input" : path;
    const int fd = from_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return problem_set(p, EXIT_USAGE, "cannot read %.300s: %s", name, strerror(errno));
    const exit_code code = read_to_end(fd, name, out, p);
    if (!from_stdin)
        close(fd);
    return code == EXIT_DONE ? input_check(text_str(out), out->len, name, p) : code;
}

exit_code input_read(const options *o, text *out, problem *p)
{
    if (!o->arguments_len || strcmp(o->arguments[0], "-") == 0)
        return input_read_file(NULL, out, p);
    text_puts(out, o->arguments[0]);
    return input_check(text_str(out), out->len, "the argument", p);
}
