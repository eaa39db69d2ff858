/* instruct: the command line of an instructd server. */
#include "commands.h"
#include "help.h"
#include "signals.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <string.h>

/* Text is UTF-8 everywhere; the line editor measures it by the locale. */
static void choose_locale(void)
{
    if (!setlocale(LC_CTYPE, "") || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        setlocale(LC_CTYPE, "C.UTF-8");
}

static exit_code explain(const options *o, problem *p)
{
    command_id topic = o->command;
    if (o->command == COMMAND_HELP) {
        const char *name = options_argument(o, 0);
        topic = name ? command_find(name) : 0;
        if (name && !topic) {
            problem_set(p, EXIT_USAGE, "there is no command \"%.80s\"", name);
            problem_hint(p, "instruct --help lists the commands");
            return EXIT_USAGE;
        }
    }
    help_print(stdout, topic);
    return EXIT_DONE;
}

static exit_code run(const options *o, terminal *out, terminal *err, problem *p)
{
    static const struct {
        command_id id;
        command_fn *run;
    } commands[] = {
        {COMMAND_COMPLETE, cmd_complete}, {COMMAND_CHAT, cmd_chat},
        {COMMAND_MODELS, cmd_models},     {COMMAND_TOKENIZE, cmd_tokenize},
        {COMMAND_TRAIN, cmd_train},       {COMMAND_JOBS, cmd_jobs},
        {COMMAND_FILES, cmd_files},       {COMMAND_METHODS, cmd_methods},
        {COMMAND_POLICIES, cmd_policies}, {COMMAND_ALIASES, cmd_aliases},
        {COMMAND_PUBLISH, cmd_publish},   {COMMAND_ROLLBACK, cmd_rollback},
        {COMMAND_REWARDS, cmd_rewards},   {COMMAND_EXPORT, cmd_export},
        {COMMAND_DATA, cmd_data},         {COMMAND_MODEL, cmd_model},
        {COMMAND_LABEL, cmd_label},       {COMMAND_EVAL, cmd_eval},
    };
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (commands[i].id == o->command)
            return commands[i].run(o, out, err, p);
    return explain(o, p);
}

/* Output that could not be written fails the command; a closed pipe ends it as it ends others. */
static exit_code check_output(terminal *out, exit_code code, problem *p)
{
    errno = 0;
    if (fflush(stdout) != 0 && !out->error)
        out->error = errno ? errno : EIO;
    if (out->error == EPIPE) {
        signal(SIGPIPE, SIG_DFL);
        raise(SIGPIPE);
    }
    if (out->error && code == EXIT_DONE)
        code = problem_set(p, EXIT_SERVER, "cannot write the output: %s", strerror(out->error));
    return code;
}

int main(int argc, char **argv)
{
    options o;
    problem p = {0};
    terminal out, err;
    choose_locale();
    signals_install();
    exit_code code = options_parse(&o, argc, argv, &p);
    terminal_init(&out, stdout, !o.no_color);
    terminal_init(&err, stderr, !o.no_color);
    if (code == EXIT_DONE && o.version)
        terminal_printf(&out, "instruct %s\n", INSTRUCT_VERSION);
    else if (code == EXIT_DONE)
        code = o.help ? explain(&o, &p) : run(&o, &out, &err, &p);
    code = check_output(&out, code, &p);
    if (code != EXIT_DONE)
        problem_print(&p);
    terminal_free(&out);
    terminal_free(&err);
    options_free(&o);
    return code;
}
