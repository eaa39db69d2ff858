/* The fields of a generation request: one table says their types, ranges and defaults for both
 * families, and one reader checks a body against it. Adding a field means adding a row here and the
 * line in generate.c that uses it. */
#ifndef DAEMON_API_FIELDS_H
#define DAEMON_API_FIELDS_H

#include "api/error.h"
#include "api/ignored.h"
#include "bridge/gen_request.h"

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

/* The checked values of one body; the cJSON nodes and strings belong to the body's tree. -1 in an
 * integer whose default is -1 means that it was not given. */
typedef struct gen_fields {
    const char *model; /* NULL: the default alias */
    const cJSON *prompt, *messages;
    int64_t max_tokens, max_completion_tokens, min_tokens;
    int64_t n, best_of, logprobs, top_logprobs, top_k;
    double temperature, top_p, min_p, presence_penalty, frequency_penalty;
    int64_t seed;
    bool has_seed;
    bool chat_logprobs, stream, echo, ignore_eos, include_stop_text;
    bool return_token_ids, return_timings, return_progress;
    bool add_special, parse_special;
    const cJSON *stream_options, *stop, *stop_token_ids, *logit_bias;
    const char *user, *safety_identifier, *priority;
} gen_fields;

typedef enum field_kind {
    FIELD_BOOL,   /* -> bool */
    FIELD_INT,    /* a number without fraction in [min, max] -> int64_t */
    FIELD_NUMBER, /* in [min, max], or (min, max] with above_min -> double */
    FIELD_SEED,   /* any int64, read from the text -> int64_t */
    FIELD_STRING, /* at most max characters -> const char * */
    FIELD_ARRAY,  /* at most max elements -> const cJSON *, as the next three */
    FIELD_OBJECT,
    FIELD_STRING_OR_ARRAY,
    FIELD_REFUSED /* what this server does not do: only a harmless value passes */
} field_kind;

enum { FIELD_IN_COMPLETIONS = 1 << GEN_COMPLETIONS, FIELD_IN_CHAT = 1 << GEN_CHAT };

typedef struct field {
    const char *name;
    uint8_t families; /* FIELD_IN_... */
    field_kind kind;
    double min, max;
    bool above_min;
    double preset; /* the default of BOOL, INT and NUMBER; pointers default to NULL */
    size_t at;     /* offset in gen_fields */
    bool (*harmless)(const cJSON *value); /* FIELD_REFUSED; NULL: nothing but null */
} field;

/* A maximum that is the vocabulary's size. */
#define FIELD_MAX_VOCAB (-1.0)

const field *field_table(size_t *n);

/* Fills *out from the body (text and its tree) or names the first field that is wrong. Fields that
 * the family does not know go to the list, which may be NULL. */
bool fields_read(gen_fields *out, gen_family family, uint32_t n_vocab, const char *body, size_t len,
                 const cJSON *root, api_ignored *ignored, api_error *err);

/* ---- for readers of nested values ---- */

/* Writes what a value is, for messages: `"hot"`, `3.5`, `an array of 2`. */
void field_describe(const cJSON *value, char out[64]);
/* 400 invalid_value: "param: expected <expected>, found <value>". */
bool field_wrong(api_error *err, const char *param, const char *expected, const cJSON *value);
/* A token id below n_vocab. */
bool field_token_id(const cJSON *value, uint32_t n_vocab, const char *param, int32_t *out,
                    api_error *err);
/* true or false; leaves *out alone for NULL and null. */
bool field_bool(const cJSON *value, const char *param, bool *out, api_error *err);

#endif
