/* The JSON files of a Hugging Face model directory, read into config and vocabulary. */
#ifndef ENG_FORMATS_HF_H
#define ENG_FORMATS_HF_H

#include "base/arena.h"
#include "base/json.h"
#include "base/status.h"
#include "engine.h"
#include "formats/source.h"

/* config.json, checked. n_vocab is what it says; `tied` and qkv_bias likewise (the tensors have the
 * last word in hf_source.c). [any thread] */
ENG_MUST_CHECK eng_status eng__hf_config(const eng_json *root, eng_config *config, eng_error *err);

typedef struct eng__hf_tokenizer {
    const eng_json *tokenizer;  /* tokenizer.json */
    const eng_json *config;     /* tokenizer_config.json or NULL */
    const eng_json *generation; /* generation_config.json or NULL */
    const char *chat_template;  /* chat_template.jinja or NULL */
} eng__hf_tokenizer;

/* Copies all it keeps into the arena. [any thread] */
ENG_MUST_CHECK eng_status eng__hf_vocab(const eng__hf_tokenizer *files, eng_arena *arena,
                                        eng_vocab *vocab, eng_error *err);

/* Reads them from a directory, where tokenizer.json may have another name. [any thread] */
ENG_MUST_CHECK eng_status eng__hf_read_vocab(int dir_fd, const char *name, eng_arena *arena,
                                             eng_vocab *vocab, eng_error *err);

/* pre_tokenizer of tokenizer.json to a split rule: exactly one of the known forms, or
 * ENG_UNSUPPORTED naming what stands there. */
ENG_MUST_CHECK eng_status eng__hf_pretokenizer(const eng_json *node, eng_pretokenizer *out,
                                               eng_error *err);
/* The reverse: that form as JSON text, a static string. */
const char *eng__hf_pretokenizer_json(eng_pretokenizer pre);

#endif
