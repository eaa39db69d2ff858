/* The engine: everything its clients may use, and nothing else.
 *
 * A model file becomes an immutable eng_model (config, tokenizer, packed weights). A runtime owns
 * the worker team, the paged KV cache and every scratch buffer; its one owner thread builds steps
 * (rows of many sequences, prefill chunks and decodes mixed) and runs them. One step runs the model
 * once over all rows and draws one token for each requested output.
 *
 * Shapes use one alphabet: V vocabulary, C model width, L layers, H query heads, D head width,
 * T positions, M rows of a step.
 *
 * Output does not depend on company: every reduction has a fixed order, so a row's logits are
 * bit-identical whatever else is in the step, and draws depend on (seed, choice, position) only.
 *
 * Threads: [any] any thread at any time; [owner] one thread at a time, the runtime's owner. */
#ifndef ENG_ENGINE_H
#define ENG_ENGINE_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct eng_model eng_model;
typedef struct eng_tokenizer eng_tokenizer;
typedef struct eng_runtime eng_runtime;
typedef struct eng_seq eng_seq;

/* ---- configuration: any shape of model is data ---------------------------------------------- */

typedef enum eng_norm_kind { ENG_NORM_RMS, ENG_NORM_LAYER } eng_norm_kind;
typedef enum eng_pos_kind {
    ENG_POS_ROPE_PAIRS, /* rotates adjacent elements (2i, 2i+1): GGUF llama */
    ENG_POS_ROPE_HALF,  /* rotates (i, i + rope_dims/2): Hugging Face layouts, qwen2 */
    ENG_POS_LEARNED     /* position_embd is added to the token embedding: gpt2 */
} eng_pos_kind;
typedef enum eng_mlp_kind { ENG_MLP_SWIGLU, ENG_MLP_GELU_TANH } eng_mlp_kind;

typedef struct eng_config {
    char arch[16]; /* "llama", "qwen2" or "gpt2": the family whose names the file used */
    uint32_t n_layer, n_embd, n_head, n_kv_head, head_dim, n_ff, n_vocab, n_ctx;
    eng_norm_kind norm;
    float norm_eps;
    eng_pos_kind pos;
    float rope_base;    /* 0 with learned positions */
    uint32_t rope_dims; /* leading elements of a head that rotate */
    eng_mlp_kind mlp;
    bool qkv_bias; /* attn_{q,k,v}.bias exist */
    bool out_bias; /* attn_output.bias, ffn_{up,down}.bias exist (norm biases follow `norm`) */
    bool tied;     /* the unembedding is token_embd */
    /* Attention sees the last `window` positions (0: all) in layers l with l % window_period ==
     * window_period - 1. GPT-3's alternating dense / locally banded pattern is period 2; a sliding
     * window everywhere is period 1. */
    uint32_t window, window_period;
} eng_config;

typedef enum eng_serve_type {
    ENG_SERVE_AS_FILE, /* each weight in its file's type */
    ENG_SERVE_F32,
    ENG_SERVE_BF16,
    ENG_SERVE_Q8_0
} eng_serve_type;

/* ---- model ---------------------------------------------------------------------------------- */

typedef struct eng_model_options {
    eng_serve_type serve_type; /* matrices are converted while they are packed */
    uint32_t n_threads;        /* loaders; 0 = one per core */
    const char *kernels;       /* "scalar", "avx2", "avx512"; NULL = the widest this CPU runs */
    const char *digest;        /* the file's, 64 hex digits, when the caller knows it: it is taken
                                  over unchecked; NULL = computed, which is most of the time */
} eng_model_options;

/* Opens a GGUF file or a checkpoint directory (Hugging Face layout, with or without manifest.json),
 * checks every size against the config and packs the weights for this CPU. The file is read, never
 * mapped, and not needed afterwards. On success *out holds one reference. [any] */
ENG_MUST_CHECK eng_status eng_model_open(eng_model **out, const char *path,
                                         const eng_model_options *options, eng_error *err);

