/* A model's chat template, parsed once and run for every request. */
#ifndef ENG_TEXT_CHAT_TEMPLATE_H
#define ENG_TEXT_CHAT_TEMPLATE_H

#include "base/arena.h"
#include "engine.h"

typedef struct eng__chat_template eng__chat_template;

/* Parses source[0..len) into the arena. bos and eos: those tokens' texts, "" = none; copied.
 * ENG_UNSUPPORTED names the construct that is outside the subset (jinja.h), and *out is NULL. */
ENG_MUST_CHECK eng_status eng__chat_template_create(eng__chat_template **out, eng_arena *arena,
                                                    const char *source, size_t len, const char *bos,
                                                    const char *eos, eng_error *err);

/* As eng_chat_render. Text of messages, their roles included, is untrusted. [any thread] */
ENG_MUST_CHECK eng_status eng__chat_template_render(const eng__chat_template *tmpl,
                                                    const eng_chat_message *messages, size_t n,
                                                    bool add_generation_prompt, size_t max_bytes,
                                                    eng_chat_text *out, eng_error *err);

#endif
