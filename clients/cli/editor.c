#include "editor.h"

#include "signals.h"
#include "utf8.h"

#include <errno.h>
#include <histedit.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

enum { REMEMBERED = 500, PROMPT_ROOM = 32 };

struct editor {
    EditLine *el;
    History *history;
    FILE *out;
    bool color;
    char prompt[PROMPT_ROOM]; /* with \1 around each escape sequence */
};

static char *current_prompt(EditLine *el)
{
    editor *e = NULL;
    el_get(el, EL_CLIENTDATA, &e);
    return e->prompt;
}

/* One byte of the terminal; false on its end or on an ending signal. */
static bool next_byte(EditLine *el, unsigned char *byte)
{
    for (;;) {
        if (signals_take_resized())
            el_resize(el);
        if (signals_take_resumed()) { /* the shell had set the terminal its own way, and libedit
                                         sets it only when it thinks that it changes */
            el_set(el, EL_PREP_TERM, 0);
            el_set(el, EL_PREP_TERM, 1);
            el_set(el, EL_REFRESH);
        }
        struct pollfd wait[] = {{STDIN_FILENO, POLLIN, 0}, {signals_fd(), POLLIN, 0}};
        if (signals_pending())
            return false;
        if (poll(wait, 2, -1) < 0 && errno != EINTR)
            return false;
        if (signals_pending())
            return false;
        if (!wait[0].revents)
            continue;
        ssize_t n = read(STDIN_FILENO, byte, 1);
        if (n == 1)
            return true;
        if (n == 0 || errno != EINTR)
            return false;
    }
}

/* Replaces libedit's reader, which would retry through a signal. 1 = a character, -1 = none. */
static int next_char(EditLine *el, wchar_t *out)
{
    unsigned char bytes[4];
    uint32_t point;
    for (size_t n = 0; n < sizeof bytes;) {
        if (!next_byte(el, &bytes[n++]))
            return -1;
        int len = utf8_decode(bytes, n, &point);
        if (len == 0)
            continue;
        *out = len > 0 ? (wchar_t)point : L'\xFFFD';
        return 1;
    }
    return -1;
}

editor *editor_open(FILE *out, bool color)
{
    editor *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->out = out;
    e->color = color;
    e->el = el_init("instruct", stdin, out, stderr);
    e->history = history_init();
    if (!e->el || !e->history) {
        editor_close(e);
        return NULL;
    }
    HistEvent event;
    history(e->history, &event, H_SETSIZE, REMEMBERED);
    el_set(e->el, EL_CLIENTDATA, e);
    el_set(e->el, EL_PROMPT_ESC, current_prompt, '\1');
    el_set(e->el, EL_EDITOR, "emacs");
    el_set(e->el, EL_SIGNAL, 0);
    el_set(e->el, EL_HIST, history, e->history);
    el_source(e->el, NULL);
    el_set(e->el, EL_GETCFN, next_char);
    return e;
}

void editor_close(editor *e)
{
    if (!e)
        return;
    if (e->history)
        history_end(e->history);
    if (e->el)
        el_end(e->el);
    free(e);
}

editor_event editor_read(editor *e, const char *prompt, text *line)
{
    /* libedit drops an escape at the prompt's end: the last character comes behind the reset. */
    int last = (int)strnlen(prompt, 15) - 1;
    if (e->color && last >= 0)
        snprintf(e->prompt, sizeof e->prompt, "\1\033[1m\1%.*s\1\033[0m\1%c", last, prompt,
                 prompt[last]);
    else
        snprintf(e->prompt, sizeof e->prompt, "%.15s", prompt);
    /* Before the prompt is drawn: libedit would do it after, and a Ctrl-D between would be lost. */
    el_set(e->el, EL_PREP_TERM, 1);
    int n = 0;
    const char *got = el_gets(e->el, &n);
    if (signals_pending() == SIGINT) {
        signals_take_interrupt();
        fputs("^C\n", e->out);
        fflush(e->out);
        return EDITOR_INTERRUPTED;
    }
    if (!got || n <= 0 || signals_pending()) {
        fputs("\n", e->out);
        fflush(e->out);
        return EDITOR_END;
    }
    size_t len = strlen(got);
    while (len && (got[len - 1] == '\n' || got[len - 1] == '\r'))
        len--;
    text_append(line, got, len);
    return EDITOR_LINE;
}

void editor_remember(editor *e, const char *line)
{
    HistEvent event;
    history(e->history, &event, H_ENTER, line);
}
