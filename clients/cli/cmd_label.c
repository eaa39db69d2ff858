#include "actions.h"
#include "commands.h"
#include "desk.h"
#include "input.h"
#include "json.h"
#include "label_submission.h"
#include "label_task.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the desk ---- */

static exit_code sit_down(const action_context *a, const char *kind, problem *p)
{
    terminal *screen = a->out->is_tty ? a->out : a->err;
    if (isatty(STDIN_FILENO) && screen->is_tty && !a->o->json)
        return desk_run(a->server, kind, screen, p);
    problem_set(p, EXIT_USAGE,
                a->o->json ? "the desk asks a person: --json has no place there"
                           : "the desk asks a person, and this is no terminal");
    problem_hint(p, "instruct label next --json gives a task to a script, instruct label submit "
                    "FILE takes its judgement");
    return EXIT_USAGE;
}

static exit_code rank(const action_context *a, problem *p)
{
    return sit_down(a, "rank", p);
}

static exit_code eval(const action_context *a, problem *p)
{
    return sit_down(a, "eval", p);
}

static exit_code demo(const action_context *a, problem *p)
{
    return sit_down(a, "demo", p);
}

/* ---- for scripts ---- */

static exit_code next(const action_context *a, problem *p)
{
    const char *kind = a->o->kind ? a->o->kind : "rank";
    label_task task;
    char *raw;
    if (strcmp(kind, "rank") != 0 && strcmp(kind, "eval") != 0 && strcmp(kind, "demo") != 0)
        return problem_set(p, EXIT_USAGE, "--kind of a task is rank, eval or demo, not \"%.40s\"",
                           kind);
    exit_code code = label_task_next(a->server, kind, &task, &raw, p);
    if (code == EXIT_DONE && !task.json) {
        terminal_printf(a->err,
                        "no %s task waits; a researcher makes them on the page /label, or by POST "
                        "/v1/labels/tasks\n",
                        kind);
    } else if (code == EXIT_DONE && a->o->json) {
        terminal_line(a->out, raw);
    } else if (code == EXIT_DONE) {
        const bool toxicity = rating_form_of(task.criterion) == RATING_TOXICITY;
        terminal_printf(a->out, "%s (%s%s)\n", task.id, kind, toxicity ? ", toxicity" : "");
        label_prompt_show(&task, a->out);
        for (int i = 0; i < task.n; i++)
            label_output_show(&task, i, a->out);
    }
    label_task_free(&task);
    free(raw);
    return code;
}

static exit_code submit(const action_context *a, problem *p)
{
    return label_submission_send(a->server, a->o, a->name, a->out, p);
}

exit_code cmd_label(const options *o, terminal *out, terminal *err, problem *p)
{
    static const action actions[] = {
        {"rank", ACTION_ALONE, rank},     {"eval", ACTION_ALONE, eval},
        {"demo", ACTION_ALONE, demo},     {"next", ACTION_ALONE, next},
        {"submit", ACTION_PATHS, submit},
    };
    return actions_run(actions, sizeof actions / sizeof actions[0], "a task", o, out, err, p);
}
