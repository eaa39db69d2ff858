#include "text_editor.h"

#include "input.h"
#include "private_file.h"
#include "signals.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *editor_name(void)
{
    const char *visual = getenv("VISUAL"), *editor = getenv("EDITOR");
    return visual && *visual ? visual : editor && *editor ? editor : "vi";
}

/* The editor may hold arguments ("code --wait"), so a shell takes it apart; the path does not pass
 * through the shell's hands. */
static exit_code run(const char *path, problem *p)
{
    const char *name = editor_name();
    char command[1024];
    if (snprintf(command, sizeof command, "%s \"$1\"", name) >= (int)sizeof command)
        return problem_set(p, EXIT_USAGE, "EDITOR is too long");
    const pid_t child = fork();
    if (child == 0) {
        signal(SIGPIPE, SIG_DFL);
        execl("/bin/sh", "sh", "-c", command, "sh", path, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    signals_take_interrupt(); /* a Ctrl-C was the editor's */
    if (child < 0)
        return problem_set(p, EXIT_USAGE, "cannot start %.200s: %s", name, strerror(errno));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return problem_set(p, EXIT_USAGE, "%.200s did not end well; the text is as it was", name);
    return EXIT_DONE;
}

static exit_code take_file(text *t, const char *path, problem *p)
{
    char piece[4096];
    size_t n;
    text read;
    text_init(&read, t->max);
    FILE *file = fopen(path, "re");
    while (file && (n = fread(piece, 1, sizeof piece, file)) > 0)
        text_append(&read, piece, n);
    exit_code code = EXIT_DONE;
    if (!file || read.failed)
        code = problem_set(p, EXIT_USAGE, "what was saved cannot be read, or is too long");
    else
        code = input_check(text_str(&read), read.len, "what was saved", p);
    if (file)
        fclose(file);
    while (read.len && read.data[read.len - 1] == '\n')
        read.data[--read.len] = '\0';
    if (code == EXIT_DONE) {
        text_clear(t);
        text_puts(t, text_str(&read));
    }
    text_free(&read);
    return code;
}

exit_code text_editor_edit(text *t, const char *path, problem *p)
{
    char file[PATH_MAX];
    if (snprintf(file, sizeof file, "%s.txt", path) >= (int)sizeof file ||
        !private_file_write(file, text_str(t)))
        return problem_set(p, EXIT_USAGE, "cannot write %.200s.txt: %s", path, strerror(errno));
    exit_code code = run(file, p);
    if (code == EXIT_DONE)
        code = take_file(t, file, p);
    unlink(file);
    return code;
}
