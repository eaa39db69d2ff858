#include "actions.h"

#include "names.h"
#include "nearest.h"

#include <string.h>

static exit_code find(const action *actions, size_t n, const char *word, const char *command,
                      const action **out, problem *p)
{
    nearest near;
    nearest_init(&near, word);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(actions[i].word, word) == 0) {
            *out = &actions[i];
            return EXIT_DONE;
        }
        nearest_offer(&near, actions[i].word);
    }
    problem_set(p, EXIT_USAGE, "%s has no action \"%.60s\"", command, word);
    if (near.best)
        problem_hint(p, "did you mean instruct %s %s?", command, near.best);
    else if (name_is_id(word) && strchr(word, '-'))
        problem_hint(p, "instruct %s show %.64s shows one", command, word);
    else
        problem_hint(p, "instruct help %s lists them", command);
    return EXIT_USAGE;
}

static exit_code check_names(const action *chosen, const char *what, const options *o, problem *p)
{
    int names = o->arguments_len > 1 ? o->arguments_len - 1 : 0;
    int most = chosen->takes == ACTION_ALONE ? 0 : chosen->takes == ACTION_ID ? 1 : names;
    exit_code code = EXIT_DONE;
    if (names > most)
        return problem_set(p, EXIT_USAGE, "unexpected argument \"%.80s\"", o->arguments[1 + most]);
    if (!names && chosen->takes != ACTION_ALONE)
        return problem_set(p, EXIT_USAGE, "%s %s needs %s", command_name(o->command), chosen->word,
                           chosen->takes == ACTION_PATHS ? "a path" : what);
    for (int i = 1; i <= names && code == EXIT_DONE && chosen->takes != ACTION_PATHS; i++)
        code = name_check(o->arguments[i], what, p);
    return code;
}

exit_code actions_run(const action *actions, size_t n, const char *what, const options *o,
                      terminal *out, terminal *err, problem *p)
{
    const char *word = options_argument(o, 0);
    const action *chosen = &actions[0];
    server s = {0};
    exit_code code = EXIT_DONE;
    if (word)
        code = find(actions, n, word, command_name(o->command), &chosen, p);
    if (code == EXIT_DONE)
        code = check_names(chosen, what, o, p);
    if (code == EXIT_DONE)
        code = server_open(&s, o, p);
    for (int i = 1; code == EXIT_DONE && (i == 1 || i < o->arguments_len); i++)
        code = chosen->run(&(action_context){&s, o, options_argument(o, i), out, err}, p);
    server_close(&s);
    return code;
}
