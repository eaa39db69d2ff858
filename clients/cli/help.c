#include "help.h"

static const struct {
    command_id id;
    const char *usage, *summary, *detail;
} pages[] = {
    {COMMAND_COMPLETE, "complete [PROMPT|-]", "continue a text",
     "The prompt is the argument, or standard input with - or on a pipe, byte for byte.\n"
     "Without --max-tokens the server's default of 16 holds.\n"},
    {COMMAND_CHAT, "chat [MESSAGE|-]", "talk, or ask one question",
     "Without MESSAGE and on a terminal: a conversation. Ctrl-C stops an answer, Ctrl-D leaves,\n"
     "a backslash at the end of a line continues it; /help lists the commands.\n"},
    {COMMAND_MODELS, "models", "list the models the server offers", ""},
    {COMMAND_TOKENIZE, "tokenize [TEXT|-]", "show the tokens of a text",
     "Prints each id with the text it stands for, then the count.\n"},
    {COMMAND_REWARDS, "rewards [PROMPT COMPLETION|-]", "score answers with a reward model",
     "Prints one number a line. PROMPT and COMPLETION are scored as a chat: the user's question,\n"
     "the assistant's answer. Without arguments each line of standard input is an item:\n"
     "  {\"messages\":[…]}                    a chat that ends with the answer\n"
     "  {\"prompt\":[…],\"completion\":\"…\"}     the same with the answer apart\n"
     "  {\"prompt\":\"…\",\"completion\":\"…\"}     plain texts, joined as they are\n"},
    {COMMAND_TRAIN, "train METHOD", "upload data, start a job, follow it",
     "Names and values of --set are checked before anything is uploaded. On a terminal a bar\n"
     "shows loss, reward, KL, speed and the time left; a pipe gets a line an event. Ctrl-C leaves\n"
     "the job running and says how to come back to it or end it.\n\n"
     "  instruct train supervised -m instruct -f demos.jsonl --valid held_out.jsonl --set "
     "n_epochs=3\n"
     "  instruct train reward_model -m pol_… -f rankings.jsonl\n"
     "  instruct train ppo -m pol_… --prompts prompts.jsonl --reward-model pol_… \\\n"
     "      --pretrain text.jsonl --publish instruct --every 5 --gate max_kl_ref=10\n"},
    {COMMAND_JOBS, "jobs [ACTION [JOB]]", "list, watch and steer jobs",
     "Actions: list, show JOB, events JOB [--follow], metrics JOB [--since STEP],\n"
     "checkpoints JOB, cancel JOB, pause JOB, resume JOB.\n"},
    {COMMAND_FILES, "files [ACTION [FILE...]]", "list, upload and delete data files",
     "Actions: list, upload PATH..., show FILE, delete FILE...\n"},
    {COMMAND_METHODS, "methods [METHOD]", "what can be trained, with which hyperparameters", ""},
    {COMMAND_POLICIES, "policies [ACTION [POLICY...]]",
     "list policies and where they come from, delete some",
     "Actions: list, show POLICY|ALIAS, delete POLICY...\n"
     "A job's result stays on disk until it is deleted. What serves, what a rollback goes to and "
     "what\n"
     "a job needs is refused.\n"},
    {COMMAND_ALIASES, "aliases [ACTION [ALIAS]]", "list the names that policies serve under",
     "Actions: list, show ALIAS, history ALIAS.\n"},
    {COMMAND_PUBLISH, "publish POLICY", "let an alias stand for another policy",
     "The alias is moved only if nobody else moved it meanwhile. Running answers finish on the\n"
     "policy they began with.\n"},
    {COMMAND_ROLLBACK, "rollback", "move an alias back",
     "To the policy that served before, or to --to POLICY. Twice goes forward again: where it was\n"
     "before the first is then what served before.\n"},
    {COMMAND_EXPORT, "export POLICY", "download a policy as model files",
     "POLICY is pol_… or an alias. hf is a directory that transformers loads, gguf a file that\n"
     "llama.cpp loads. Sizes and digests are checked. Without --type a\n"
     "policy that is a model file as it was loaded is copied unchanged into its own format,\n"
     "quantized as it is; with --type, and into the other format, it is converted.\n"},
    {COMMAND_DATA, "data [ACTION [NAME...]]", "make training data of what people gave",
     "Actions: list, show SET, build, import FILE..., export SET.\n"
     "build takes what people gave on the server, import a file of somebody's. Formats: "
     "instructd,\n"
     "trl_sft, trl_prompts, trl_reward, trl_unpaired, openai_sft, openai_dpo, axolotl_rm,\n"
     "axolotl_kway, oasst; an import without --format looks at the first line. An export without\n"
     "--out goes to standard output.\n\n"
     "  instruct data build --kind ppo --name prompts\n"
     "  instruct data import trees.jsonl --kind rm\n"
     "  instruct data export ds_0123456789abcdef --format trl_reward > pairs.jsonl\n"},
    {COMMAND_LABEL, "label [ACTION [FILE...]]", "judge what models wrote, at a desk of text",
     "Actions: rank, eval, demo (the desk, which asks line by line; ? explains), next, submit "
     "FILE...\n"
     "rank and eval ask for each output's quality and flags, then for a ranking with ties:\n"
     "c > a = d > b, or 3 > 1=4 > 2. demo asks for an answer of your own. Every answer is saved; "
     "a\n"
     "desk that was left goes on where it was.\n\n"
     "For scripts: next prints the task in hand; submit sends rankings, demonstrations and skips\n"
     "(API objects, one a file or one a line, - for standard input), each once however often it "
     "is\n"
     "sent: what has no submission_id is named by its content.\n\n"
     "Tasks are made by a researcher: on the page /label, or by POST /v1/labels/tasks.\n\n"
     "  instruct label\n"
     "  instruct label next --kind eval --json > task.json\n"
     "  instruct label submit judgement.json\n"},
    {COMMAND_MODEL, "model new", "make a small random model",
     "Writes a checkpoint directory and prints its policy id; no server is needed. The same\n"
     "options give the same bytes.\n\n"
     "  instruct model new --arch llama --layers 4 --dim 128 --heads 4 --context 512 --out tiny\n"
     "  ./quickstart up --model tiny\n"},
    {COMMAND_EVAL, "eval [METRIC [FILE|-]]", "figures over rows that were judged or scored",
     "Without METRIC: all of them, with a row of each. FILE is JSONL, or CSV whose first line "
     "names\n"
     "the members; no server is needed. Prints each value with its interval (+-) and a bootstrap "
     "over\n"
     "prompts (LOW to HIGH, 95%; rows of one \"prompt\" are drawn together), then the same for "
     "each\n"
     "\"group\" of rows.\n\n"
     "  instruct eval win_rate votes.csv\n"
     "  instruct eval agreement --json < pairs.jsonl\n"},
    {COMMAND_HELP, "help [COMMAND]", "explain a command", ""},
};
enum { PAGES = sizeof pages / sizeof pages[0] };

