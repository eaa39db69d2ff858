#include "talk.h"

#include "conversation.h"
#include "editor.h"
#include "generate.h"
#include "input.h"
#include "request.h"
#include "signals.h"
#include "stats.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_MAX = 16 << 20 };

typedef struct session {
    server *server;
    const options *o;
    terminal *out, *err;
    editor *editor;
    conversation conversation;
    stats stats;
    char saved[512]; /* the file this session wrote; it alone may be replaced */
    bool leaving;
} session;

static void say_help(session *s, const char *rest);

static void reset(session *s, const char *rest)
{
    (void)rest;
    conversation_reset(&s->conversation);
    terminal_printf(s->err, "the conversation is empty%s\n",
                    conversation_len(&s->conversation) ? "; the system message stays" : "");
}

static void set_system(session *s, const char *rest)
{
    problem p = {0};
    if (input_check(rest, strlen(rest), "the system message", &p) != EXIT_DONE) {
        problem_print(&p);
        return;
    }
    conversation_set_system(&s->conversation, rest);
    terminal_printf(s->err, *rest ? "system message set\n" : "system message removed\n");
}

static void save(session *s, const char *rest)
{
    problem p = {0};
    if (!*rest) {
        terminal_printf(s->err, "/save needs a file name\n");
        return;
    }
    bool ours = strcmp(rest, s->saved) == 0;
    if (conversation_save(&s->conversation, rest, ours, &p) != EXIT_DONE) {
        problem_print(&p);
        return;
    }
    snprintf(s->saved, sizeof s->saved, "%s", rest);
    terminal_printf(s->err, "%d messages saved\n", conversation_len(&s->conversation));
}

static void say_stats(session *s, const char *rest)
{
    (void)rest;
    stats_print_sums(&s->stats, s->err);
}

static void quit(session *s, const char *rest)
{
    (void)rest;
    s->leaving = true;
}

static const struct {
    const char *name, *value, *help;
    void (*run)(session *s, const char *rest);
} commands[] = {
    {"/help", "", "this list", say_help},
    {"/reset", "", "forget the conversation, keep the system message", reset},
    {"/system", " TEXT", "set the system message; without TEXT remove it", set_system},
    {"/save", " FILE", "write the conversation as one line of JSON", save},
    {"/stats", "", "tokens and speed of this conversation", say_stats},
    {"/quit", "", "leave (also Ctrl-D)", quit},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static void say_help(session *s, const char *rest)
{
    (void)rest;
    for (int i = 0; i < COMMANDS; i++)
        terminal_printf(s->err, "  %s%-*s %s\n", commands[i].name,
                        (int)(14 - strlen(commands[i].name)), commands[i].value, commands[i].help);
    terminal_printf(s->err, "Ctrl-C stops an answer; a \\ at the end of a line continues it; "
                            "a message that begins with / is written //\n");
}

static void run_command(session *s, const char *line)
{
    size_t len = strcspn(line, " \t");
    const char *rest = line + len + strspn(line + len, " \t");
    for (int i = 0; i < COMMANDS; i++) {
        if (strlen(commands[i].name) == len && strncmp(commands[i].name, line, len) == 0) {
            commands[i].run(s, rest);
            return;
        }
    }
    terminal_printf(s->err, "no such command; /help lists them\n");
}

/* After an answer, in whatever way it ended: keeps what the person saw, or nothing of the turn. */
static void keep_answer(session *s, const reply *r)
{
    if (r->choices_len && r->choices[0].text.len)
        conversation_add(&s->conversation, "assistant", text_str(&r->choices[0].text));
    else
        conversation_drop_last(&s->conversation);
}

static void take_turn(session *s, const char *message)
{
    problem p = {0};
    if (input_check(message, strlen(message), "the message", &p) != EXIT_DONE) {
        problem_print(&p);
        return;
    }
    conversation_add(&s->conversation, "user", message);
    char *body = request_chat(s->o, s->conversation.messages, !s->o->no_stream);
    generation g = {.path = "/v1/chat/completions", .body = body, .stream = !s->o->no_stream};
    reply r;
    reply_init(&r);
    exit_code code = body ? generate(s->server, &g, s->out, &r, &p)
                          : problem_set(&p, EXIT_SERVER, "out of memory");
    free(body);
    keep_answer(s, &r);
    generate_print_logprobs(&r, s->err);
    if (code == EXIT_INTERRUPTED) {
        signals_take_interrupt();
        terminal_printf(s->err, "(stopped)\n");
    } else if (code != EXIT_DONE) {
        problem_print(&p);
    }
    if (r.choices_len) {
        stats_add(&s->stats, &r);
        stats_print_answer(&r, s->err);
    }
    reply_free(&r);
}

/* A message of one line, or of several where each but the last ends in a backslash. */
static editor_event read_message(session *s, text *message)
{
    text_clear(message);
    editor_event event = editor_read(s->editor, "> ", message);
    while (event == EDITOR_LINE && message->len && message->data[message->len - 1] == '\\') {
        message->data[message->len - 1] = '\n';
        event = editor_read(s->editor, ". ", message);
    }
    return event;
}

static bool is_blank(const char *s)
{
    return s[strspn(s, " \t\n")] == '\0';
}

static void take_message(session *s, const char *message)
{
    if (is_blank(message))
        return;
    editor_remember(s->editor, message);
    if (message[0] == '/' && message[1] != '/')
        run_command(s, message);
    else
        take_turn(s, message[0] == '/' ? message + 1 : message);
}

exit_code talk(server *to, const options *o, terminal *out, terminal *err, problem *p)
{
    session s = {.server = to, .o = o, .out = out, .err = err};
    text message;
    text_init(&message, MESSAGE_MAX);
    conversation_init(&s.conversation, o->system);
    s.editor = editor_open(out->is_tty ? stdout : stderr, out->is_tty ? out->color : err->color);
    if (!s.editor) {
        problem_set(p, EXIT_SERVER, "out of memory");
        goto out_free;
    }
    while (!s.leaving && !signals_pending() && !out->error) {
        editor_event event = read_message(&s, &message);
        if (event == EDITOR_END)
            break;
        if (event == EDITOR_LINE)
            take_message(&s, text_str(&message));
    }
    editor_close(s.editor);
    p->code = signals_pending() ? (exit_code)(128 + signals_pending()) : EXIT_DONE;
out_free:
    conversation_free(&s.conversation);
    text_free(&message);
    return p->code;
}
