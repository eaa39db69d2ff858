/* Rows to token ids, by the engine's one rule for prompts and answers (eng_compose_*): what is
 * trained is what the server serves and scores.
 *
 * A plain prompt is text as /v1/completions reads it, its completion is tokenized by itself and
 * followed by the end token. Messages go through the model's chat template. A conversation with
 * several answers of weight 1 gives one example for each, with everything before it as the prompt.
 *
 * Long prompts are left out and counted, never cut; long answers are cut and get no end token.
 *
 * Threads: any. */
#ifndef RLHF_TOKENISE_H
#define RLHF_TOKENISE_H

#include "engine.h"
#include "rlhf/dataset.h"

#include <stdint.h>

typedef struct token_limits {
    uint32_t prompt, response; /* tokens; together they fit the model's context */
} token_limits;

/* The job's limits, made to fit: a context too short for both gives each at most half of it, or
 * what the other leaves. */
token_limits token_limits_fit(uint64_t max_prompt, uint64_t max_response, uint32_t n_ctx);

/* An example the caller frees with eng_example_free; *fits false (and nothing to free) when the
 * prompt is too long; *cut when the answer was. answer NULL: the prompt alone. INSTRUCTD_E_* with
 * err. */
ENG_MUST_CHECK job_code tokenise(const eng_tokenizer *tok, const data_text *prompt,
                                 const data_text *answer, token_limits limits, eng_example *out,
                                 bool *fits, bool *cut, eng_error *err);

/* Likewise of a conversation up to and with its answer messages[last]. */
ENG_MUST_CHECK job_code tokenise_turn(const eng_tokenizer *tok, const data_text *conversation,
                                      uint32_t last, token_limits limits, eng_example *out,
                                      bool *fits, bool *cut, eng_error *err);
/* INSTRUCTD_E_INVALID unless both tokenizers give the same ids the same meaning; `what` begins err.
 */
ENG_MUST_CHECK job_code tokens_agree(const char *what, const eng_tokenizer *tok,
                                     const eng_tokenizer *policy, eng_error *err);

#endif
