/* A demonstration: the answer that the labeler would have liked to get, written line by line or in
 * their own editor, then what kind of prompt it was, then handed in. */
#include "desk.h"

#include "input.h"
#include "text_editor.h"
#include "word_choice.h"

#include <string.h>

static void say_help(desk *k)
{
    desk_say(
        k, "Write the answer you would like to get; a line that is only . ends it.\n"
           "Lines of their own: .e opens $EDITOR, .u takes the last line back, .p shows the prompt "
           "and\nwhat is written, .s skips the task, .q leaves (the draft stays), .? helps. A "
           "second dot in\nfront makes them text.");
}

static void show_written(desk *k)
{
    if (!k->draft.writing.len)
        return;
    desk_say(k, "Written so far");
    label_text_show(text_str(&k->draft.writing), k->screen);
}

/* ---- writing ---- */

/* 0: the line is text; else the letter behind the dot, '.' for the dot alone. */
static char command_of(const char *line)
{
    if (line[0] != '.' || (line[1] && line[2]))
        return 0;
    return !line[1] ? '.' : strchr("eups?q", line[1]) ? line[1] : 0;
}

static void add_line(desk *k, const char *line)
{
    text *to = &k->draft.writing;
    problem p = {0};
    if (input_check(line, strlen(line), "the line", &p) != EXIT_DONE ||
        to->len + strlen(line) >= DRAFT_WRITING_MAX) {
        desk_say(k, "that line is no text, or the answer becomes too long");
        return;
    }
    if (to->len)
        text_puts(to, "\n");
    text_puts(to, line[0] == '.' && command_of(line + 1) ? line + 1 : line);
    desk_save(k);
}

static void take_line_back(desk *k)
{
    text *from = &k->draft.writing;
    if (!from->len) {
        desk_say(k, "there is nothing to take back");
        return;
    }
    const char *end = strrchr(from->data, '\n');
    from->len = end ? (size_t)(end - from->data) : 0;
    from->data[from->len] = '\0';
    desk_save(k);
    show_written(k);
}

static void edit(desk *k)
{
    problem p = {0};
    if (text_editor_edit(&k->draft.writing, k->draft.path, &p) != EXIT_DONE)
        problem_print(&p);
    desk_save(k);
    show_written(k);
}

static bool is_blank(const text *t)
{
    return text_str(t)[strspn(text_str(t), " \t\n")] == '\0';
}

/* *written becomes true when the answer is whole. */
static desk_turn run_command(desk *k, char command, bool *written)
{
    switch (command) {
    case '.':
        *written = !is_blank(&k->draft.writing);
        if (!*written)
            desk_say(k, "nothing is written yet");
        break;
    case 'e':
        edit(k);
        break;
    case 'u':
        take_line_back(k);
        break;
    case 'p':
        label_prompt_show(&k->task, k->screen);
        show_written(k);
        break;
    case 's':
        return desk_skip(k);
    case 'q':
        return DESK_LEAVE;
    default:
        say_help(k);
    }
    return DESK_STAY;
}

static desk_turn write_answer(desk *k)
{
    desk_turn turn = DESK_STAY;
    bool written = false;
    while (turn == DESK_STAY && !written) {
        if (!desk_ask(k, ": ", NULL))
            return DESK_LEAVE;
        const char command = command_of(text_str(&k->line));
        if (command)
            turn = run_command(k, command, &written);
        else
            add_line(k, text_str(&k->line));
    }
    return turn;
}

/* ---- what it was about ---- */

static void list_words(desk *k, const char *what, const char *const *words, int n)
{
    text line;
    text_init(&line, 1024);
    text_printf(&line, "%s:", what);
    for (int i = 0; i < n; i++)
        text_printf(&line, "%s %d %s", i ? "," : "", i + 1, words[i]);
    desk_say(k, "%s", text_str(&line));
    text_free(&line);
}

/* "open_qa", or "open_qa few_shot". */
static bool take_about(desk *k, const char *typed)
{
    const size_t len = strcspn(typed, " \t");
    const char *kind = typed + len + strspn(typed + len, " \t");
    const int category = word_choice(draft_categories, DRAFT_CATEGORIES, typed, len);
    const int prompt_kind =
        *kind ? word_choice(draft_prompt_kinds, DRAFT_PROMPT_KINDS, kind, strlen(kind)) : 0;
    if (category < 0 || prompt_kind < 0) {
        desk_say(k, category == CHOICE_SEVERAL || prompt_kind == CHOICE_SEVERAL
                        ? "several begin with these letters"
                    : category < 0 ? "that is no category"
                                   : "that is no kind of prompt");
        return false;
    }
    k->draft.category = category;
    k->draft.prompt_kind = prompt_kind;
    desk_save(k);
    return true;
}

/* Goes back to the writing with u: *back. */
static desk_turn ask_about(desk *k, bool *back)
{
    list_words(k, "What the prompt asks for", draft_categories, DRAFT_CATEGORIES);
    list_words(k, "and, behind it, its kind where it is not plain", draft_prompt_kinds,
               DRAFT_PROMPT_KINDS);
    while (k->draft.category < 0 && !*back) {
        if (!desk_ask(k, "category> ", NULL))
            return DESK_LEAVE;
        const char *typed = text_str(&k->line);
        if (strcmp(typed, "q") == 0)
            return DESK_LEAVE;
        *back = strcmp(typed, "u") == 0;
        if (!*back)
            take_about(k, typed);
    }
    return DESK_STAY;
}

static desk_turn confirm(desk *k, bool *back)
{
    desk_say(k, "%zu bytes, %s, %s", k->draft.writing.len, draft_categories[k->draft.category],
             draft_prompt_kinds[k->draft.prompt_kind]);
    while (desk_ask(k, "Enter submits> ", NULL)) {
        const char *typed = text_str(&k->line);
        desk_turn turn = DESK_STAY;
        if (!*typed)
            turn = desk_send(k, "/v1/labels/demonstrations",
                             label_draft_demonstration(&k->draft, &k->task),
                             "demonstration handed in");
        else if (strcmp(typed, "q") == 0)
            turn = DESK_LEAVE;
        else if (strcmp(typed, "s") == 0)
            turn = desk_skip(k);
        else if ((*back = strcmp(typed, "u") == 0))
            return DESK_STAY;
        else
            desk_say(k, "Enter submits, u goes back, s skips the task, q leaves");
        if (turn != DESK_STAY)
            return turn;
    }
    return DESK_LEAVE;
}

desk_turn desk_writing(desk *k)
{
    desk_turn turn = DESK_STAY;
    label_prompt_show(&k->task, k->screen);
    if (!k->explained)
        say_help(k);
    k->explained = 1;
    show_written(k);
    bool back = k->draft.category < 0; /* a draft that had its category is whole */
    while (turn == DESK_STAY) {
        if (back)
            k->draft.category = -1;
        turn = back ? write_answer(k) : DESK_STAY;
        back = false;
        if (turn == DESK_STAY)
            turn = ask_about(k, &back);
        if (turn == DESK_STAY && !back)
            turn = confirm(k, &back);
    }
    return turn;
}