/* One tensor in memory, by canonical name and in the layout of the model it belongs to: matrices
 * [out][in], `in` contiguous; see formats/source.h. */
typedef struct eng_weight {
    const char *name;
    const float *data; /* n floats */
    uint64_t n;
} eng_weight;

/* All weights of a model: every tensor of its file, but that "score.weight" [1][C] and
 * "score.bias" [1] replace "output.weight". The caller's, unchanged during a call. */
typedef struct eng_weights {
    const eng_weight *list;
    uint32_t n;
} eng_weights;

/* Opens config and tokenizer of `path` with other weights than the file's. ENG_INVALID names the
 * first tensor that is missing, unknown, listed twice or of another size; ENG_FORMAT one that is
 * not finite. eng_model_digest of such a model is "". [any] */
ENG_MUST_CHECK eng_status eng_model_open_with(eng_model **out, const char *path,
                                              const eng_weights *weights,
                                              const eng_model_options *options, eng_error *err);

/* What a model is, told by its headers alone. */
typedef struct eng_model_facts {
    eng_config config;
    bool scored;           /* it has a score head and no unembedding */
    size_t bytes;          /* what eng_model_bytes would be, within a huge page */
    const char *dtype;     /* what eng_model_dtype would be */
    size_t load_scratch;   /* heap that each thread which loads it holds beside them, at most */
    size_t write_scratch;  /* that checking and writing weights of its shape takes
                              (formats/descent.h, formats/checkpoint.h) */
    size_t reload_scratch; /* load_scratch of what is written so: a directory, which may hold
                              matrices turned that lie as they are used here */
} eng_model_facts;
ENG_MUST_CHECK eng_status eng_model_inspect(eng_model_facts *out, const char *path,
                                            eng_serve_type serve_type, eng_error *err); /* [any] */
/* The digest that eng_model_open would give, without loading: reads the whole file(s). [any] */
ENG_MUST_CHECK eng_status eng_model_file_digest(const char *path, char digest[65], eng_error *err);
/* May a model of config b run in a runtime that was made for one of config a? Same dimensions,
 * vocabulary and context. [any] */
bool eng_config_same_shape(const eng_config *a, const eng_config *b);
/* Do they agree in every member? Their padding does not count. [any] */
bool eng_config_equal(const eng_config *a, const eng_config *b);

eng_model *eng_model_ref(eng_model *model); /* [any] */
void eng_model_unref(eng_model *model);     /* frees at the last reference; NULL allowed [any] */

const eng_config *eng_model_config(const eng_model *model);       /* lives as long as the model */
const eng_tokenizer *eng_model_tokenizer(const eng_model *model); /* likewise */
/* 64 hex digits: SHA-256 of the GGUF file, of manifest.json, or of a directory's files; "" when the
 * weights came from memory. */
const char *eng_model_digest(const eng_model *model);
size_t eng_model_bytes(const eng_model *model);        /* resident bytes of the packed weights */
const char *eng_model_kernels(const eng_model *model); /* the kernel set it was packed for */
const char *eng_model_dtype(const eng_model *model);   /* most frequent matrix type: "q4_1" */
/* Has it a score head (a reward or value model) instead of an unembedding? Such a model answers
 * eng_output.want_score and draws nothing. [any] */
bool eng_model_has_score(const eng_model *model);

/* ---- text ----------------------------------------------------------------------------------- */

typedef enum eng_tokenize_flags {
    ENG_TOK_ADD_SPECIAL = 1,  /* prepend BOS / append EOS where the model's files say so */
    ENG_TOK_PARSE_SPECIAL = 2 /* the whole text is trusted: special tokens in it are recognised */
} eng_tokenize_flags;

/* Text to ids. `trusted` (may be NULL) holds one byte per text byte; special tokens are recognised
 * only where all their bytes are trusted (template text), so user content can never forge one.
 * Writes at most cap ids; *n is the full count, so cap 0 measures. Invalid UTF-8 is tokenized as
 * bytes. Refuses with ENG_NOMEM only. Pure. [any] */
