/* A ranking task: each output judged by itself, then all of them ranked, then handed in. */
#include "desk.h"

#include "input.h"

#include <string.h>

enum { EXCERPT_BYTES = 56 };

typedef enum step { STEP_RATE, STEP_RANK, STEP_SUBMIT } step;

static step step_of(const desk *k)
{
    return k->draft.n_rated < k->task.n ? STEP_RATE : k->draft.ranked ? STEP_SUBMIT : STEP_RANK;
}

static rating_form form_of(const desk *k)
{
    return rating_form_of(k->task.criterion);
}

/* ---- what is shown ---- */

static void say_help(desk *k)
{
    text words;
    text_init(&words, 4096);
    if (step_of(k) == STEP_RATE)
        rating_help(form_of(k), &words);
    else
        text_puts(&words, "Best first, > between ranks, = for a tie (ties are welcome): "
                          "c > a = d > b, or 3 > 1=4 > 2.\n"
                          "b 4 h judges output b anew; comment TEXT adds a comment.\n");
    text_puts(&words,
              "A letter alone shows that output, p the prompt; u takes back, s skips the task, "
              "q leaves (the draft stays), ? helps.");
    desk_say(k, "%s", text_str(&words));
    text_free(&words);
}

static void show_rating(desk *k)
{
    const int i = k->draft.n_rated;
    label_output_show(&k->task, i, k->screen);
    if (!k->draft.ratings[i].figures[0])
        return;
    text line;
    text_init(&line, 256);
    rating_format(&k->draft.ratings[i], &line);
    desk_say(k, "You had said %s; Enter keeps it.", text_str(&line));
    text_free(&line);
}

static void show_outputs(desk *k)
{
    for (int i = 0; i < k->task.n; i++) {
        text line;
        text_init(&line, 1024);
        rating_format(&k->draft.ratings[i], &line);
        while (line.len < 10)
            text_puts(&line, " ");
        text_puts(&line, " ");
        label_excerpt(k->task.texts[i], EXCERPT_BYTES, &line);
        desk_say(k, "  %c  %s", label_letter(i), text_str(&line));
        text_free(&line);
    }
}

/* Ranked one way and judged the other: worth a look, and the person's to decide. */
static void show_contradictions(desk *k)
{
    const label_draft *d = &k->draft;
    for (int better = 0; better < k->task.n; better++)
        for (int worse = 0; worse < k->task.n; worse++) {
            if (d->ranks[better] >= d->ranks[worse] ||
                !rating_contradicts(&d->ratings[better], &d->ratings[worse]))
                continue;
            text words;
            text_init(&words, 256);
            rating_words(&d->ratings[better], &words);
            text_puts(&words, " against ");
            rating_words(&d->ratings[worse], &words);
            desk_say(k, "  note: %c stands above %c, but you gave it %s", label_letter(better),
                     label_letter(worse), text_str(&words));
            text_free(&words);
        }
}

static void show_place(desk *k)
{
    text line;
    text_init(&line, 256);
    switch (step_of(k)) {
    case STEP_RATE:
        show_rating(k);
        break;
    case STEP_RANK:
        show_outputs(k);
        desk_say(k, "Rank them, best first: c > a = d > b");
        break;
    case STEP_SUBMIT:
        ranking_format(k->draft.ranks, k->task.n, &line);
        desk_say(k, "%s", text_str(&line));
        show_contradictions(k);
        break;
    }
    text_free(&line);
}

/* ---- answers ---- */

static void rate(desk *k, int i, const char *typed)
{
    char why[LABEL_WHY_ROOM];
    label_draft *d = &k->draft;
    const bool keeps = !*typed && d->ratings[i].figures[0];
    if (!keeps && !rating_parse(form_of(k), typed, &d->ratings[i], why)) {
        desk_say(k, "%s", why);
        return;
    }
    d->n_rated += i == d->n_rated;
    desk_save(k);
    show_place(k);
}

