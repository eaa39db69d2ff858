#include "desk.h"

#include "json.h"
#include "signals.h"
#include "word_choice.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 64 * 1024 };

void desk_say(desk *k, const char *fmt, ...)
{
    char words[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(words, sizeof words, fmt, args);
    va_end(args);
    terminal_printf(k->screen, "%s\n", words);
    fflush(k->screen->file);
}

static void trim(text *line)
{
    size_t from = strspn(text_str(line), " \t"), len = line->len;
    while (len > from && (line->data[len - 1] == ' ' || line->data[len - 1] == '\t'))
        len--;
    if (!line->data)
        return;
    memmove(line->data, line->data + from, len - from);
    line->len = len - from;
    line->data[line->len] = '\0';
}

bool desk_ask(desk *k, const char *prompt, double *spent_s)
{
    const double began = clock_s();
    editor_event event;
    fflush(k->screen->file);
    do {
        text_clear(&k->line);
        event = editor_read(k->editor, prompt, &k->line);
    } while (event == EDITOR_INTERRUPTED);
    if (spent_s)
        *spent_s += clock_s() - began;
    trim(&k->line);
    return event == EDITOR_LINE;
}

void desk_save(desk *k)
{
    problem p = {0};
    if (label_draft_save(&k->draft, &k->task, &p) != EXIT_DONE)
        problem_print(&p);
}

/* ---- ending a task ---- */

desk_turn desk_send(desk *k, const char *path, char *body, const char *thanks)
{
    problem p = {0};
    http_reply reply = {0};
    exit_code code =
        body ? server_exchange(k->server, &(http_call){.path = path, .body = body}, &reply, &p)
             : problem_set(&p, EXIT_SERVER, "out of memory");
    http_reply_free(&reply);
    free(body);
    if (code == EXIT_DONE || p.status == 409) {
        label_draft_drop(&k->draft);
        desk_say(k, "%s\n", code == EXIT_DONE ? thanks : "you have dealt with this task already");
        return DESK_NEXT;
    }
    problem_print(&p);
    signals_take_interrupt();
    desk_say(k, "Your work is kept. It can be sent again: the server takes it once.");
    return DESK_STAY;
}

desk_turn desk_skip(desk *k)
{
    static const char *const reasons[] = {"unclear", "pii", "language", "harmful", "other"};
    enum { REASONS = sizeof reasons / sizeof reasons[0] };
    desk_say(k, "Why? 1 unclear, 2 pii (personal data), 3 language, 4 harmful, 5 other; a note may "
                "follow. Enter goes back.");
    for (;;) {
        if (!desk_ask(k, "reason> ", NULL))
            return DESK_LEAVE;
        const char *typed = text_str(&k->line);
        if (!*typed)
            return DESK_STAY;
        const size_t len = strcspn(typed, " \t");
        const int reason = word_choice(reasons, REASONS, typed, len);
        const char *note = typed + len + strspn(typed + len, " \t");
        if (reason >= 0 && strlen(note) <= DRAFT_COMMENT_MAX) {
            desk_turn turn =
                desk_send(k, "/v1/labels/skips",
                          label_draft_skip(&k->draft, &k->task, reasons[reason], note), "skipped");
            k->skipped += turn == DESK_NEXT;
            return turn;
        }
        desk_say(k, reason < 0 ? "that is no reason" : "the note is too long");
    }
}

/* ---- one after the other ---- */

static exit_code read_labeler(desk *k, char name[256], problem *p)
{
    cJSON *me;
    exit_code code = server_json(k->server, "/v1/me", NULL, &me, NULL, p);
    const char *user = json_string(me, "user");
    snprintf(name, 256, "%s", user ? user : "");
    cJSON_Delete(me);
    return code;
}

static exit_code work(desk *k, const char *labeler, desk_turn *turn, problem *p)
{
    exit_code code = label_draft_open(&k->draft, k->server, labeler, &k->task, p);
    if (code == EXIT_DONE) {
        label_draft_prune(&k->draft, time(NULL));
        if (label_draft_begun(&k->draft))
            desk_say(k, "You have begun this task before; here it goes on.");
        *turn = k->task.n ? desk_ranking(k) : desk_writing(k);
        k->handed_in += *turn == DESK_NEXT;
        if (*turn == DESK_LEAVE && label_draft_begun(&k->draft))
            desk_say(k, "Your draft is kept.");
    }
    label_draft_free(&k->draft);
    return code;
}

static exit_code work_through(desk *k, problem *p)
{
    char labeler[256];
    desk_turn turn = DESK_NEXT;
    exit_code code = read_labeler(k, labeler, p);
    while (code == EXIT_DONE && turn == DESK_NEXT && !signals_pending()) {
        code = label_task_next(k->server, k->kind, &k->task, NULL, p);
        if (code != EXIT_DONE)
            break;
        if (!k->task.json) {
            desk_say(k,
                     "No %s task waits for you. A researcher makes them on the page /label, or by "
                     "POST /v1/labels/tasks.",
                     k->kind);
            break;
        }
        code = work(k, labeler, &turn, p);
        label_task_free(&k->task);
    }
    if (code == EXIT_DONE && signals_pending())
        code = p->code = (exit_code)(128 + signals_pending());
    return code;
}

exit_code desk_run(server *s, const char *kind, terminal *screen, problem *p)
{
    desk k = {.server = s, .screen = screen, .kind = kind};
    text_init(&k.line, LINE_MAX_BYTES);
    k.editor = editor_open(screen->file, screen->color);
    exit_code code = k.editor ? work_through(&k, p) : problem_set(p, EXIT_SERVER, "out of memory");
    if (k.handed_in)
        desk_say(&k, "%d done, %d of them skipped.", k.handed_in, k.skipped);
    editor_close(k.editor);
    text_free(&k.line);
    return code;
}