ENG_MUST_CHECK eng_status eng_tokenize(const eng_tokenizer *tok, const char *text, size_t len,
                                       const uint8_t *trusted, unsigned flags, int32_t *out,
                                       size_t cap, size_t *n, eng_error *err);
/* The bytes one token stands for (special tokens: their text); not NUL-terminated, lives as long as
 * the tokenizer. NULL when id is outside the vocabulary. [any] */
const char *eng_token_bytes(const eng_tokenizer *tok, int32_t id, size_t *len);
bool eng_token_is_special(const eng_tokenizer *tok, int32_t id); /* control tokens [any] */
/* Is it one of the ids that end an answer (eos, eot, <|im_end|>, ...)? [any] */
bool eng_token_is_end(const eng_tokenizer *tok, int32_t id);

typedef struct eng_token_roles {
    int32_t bos, eos, eot, pad, unk; /* -1 = absent */
    int32_t end_of_text;             /* <|endoftext|> or eos: the prompt when none is given */
    uint32_t n_vocab;
    bool add_bos;
} eng_token_roles;
const eng_token_roles *eng_token_roles_of(const eng_tokenizer *tok);
/* The ids that end an answer: *n of them, living as long as the tokenizer. [any] */
const int32_t *eng_token_end_set(const eng_tokenizer *tok, size_t *n);
/* The chat template's source or NULL, living as long as the tokenizer. [any] */
const char *eng_chat_template_source(const eng_tokenizer *tok);

typedef struct eng_chat_message {
    const char *role;    /* NUL-terminated */
    const char *content; /* UTF-8, content_len bytes */
    size_t content_len;
} eng_chat_message;

typedef struct eng_chat_text {
    char *text;       /* len bytes + NUL */
    uint8_t *trusted; /* len bytes: 1 where the template, not a message, wrote it */
    size_t len;
} eng_chat_text;

/* Renders the model's chat template over n messages. ENG_UNSUPPORTED when the model has no (usable)
 * template, ENG_INVALID when the template refused (raise_exception: its text is the error),
 * ENG_FULL when the output would pass max_bytes. The caller frees with eng_chat_text_free. [any] */
ENG_MUST_CHECK eng_status eng_chat_render(const eng_tokenizer *tok,
                                          const eng_chat_message *messages, size_t n,
                                          bool add_generation_prompt, size_t max_bytes,
                                          eng_chat_text *out, eng_error *err);
void eng_chat_text_free(eng_chat_text *text);

/* A prompt and its answer as the model reads them in training and when it is scored: the prompt's
 * ids, then the answer's, then one end token (eos, else end_of_text). One rule for trainer and
 * server, so that what is scored is what was trained. */
typedef struct eng_example {
    int32_t *tokens;   /* [n_tokens], freed by eng_example_free */
    uint32_t n_tokens; /* prompt, answer and end token */
    uint32_t n_prompt; /* where the answer begins; == n_tokens without an answer */
} eng_example;

/* Plain text: the prompt as /v1/completions reads it (BOS where the model wants one, special tokens
 * recognised), the answer as plain text, tokenized by itself. answer NULL: the prompt alone. An
 * empty prompt is the end-of-text token. [any] */
ENG_MUST_CHECK eng_status eng_compose_text(const eng_tokenizer *tok, const char *prompt,
                                           size_t prompt_len, const char *answer, size_t answer_len,
                                           eng_example *out, eng_error *err);
/* A conversation, as /v1/chat/completions reads it: the template renders what comes before the
 * answer, with the answer's opening. The answer is the last message if its role is "assistant",
 * else there is none. Refuses as eng_chat_render does. [any] */
ENG_MUST_CHECK eng_status eng_compose_chat(const eng_tokenizer *tok,
                                           const eng_chat_message *messages, size_t n,
                                           eng_example *out, eng_error *err);