static void rank(desk *k, const char *typed)
{
    char why[LABEL_WHY_ROOM];
    if (!ranking_parse(typed, k->task.n, k->draft.ranks, why)) {
        desk_say(k, "%s", why);
        return;
    }
    k->draft.ranked = true;
    desk_save(k);
    show_place(k);
}

static void comment(desk *k, const char *words)
{
    problem p = {0};
    if (strlen(words) > DRAFT_COMMENT_MAX ||
        input_check(words, strlen(words), "the comment", &p) != EXIT_DONE) {
        desk_say(k, "the comment is too long, or no text");
        return;
    }
    text_clear(&k->draft.comment);
    text_puts(&k->draft.comment, words);
    desk_save(k);
    desk_say(k, "comment kept");
}

static desk_turn submit(desk *k)
{
    return desk_send(k, "/v1/labels/rankings", label_draft_ranking(&k->draft, &k->task),
                     "ranking handed in");
}

static void take_back(desk *k)
{
    if (!label_draft_undo(&k->draft)) {
        desk_say(k, "there is nothing to take back");
        return;
    }
    desk_save(k);
    show_place(k);
}

/* A single letter, or one that names an output. */
static desk_turn take_letter(desk *k, char letter)
{
    const int i = label_output(letter, k->task.n);
    switch (letter) {
    case '?':
        say_help(k);
        break;
    case 'q':
        return DESK_LEAVE;
    case 's':
        return desk_skip(k);
    case 'u':
        take_back(k);
        break;
    case 'p':
        label_prompt_show(&k->task, k->screen);
        break;
    default:
        if (i >= 0)
            label_output_show(&k->task, i, k->screen);
        else
            desk_say(k, "? lists what can be typed");
    }
    return DESK_STAY;
}

/* After step 1: a ranking, "b 4 h", "comment TEXT". */
static void take_words(desk *k, const char *typed)
{
    static const char word[] = "comment";
    const int i = label_output(typed[0], k->task.n);
    if (strncmp(typed, word, sizeof word - 1) == 0 && strchr(" \t", typed[sizeof word - 1]))
        comment(k, typed + sizeof word - 1 + strspn(typed + sizeof word - 1, " \t"));
    else if (i >= 0 && typed[0] > '9' && typed[1] == ' ' && !strpbrk(typed, ">="))
        rate(k, i, typed + 2);
    else
        rank(k, typed);
}

static desk_turn take_line(desk *k, const char *typed)
{
    const step now = step_of(k);
    const bool digit = *typed >= '1' && *typed <= '9';
    if (*typed && !typed[1] && !(digit && now == STEP_RATE))
        return take_letter(k, *typed);
    if (now == STEP_RATE)
        rate(k, k->draft.n_rated, typed);
    else if (*typed)
        take_words(k, typed);
    else if (now == STEP_SUBMIT)
        return submit(k);
    return DESK_STAY;
}

desk_turn desk_ranking(desk *k)
{
    desk_turn turn = DESK_STAY;
    label_prompt_show(&k->task, k->screen);
    if (!(k->explained & 1u << form_of(k)))
        say_help(k);
    k->explained |= 1u << form_of(k);
    show_place(k);
    while (turn == DESK_STAY) {
        const step now = step_of(k);
        char prompt[16];
        snprintf(prompt, sizeof prompt,
                 form_of(k) == RATING_TOXICITY ? "%c toxicity> " : "%c 1-7> ",
                 label_letter(k->draft.n_rated));
        if (!desk_ask(k,
                      now == STEP_RATE   ? prompt
                      : now == STEP_RANK ? "ranking> "
                                         : "Enter submits> ",
                      now == STEP_RATE ? &k->draft.rate_s : &k->draft.rank_s))
            return DESK_LEAVE;
        turn = take_line(k, text_str(&k->line));
    }
    return turn;
}
