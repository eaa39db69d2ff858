/* What the model is asked, as token ids: a text, a list of ids, or a conversation. */
#ifndef DAEMON_API_PROMPT_H
#define DAEMON_API_PROMPT_H

#include "api/error.h"
#include "bridge/gen_request.h"
#include "engine.h"

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

/* All three fill out->tokens and n_tokens, which may be 0, with malloc'd memory that the caller
 * owns also after a failure; out starts zeroed. param is named by errors. */

/* flags: eng_tokenize_flags. trusted: as in eng_tokenize. */
bool prompt_from_text(gen_prompt *out, const eng_tokenizer *tok, const char *text, size_t len,
                      const uint8_t *trusted, unsigned flags, api_error *err);
/* list: an array, checked element by element. */
bool prompt_from_ids(gen_prompt *out, const eng_tokenizer *tok, const cJSON *list,
                     const char *param, api_error *err);
/* messages: an array, checked: 1-1024 objects of role and content, text only. The model's template
 * renders them, with the answer's opening; only what the template wrote can become a special token.
 * add_bos: prepend BOS if the model wants one and the template wrote none. */
bool prompt_from_messages(gen_prompt *out, const eng_tokenizer *tok, const cJSON *messages,
                          bool add_bos, api_error *err);

/* A conversation that ends with the assistant's answer, as eng_compose_chat reads it: what a reward
 * model scores. */
bool prompt_from_answered(gen_prompt *out, const eng_tokenizer *tok, const cJSON *messages,
                          api_error *err);

/* The conversation in its plainest form: [{"role":...,"content":"..."}], checked as above. */
bool messages_write(buf *out, const cJSON *messages, api_error *err);

/* The "prompt" of a completion, every form of it, into request->prompts; NULL: the end-of-text
 * token. A text of no tokens becomes that token too. */
bool prompts_read(gen_request *request, const cJSON *prompt, bool add_special, bool parse_special,
                  api_error *err);

#endif