void eng_example_free(eng_example *example);

/* ---- runtime -------------------------------------------------------------------------------- */

typedef struct eng_runtime_options {
    uint32_t n_threads; /* workers, the owner included; 0 = one per core */
    uint32_t max_rows;  /* rows in one step (the token budget plus all decodes) */
    uint32_t max_seqs;  /* live sequences */
    size_t kv_bytes;    /* size of the KV pool; pages are touched only as blocks are used */
    uint32_t spin_us;   /* how long an idle worker spins before it sleeps; 0 = 50 */
    bool kv_f32;        /* keep keys and values in f32; else f16 */
    bool low_priority;  /* workers run as eng_thread_lower says; the owner sees to itself */
    /* Called by every worker before each piece of a step's work, of some 10 to 100 us; may block.
     * NULL: nothing is. */
    void (*give_way)(void *arg);
    void *give_way_arg;
} eng_runtime_options;

/* A runtime for models of `shape`'s dimensions. [owner from here on] */
ENG_MUST_CHECK eng_status eng_runtime_create(eng_runtime **out, const eng_model *model,
                                             const eng_runtime_options *options, eng_error *err);
void eng_runtime_free(eng_runtime *rt); /* all sequences must have been freed */
/* Can this runtime run the model: has it the shape of the one it was made for? [any] */
bool eng_runtime_fits(const eng_runtime *rt, const eng_model *model);

typedef struct eng_kv_stats {
    uint32_t block_tokens;                /* positions in one block */
    uint32_t n_blocks;                    /* in the pool */
    uint32_t n_used;                      /* held by live sequences */
    uint32_t n_cached;                    /* held by the prefix cache alone, freed on demand */
    uint64_t prefix_queries, prefix_hits; /* tokens asked for, tokens found */
    uint64_t rows_computed;               /* rows run through the model since the start */
} eng_kv_stats;
void eng_runtime_kv_stats(const eng_runtime *rt, eng_kv_stats *out);

/* ---- sequences: a list of positions whose keys and values the pool holds --------------------- */

/* An empty sequence of this model, which it keeps alive. NULL when max_seqs are live. [owner] */
eng_seq *eng_seq_create(eng_runtime *rt, eng_model *model);
void eng_seq_free(eng_runtime *rt, eng_seq *seq); /* NULL allowed */
uint32_t eng_seq_len(const eng_seq *seq);         /* positions filled */
/* A copy that shares every block with positions in it; the first write to a shared block copies it
 * (eng_seq_reserve does, so each of the two reserves before it grows). NULL when max_seqs are live.
 * [owner] */
eng_seq *eng_seq_fork(eng_runtime *rt, const eng_seq *seq);
/* Empty sequences only: attaches the longest cached run of whole blocks that starts tokens[0..n) in
 * this (model, salt), and returns its length (< n, so at least one row is left to compute). Blocks
 * that later steps fill from `tokens` are entered in the cache under the same salt. Salt 0 opts out
 * of both. [owner] */
uint32_t eng_seq_attach_prefix(eng_runtime *rt, eng_seq *seq, uint64_t salt, const int32_t *tokens,
                               uint32_t n);
/* Makes room for n more positions, evicting cached blocks if needed; false = the pool is full, and
 * nothing has changed. [owner] */
bool eng_seq_reserve(eng_runtime *rt, eng_seq *seq, uint32_t n);

/* ---- drawing -------------------------------------------------------------------------------- */

typedef struct eng_logit_bias {
    int32_t token;
    float bias;
} eng_logit_bias;

/* Order: bias -> penalties -> temperature -> min_p -> top_k -> top_p -> draw, ties to the lowest
 * id. The draw's uniform number is Philox4x32-10 (Salmon et al. 2011) keyed by seed over (choice,
 * position). */
