/* The command line: one table of options, read by the parser and by the help. Values are checked
 * for their form (a number, a URL); ranges are the server's to judge, which knows them. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "problem.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

/* Bits, so that an option can name the commands that take it. */
typedef enum command_id {
    COMMAND_COMPLETE = 1 << 0,
    COMMAND_CHAT = 1 << 1,
    COMMAND_MODELS = 1 << 2,
    COMMAND_TOKENIZE = 1 << 3,
    COMMAND_REWARDS = 1 << 4,
    COMMAND_TRAIN = 1 << 5,
    COMMAND_JOBS = 1 << 6,
    COMMAND_FILES = 1 << 7,
    COMMAND_METHODS = 1 << 8,
    COMMAND_POLICIES = 1 << 9,
    COMMAND_ALIASES = 1 << 10,
    COMMAND_PUBLISH = 1 << 11,
    COMMAND_ROLLBACK = 1 << 12,
    COMMAND_EXPORT = 1 << 13,
    COMMAND_DATA = 1 << 14,
    COMMAND_LABEL = 1 << 15,
    COMMAND_MODEL = 1 << 16,
    COMMAND_EVAL = 1 << 17,
    COMMAND_HELP = 1 << 18,
    COMMAND_GENERATES = COMMAND_COMPLETE | COMMAND_CHAT,
    COMMAND_MOVES = COMMAND_PUBLISH | COMMAND_ROLLBACK,
    COMMAND_ASKS = COMMAND_MODEL - 1 /* a server: all above */
} command_id;

typedef enum option_kind {
    OPTION_FLAG,    /* no value; sets a bool of struct options */
    OPTION_STRING,  /* sets a string of struct options */
    OPTION_COUNT,   /* sets a uint32_t of struct options, 1 or more */
    OPTION_SECONDS, /* sets timeout_s */
    OPTION_PAIRS,   /* NAME=VALUE, repeatable; appends to an array of struct options */
    OPTION_INT,     /* the rest become fields of the request */
    OPTION_REAL,
    OPTION_STRINGS, /* repeatable */
    OPTION_BIAS,    /* ID=B, repeatable */
    OPTION_TRUE     /* no value; field: true */
} option_kind;

typedef struct option_row {
    const char *name;  /* "--max-tokens" */
    char letter;       /* 'm' for -m, or 0 */
    const char *value; /* "N" as the help shows it, NULL = takes none */
    option_kind kind;
    const char *field; /* member of the request's body, or NULL */
    int offset;        /* in struct options, where field is NULL */
    unsigned commands; /* command_id bits */
    const char *help;
} option_row;

extern const option_row option_rows[];
extern const int option_rows_len;

enum { ARGUMENTS_MAX = 64, OPTION_ROWS_MAX = 96 };

/* Strings belong to argv and the environment; NULL and 0 mean not given. */
typedef struct options {
    command_id command;
    const char *arguments[ARGUMENTS_MAX]; /* what stands behind the command */
    int arguments_len;
    bool help, version;
    const char *url, *key, *data_dir, *model, *system;
    double timeout_s; /* 0 = wait for ever */
    bool json, no_stream, no_color, ids, no_special_tokens;
    cJSON *fields; /* object: sampling fields by their API name; owned */
    /* train */
    const char *file, *valid, *prompts, *pretrain, *center, *reward_model, *reference, *preset;
    const char *publish, *weights, *suffix;
    uint32_t every;
    cJSON *sets, *gates; /* arrays of "NAME=VALUE"; owned */
    bool no_wait;
    /* jobs */
    bool follow;
    const char *since;
    /* publish, rollback, export; create also train */
    const char *alias, *reason, *to, *format, *out;
    bool create;
    /* data, which also has format and out; kind also label */
    const char *name, *kind, *split, *salt, *fractions;
    uint32_t cap;
    /* model new; dtype also export */
    const char *arch, *tokenizer, *dtype;
    uint32_t layers, dim, heads, kv_heads, ff, context, vocab;
    bool untied;
} options;

/* Reads argv. On EXIT_USAGE the problem says which argument; `o` may be freed in any case. */
exit_code options_parse(options *o, int argc, char **argv, problem *p);
void options_free(options *o);
/* Argument i behind the command, or NULL. */
const char *options_argument(const options *o, int i);
/* The text of --seed, or NULL: any 64-bit number, as it was written. */
const char *options_seed(const options *o);

/* "complete" and so on; NULL when id is not one command. */
const char *command_name(command_id id);
/* The command of that name, or 0. */
command_id command_find(const char *name);
/* Most arguments a command takes. */
int command_arguments(command_id id);

#endif
