/* Running a parsed chat template over messages. */
#ifndef ENG_TEXT_JINJA_EVAL_H
#define ENG_TEXT_JINJA_EVAL_H

#include "engine.h"
#include "text/jinja.h"

typedef struct eng__jinja_input {
    const eng_chat_message *messages; /* [n] */
    size_t n;
    bool add_generation_prompt;
    eng__span bos_token, eos_token; /* len 0 = the model has none */
    size_t max_bytes;               /* of output */
} eng__jinja_input;

/* Runs the statements from root (NULL: none) on; errors and ownership of *out as eng_chat_render
 * promises. Uses bounded stack, and at most 64 MiB of scratch memory besides the output. [any] */
ENG_MUST_CHECK eng_status eng__jinja_run(const eng__jinja_node *root, const eng__jinja_input *input,
                                         eng_chat_text *out, eng_error *err);

#endif