typedef struct eng_sampling {
    float temperature;                         /* 0 = greedy */
    float top_p;                               /* (0, 1] */
    float min_p;                               /* 0 = off */
    uint32_t top_k;                            /* 0 = off */
    float presence_penalty, frequency_penalty; /* over `history` */
    uint64_t seed;
    uint32_t choice;
    const eng_logit_bias *bias; /* n_bias entries, distinct tokens */
    uint32_t n_bias;
} eng_sampling;

enum { ENG_MAX_TOP = 20 };

typedef struct eng_top_logprob {
    int32_t token;
    float logprob;
} eng_top_logprob;

/* One wanted output of a step: what to do with the logits of one row. Owned by the caller and alive
 * until eng_step_run returns. Log-probs are the raw log-softmax, before bias, penalties and
 * temperature, floored at -9999. */
typedef struct eng_output {
    /* asked */
    const eng_sampling *sampling; /* NULL: draw nothing */
    const int32_t *history;       /* generated tokens so far, for the penalties */
    uint32_t n_history;
    const int32_t *banned; /* ids that may not be drawn (min_tokens) */
    uint32_t n_banned;
    uint32_t position; /* position of the drawn token, the RNG's counter */
    int32_t target;    /* >= 0: report this token's log-prob; -1: the drawn one's */
    bool want_logprob;
    bool want_drawn_logprob;
    bool want_score; /* of a model with a score head, which answers nothing else */
    uint8_t n_top;   /* <= ENG_MAX_TOP; implies want_logprob */
    float *logits;   /* [V] or NULL: a copy of the raw logits */
    /* answered */
    int32_t token; /* drawn; -1 when nothing was drawn */
    float logprob;
    float drawn_logprob; /* of the drawn token under logits / temperature: what it was drawn from
                            if nothing biased or filtered it. 0 when drawn greedily */
    float score;         /* w . (final norm's output) + b */
    eng_top_logprob top[ENG_MAX_TOP]; /* best first, ties to the lowest id */
    bool finite;                      /* were the logits, or the score, free of NaN and +-Inf? */
} eng_output;

/* ---- steps ---------------------------------------------------------------------------------- */

/* Starts an empty step for one model. [owner] */
void eng_step_begin(eng_runtime *rt, eng_model *model);
/* Appends tokens[0..n) to seq, for which room must have been reserved, as n rows of the step.
 * Returns the index of the first row. A sequence may appear once in a step. [owner] */
uint32_t eng_step_add(eng_runtime *rt, eng_seq *seq, const int32_t *tokens, uint32_t n);
/* Asks for an output of one row; several outputs may name one row (n choices of a prompt), in
 * non-decreasing row order. [owner] */
void eng_step_want(eng_runtime *rt, uint32_t row, eng_output *output);
uint32_t eng_step_rows(const eng_runtime *rt);
/* Runs the model over all rows and answers all outputs; afterwards the sequences are longer by
 * their rows. Allocates nothing. [owner] */
void eng_step_run(eng_runtime *rt);

/* ---- this machine --------------------------------------------------------------------------- */

/* The widest kernel set this CPU runs: "avx512", "avx2" or "scalar". [any] */
const char *eng_cpu_kernels(void);
uint32_t eng_cpu_count(void); /* cores this process may use [any] */
/* The calling thread gives way to all others from now on: SCHED_IDLE, or nice 19 where the system
 * refuses that. There is no way back. [any] */
void eng_thread_lower(void);
/* From now on between(arg) is called before each piece, of some 100 us, of what the calling thread
 * opens, digests, packs and writes here; it may block. waits(arg) is called before the thread waits
 * for the disk: where a file is synced, and where what is to be read is not in memory. Steps and
 * training have ways of their own. NULL: nothing is called. [any, for itself] */
void eng_thread_pace(void (*between)(void *arg), void (*waits)(void *arg), void *arg);
/* Calls it: fits eng_runtime_options.give_way, for steps at the owner's pace. [any] */
void eng_pace(void *unused);

#endif