static void print_options(FILE *out, command_id command)
{
    fputs("\nOptions:\n", out);
    for (int i = 0; i < option_rows_len; i++) {
        const option_row *row = &option_rows[i];
        if (!(row->commands & command))
            continue;
        char left[40];
        snprintf(left, sizeof left, "%s%s%s", row->name, row->value ? " " : "",
                 row->value ? row->value : "");
        if (row->letter)
            fprintf(out, "  -%c, %-22s %s\n", row->letter, left, row->help);
        else
            fprintf(out, "      %-22s %s\n", left, row->help);
    }
}

static void print_exit_codes(FILE *out)
{
    fputs("\nExit codes:\n"
          "  0    done\n"
          "  1    the server answered with an error\n"
          "  2    usage: the command line or the input cannot be sent\n"
          "  3    no connection to the server\n"
          "  4    unauthorised: the key is missing, unknown or lacks the scope\n"
          "  5    the answer broke off or the server fell silent\n"
          "  6    the job failed or was cancelled, or the data set has no row\n"
          "  130  stopped by Ctrl-C\n",
          out);
}

static void print_overview(FILE *out)
{
    fputs("instruct: the command line of an instructd server\n\nUsage:\n", out);
    for (int i = 0; i < PAGES; i++)
        fprintf(out, "  instruct %-30s %s\n", pages[i].usage, pages[i].summary);
    print_options(out, COMMAND_MODELS); /* it takes the common options only */
    fputs("\nEnvironment: INSTRUCTD_URL, INSTRUCTD_API_KEY, INSTRUCTD_DATA_DIR, NO_COLOR\n", out);
}

void help_print(FILE *out, command_id command)
{
    if (!command)
        print_overview(out);
    for (int i = 0; i < PAGES; i++) {
        if (pages[i].id != command)
            continue;
        fprintf(out, "instruct %s: %s\n\nUsage: instruct %s [OPTIONS]\n", command_name(command),
                pages[i].summary, pages[i].usage);
        if (pages[i].detail[0])
            fprintf(out, "\n%s", pages[i].detail);
        print_options(out, command);
    }
    print_exit_codes(out);
}
