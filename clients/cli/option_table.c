#include "options.h"

#include <stddef.h>
#include <string.h>

#define AT(member) NULL, (int)offsetof(options, member)
#define FIELD(name) name, 0

/* clang-format off */
const option_row option_rows[] = {
    {"--model", 'm', "NAME", OPTION_STRING, AT(model),
     COMMAND_GENERATES | COMMAND_TOKENIZE | COMMAND_TRAIN | COMMAND_REWARDS,
     "alias, alias@pol_… or pol_… (where it may be left out: the server's alias)"},
    {"--system", 's', "TEXT", OPTION_STRING, AT(system), COMMAND_CHAT,
     "system message in front of the conversation"},
    {"--max-tokens", 0, "N", OPTION_INT, FIELD("max_tokens"), COMMAND_GENERATES,
     "most tokens of an answer"},
    {"--temperature", 't', "X", OPTION_REAL, FIELD("temperature"), COMMAND_GENERATES,
     "0 takes the likeliest token each time; up to 2"},
    {"--top-p", 0, "X", OPTION_REAL, FIELD("top_p"), COMMAND_GENERATES,
     "draw from the likeliest tokens that hold this share"},
    {"--top-k", 0, "N", OPTION_INT, FIELD("top_k"), COMMAND_GENERATES,
     "draw from the N likeliest tokens; 0 is off"},
    {"--min-p", 0, "X", OPTION_REAL, FIELD("min_p"), COMMAND_GENERATES,
     "drop tokens below this share of the likeliest one"},
    {"--presence-penalty", 0, "X", OPTION_REAL, FIELD("presence_penalty"), COMMAND_GENERATES,
     "-2 to 2, for tokens already generated"},
    {"--frequency-penalty", 0, "X", OPTION_REAL, FIELD("frequency_penalty"), COMMAND_GENERATES,
     "-2 to 2, for each time a token was generated"},
    {"--logit-bias", 0, "ID=B", OPTION_BIAS, FIELD("logit_bias"), COMMAND_GENERATES,
     "add B (-100 to 100) to a token's logit; repeatable"},
    {"--seed", 0, "N", OPTION_INT, FIELD("seed"),
     COMMAND_GENERATES | COMMAND_TRAIN | COMMAND_MODEL | COMMAND_DATA | COMMAND_EVAL,
     "the same seed and inputs give the same result"},
    {"--stop", 0, "TEXT", OPTION_STRINGS, FIELD("stop"), COMMAND_GENERATES,
     "end the answer before this text; repeatable"},
    {"--n", 'n', "N", OPTION_INT, FIELD("n"), COMMAND_GENERATES,
     "answers to one prompt (chat: one message only)"},
    {"--logprobs", 0, "N", OPTION_INT, FIELD("logprobs"), COMMAND_GENERATES,
     "log-probability of each token and its N best rivals"},
    {"--echo", 0, NULL, OPTION_TRUE, FIELD("echo"), COMMAND_COMPLETE,
     "print the prompt in front of the text"},
    {"--no-stream", 0, NULL, OPTION_FLAG, AT(no_stream), COMMAND_GENERATES,
     "wait for the whole answer"},
    {"--ids", 0, NULL, OPTION_FLAG, AT(ids), COMMAND_TOKENIZE, "print the token ids only, on one line"},
    {"--no-special-tokens", 0, NULL, OPTION_FLAG, AT(no_special_tokens), COMMAND_TOKENIZE,
     "add no beginning-of-text token"},

    {"--file", 'f', "FILE", OPTION_STRING, AT(file), COMMAND_TRAIN,
     "training data: a JSONL file to upload, or file-…"},
    {"--valid", 0, "FILE", OPTION_STRING, AT(valid), COMMAND_TRAIN, "validation data, likewise"},
    {"--set", 0, "NAME=VALUE", OPTION_PAIRS, AT(sets), COMMAND_TRAIN,
     "a hyperparameter (instruct methods METHOD lists them); repeatable"},
    {"--preset", 0, "NAME", OPTION_STRING, AT(preset), COMMAND_TRAIN,
     "another set of defaults, e.g. rl_init"},
    {"--reward-model", 0, "NAME", OPTION_STRING, AT(reward_model), COMMAND_TRAIN,
     "policy that scores, or http:NAME"},
    {"--reference", 0, "NAME", OPTION_STRING, AT(reference), COMMAND_TRAIN,
     "policy that the KL is measured against (default: --model)"},
    {"--prompts", 0, "FILE", OPTION_STRING, AT(prompts), COMMAND_TRAIN, "prompts of ppo"},
    {"--pretrain", 0, "FILE", OPTION_STRING, AT(pretrain), COMMAND_TRAIN,
     "pretraining text to mix in"},
    {"--center", 0, "FILE", OPTION_STRING, AT(center), COMMAND_TRAIN,
     "demonstrations that score 0 on average"},
    {"--publish", 0, "ALIAS", OPTION_STRING, AT(publish), COMMAND_TRAIN,
     "move this alias to what is learned"},
    {"--every", 0, "N", OPTION_COUNT, AT(every), COMMAND_TRAIN,
     "ppo: publish each N iterations, not only at the end"},
    {"--weights", 0, "KIND", OPTION_STRING, AT(weights), COMMAND_TRAIN,
     "ppo: what to publish, raw or ema"},
    {"--gate", 0, "NAME=VALUE", OPTION_PAIRS, AT(gates), COMMAND_TRAIN,
     "a bound to publish under, e.g. max_kl_ref=10; repeatable"},
    {"--suffix", 0, "TEXT", OPTION_STRING, AT(suffix), COMMAND_TRAIN, "a name for the result"},
    {"--no-wait", 0, NULL, OPTION_FLAG, AT(no_wait), COMMAND_TRAIN,
     "return once the job is made"},
    {"--follow", 0, NULL, OPTION_FLAG, AT(follow), COMMAND_JOBS,
     "events: go on until the job ends"},
    {"--since", 0, "STEP", OPTION_STRING, AT(since), COMMAND_JOBS, "metrics: from this step on"},
    {"--alias", 0, "NAME", OPTION_STRING, AT(alias), COMMAND_MOVES, "the alias to move (instruct)"},
    {"--to", 0, "POLICY", OPTION_STRING, AT(to), COMMAND_ROLLBACK,
     "where to go back to (default: the previous policy)"},
    {"--reason", 0, "TEXT", OPTION_STRING, AT(reason), COMMAND_MOVES, "a line for the history"},
    {"--create", 0, NULL, OPTION_FLAG, AT(create), COMMAND_PUBLISH | COMMAND_TRAIN,
     "make the alias if it is missing"},
    {"--kind", 0, "KIND", OPTION_STRING, AT(kind), COMMAND_DATA | COMMAND_LABEL,
     "of data: sft, rm, ppo, eval or toxicity; of a task: rank, eval or demo"},
    {"--name", 0, "TEXT", OPTION_STRING, AT(name), COMMAND_DATA, "what to call the set"},
    {"--fractions", 0, "T,V,T", OPTION_STRING, AT(fractions), COMMAND_DATA,
     "of train, valid and test (0.8,0.1,0.1)"},
    {"--cap", 0, "N", OPTION_COUNT, AT(cap), COMMAND_DATA, "most prompts of one user (200)"},
    {"--salt", 0, "TEXT", OPTION_STRING, AT(salt), COMMAND_DATA,
     "another salt splits users another way"},
    {"--split", 0, "PART", OPTION_STRING, AT(split), COMMAND_DATA,
     "export: train, valid or test"},
    {"--format", 0, "KIND", OPTION_STRING, AT(format), COMMAND_EXPORT | COMMAND_DATA,
     "of a policy: hf or gguf; of data: the help above names them"},
    {"--out", 'o', "PATH", OPTION_STRING, AT(out),
     COMMAND_EXPORT | COMMAND_MODEL | COMMAND_DATA,
     "what to make; must not exist"},
    {"--type", 0, "TYPE", OPTION_STRING, AT(dtype), COMMAND_EXPORT | COMMAND_MODEL,
     "of matrices: f32, bf16; gguf also f16 (f32)"},
    {"--arch", 0, "NAME", OPTION_STRING, AT(arch), COMMAND_MODEL, "llama or gpt2"},
    {"--tokenizer", 0, "PATH", OPTION_STRING, AT(tokenizer), COMMAND_MODEL,
     "bytes, or a tokenizer.json, GGUF file or directory to take it from"},
    {"--layers", 0, "N", OPTION_COUNT, AT(layers), COMMAND_MODEL, "transformer blocks"},
    {"--dim", 0, "N", OPTION_COUNT, AT(dim), COMMAND_MODEL, "width"},
    {"--heads", 0, "N", OPTION_COUNT, AT(heads), COMMAND_MODEL, "attention heads"},
    {"--kv-heads", 0, "N", OPTION_COUNT, AT(kv_heads), COMMAND_MODEL,
     "key-value heads (default: --heads)"},
    {"--ff", 0, "N", OPTION_COUNT, AT(ff), COMMAND_MODEL,
     "feed-forward width (llama 8/3, gpt2 4 times --dim)"},
    {"--context", 0, "N", OPTION_COUNT, AT(context), COMMAND_MODEL, "positions"},
    {"--vocab", 0, "N", OPTION_COUNT, AT(vocab), COMMAND_MODEL,
     "rows of the embedding (default: the tokenizer's tokens)"},
    {"--untied", 0, NULL, OPTION_FLAG, AT(untied), COMMAND_MODEL,
     "an output matrix of its own"},

    {"--json", 'j', NULL, OPTION_FLAG, AT(json), COMMAND_ASKS | COMMAND_MODEL | COMMAND_EVAL,
     "print the server's JSON; a stream as one object a line"},
    {"--url", 'u', "URL", OPTION_STRING, AT(url), COMMAND_ASKS,
     "the server; INSTRUCTD_URL, else http://127.0.0.1:8080"},
    {"--key", 'k', "KEY", OPTION_STRING, AT(key), COMMAND_ASKS,
     "API key; INSTRUCTD_API_KEY, else DIR/admin.key (loopback only)"},
    {"--data-dir", 0, "DIR", OPTION_STRING, AT(data_dir), COMMAND_ASKS,
     "the daemon's data; INSTRUCTD_DATA_DIR, else at the default URL ~/.local/share/instructd"},
    {"--timeout", 0, "S", OPTION_SECONDS, AT(timeout_s), COMMAND_ASKS,
     "give up after S silent seconds (600); 0 waits for ever"},
    {"--no-color", 0, NULL, OPTION_FLAG, AT(no_color),
     COMMAND_ASKS | COMMAND_MODEL | COMMAND_EVAL, "plain output (also: NO_COLOR)"},
    {"--help", 'h', NULL, OPTION_FLAG, AT(help), ~0u, "print this help"},
    {"--version", 'V', NULL, OPTION_FLAG, AT(version), ~0u, "print the version"},
};
/* clang-format on */
const int option_rows_len = sizeof option_rows / sizeof option_rows[0];
_Static_assert(sizeof option_rows / sizeof option_rows[0] <= OPTION_ROWS_MAX, "room in the parser");

