/* One row of a data set: what was asked, what was answered, how it was judged, and whose it is. The
 * pipeline's stages mark rows, formats read and write them.
 *
 * Strings live in the arena of whoever made the row (a build, an import), NUL-terminated UTF-8. */
#ifndef DAEMON_HUMAN_RECORD_H
#define DAEMON_HUMAN_RECORD_H

#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RECORD_MIN_RANKED = 2, /* outputs of a row that a reward model can learn from */
    RECORD_MAX_RANKED = 9,
    RECORD_MAX_OUTPUTS = 64, /* that a file may give */
    RECORD_MAX_MESSAGES = 1024
};

typedef struct record_message {
    const char *role; /* "system", "user" or "assistant" */
    const char *content;
} record_message;

/* One string, or a conversation that ends with the user. */
typedef struct record_prompt {
    const char *text; /* NULL for a conversation */
    const record_message *messages;
    uint32_t n_messages;
} record_prompt;

typedef struct record_output {
    const char *id;     /* unique in its row */
    const char *policy; /* "pol_...", a model's name, or NULL */
    const char *text;
    uint32_t rank; /* 0 is best, equal is a tie */
} record_output;

/* Which file a row goes to. */
typedef enum record_part { PART_TRAIN, PART_VALID, PART_TEST, N_PARTS } record_part;

/* The stage that took a row out. */
typedef enum record_fate {
    FATE_KEPT,
    FATE_UNFIT, /* the kind of data set cannot use it */
    FATE_CAPPED,
    FATE_DUPLICATE,
    FATE_PII
} record_fate;

typedef struct record {
    const char *id;   /* unique in its source */
    const char *unit; /* what belongs together: rankings of one task, groups of one tree */
    const char *user; /* who typed the prompt; NULL: nobody's, such as a file's */
    record_prompt prompt;
    record_output *outputs; /* [n_outputs]: none of a prompt, one of a demonstration */
    uint32_t n_outputs;
    const char *task_id;     /* or NULL, as those below */
    const char *labels_json; /* a JSON array */
    const char *labeler, *role, *category;
    uint32_t guideline; /* version; 0: none */
    record_fate fate;
    record_part part;
} record;

/* Rows, oldest first. The array is malloc'd, strings and outputs are the arena's. */
typedef struct record_list {
    record *rows;
    size_t n, cap;
} record_list;

/* A zeroed row at the end, or NULL: memory is out. Earlier pointers into the list are void. */
record *record_list_add(record_list *list);
void record_list_free(record_list *list);

/* What a person would read of a prompt: its text, or the contents of its messages one below the
 * other. NULL: memory is out. */
const char *record_prompt_text(const record_prompt *prompt, eng_arena *arena);
bool record_prompt_equal(const record_prompt *a, const record_prompt *b);
/* What the row is split by when it is nobody's: its text, or the first message of the user's, so
 * that one conversation's turns stay together. */
const char *record_prompt_origin(const record_prompt *prompt);

/* The distinct ranks of a row. */
uint32_t record_ranks(const record *r);
/* How many (better, worse) pairs the row gives; ties give none. */
uint64_t record_pairs(const record *r);

#endif
