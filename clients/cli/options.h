/* The command line: one table of options, read by the parser and by the help. Values are checked
 * for their form (a number, a URL); ranges are the server's to judge, which knows them. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "problem.h"

#include <cjson/cJSON.h>
#include <stdbool.h>

/* Bits, so that an option can name the commands that take it. */
typedef enum command_id {
    COMMAND_COMPLETE = 1,
    COMMAND_CHAT = 2,
    COMMAND_MODELS = 4,
    COMMAND_TOKENIZE = 8,
    COMMAND_HELP = 16,
    COMMAND_GENERATES = COMMAND_COMPLETE | COMMAND_CHAT,
    COMMAND_ASKS = COMMAND_COMPLETE | COMMAND_CHAT | COMMAND_MODELS | COMMAND_TOKENIZE
} command_id;

typedef enum option_kind {
    OPTION_FLAG,    /* no value; sets a bool of struct options */
    OPTION_STRING,  /* sets a string of struct options */
    OPTION_SECONDS, /* sets timeout_s */
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
    const char *field; /* field of the request (API.md §3, §4), or NULL */
    int offset;        /* in struct options, where field is NULL */
    unsigned commands; /* command_id bits */
    const char *help;
} option_row;

extern const option_row option_rows[];
extern const int option_rows_len;

/* Strings belong to argv and the environment. */
typedef struct options {
    command_id command;
    const char *argument; /* PROMPT, MESSAGE, TEXT or the command `help` explains; NULL = none */
    bool help, version;
    const char *url, *key, *data_dir, *model, *system; /* NULL = not given */
    double timeout_s;                                  /* 0 = wait for ever */
    bool json, no_stream, no_color, ids, no_special_tokens;
    cJSON *fields; /* object: sampling fields by their API name; owned */
} options;

/* Reads argv. On EXIT_USAGE the problem says which argument; `o` may be freed in any case. */
exit_code options_parse(options *o, int argc, char **argv, problem *p);
void options_free(options *o);
/* "complete" and so on; NULL when id is not one command. */
const char *command_name(command_id id);
/* The command of that name, or 0. */
command_id command_find(const char *name);

#endif