static const struct {
    const char *name;
    command_id id;
    int arguments; /* most */
} commands[] = {
    {"complete", COMMAND_COMPLETE, 1},
    {"chat", COMMAND_CHAT, 1},
    {"models", COMMAND_MODELS, 0},
    {"tokenize", COMMAND_TOKENIZE, 1},
    {"rewards", COMMAND_REWARDS, 2},
    {"train", COMMAND_TRAIN, 1},
    {"jobs", COMMAND_JOBS, 2},
    {"files", COMMAND_FILES, ARGUMENTS_MAX},
    {"methods", COMMAND_METHODS, 1},
    {"policies", COMMAND_POLICIES, ARGUMENTS_MAX},
    {"aliases", COMMAND_ALIASES, 2},
    {"publish", COMMAND_PUBLISH, 1},
    {"rollback", COMMAND_ROLLBACK, 0},
    {"export", COMMAND_EXPORT, 1},
    {"data", COMMAND_DATA, ARGUMENTS_MAX},
    {"label", COMMAND_LABEL, ARGUMENTS_MAX},
    {"model", COMMAND_MODEL, 1},
    {"eval", COMMAND_EVAL, 2},
    {"help", COMMAND_HELP, 1},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

const char *command_name(command_id id)
{
    for (int i = 0; i < COMMANDS; i++)
        if (commands[i].id == id)
            return commands[i].name;
    return NULL;
}

command_id command_find(const char *name)
{
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].id;
    return 0;
}

int command_arguments(command_id id)
{
    for (int i = 0; i < COMMANDS; i++)
        if (commands[i].id == id)
            return commands[i].arguments;
    return 0;
}
