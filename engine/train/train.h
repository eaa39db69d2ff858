/* Training: forward with saved activations, the two heads with their losses' slopes, backward.
 *
 *   eng_tape_forward          hidden states of packed sequences; equal to infer/forward (tested)
 *   eng_lm_* or eng_score_*   one head over chosen rows, with its backward into the tape
 *   eng_tape_backward         the rest of the way, adding into flat gradients
 *
 * Shapes: M tokens of the pack, C width, L layers, F feed-forward, V vocabulary, P floats of a net.
 * Sequences are packed end to end without padding; attention is block-diagonal and causal (and
 * banded where the config says so), positions count from 0 in each sequence.
 *
 * Every sum has a fixed order: the same pack gives the same bits on any number of threads. The
 * whole pack's gradient is added to `grads` in place, so micro-batches add up in the order they
 * are run.
 *
 * Threads: a tape has one owner; the work runs on what `parallel` lends. Nothing after
 * eng_tape_create allocates. */
#ifndef ENG_TRAIN_TRAIN_H
#define ENG_TRAIN_TRAIN_H

#include "base/parallel.h"
#include "train/net.h"

typedef struct eng_tape eng_tape;

/* What the matrix products of layers and unembedding, forward and backward, compute with.
 * Attention's scores, softmax, norms, activations, losses, sums and everything stored stay f32. */
typedef enum eng_compute {
    ENG_COMPUTE_F32,
    ENG_COMPUTE_BF16 /* inputs of products rounded to bf16, sums in f32 (compute/bgemm.h) */
} eng_compute;

typedef struct eng_tape_options {
    uint32_t max_tokens; /* M of the largest pack */
    uint32_t max_seqs;
    bool gradients;  /* false: forward only, with one layer's buffers */
    bool checkpoint; /* keep layer inputs alone and recompute each layer in backward: about 1/15 of
                        the memory, a third more compute, the same bits */
    eng_compute compute;
    const eng_parallel *parallel; /* outlives the tape */
    const char *kernels;          /* as in eng_model_options */
} eng_tape_options;

/* A tape for nets of this shape. */
ENG_MUST_CHECK eng_status eng_tape_create(eng_tape **out, const eng_config *shape,
                                          const eng_tape_options *options, eng_error *err);
void eng_tape_free(eng_tape *tape);
/* Bytes of the tape's one block. What its products pack into comes on top: a few MiB, and 16 MiB
 * more with ENG_COMPUTE_BF16. [any] */
size_t eng_tape_bytes(const eng_config *shape, const eng_tape_options *options);

/* Sequences end to end: sequence s has tokens[starts[s] .. starts[s+1]). */
typedef struct eng_pack {
    const int32_t *tokens;  /* [M] */
    const uint32_t *starts; /* [n_seqs + 1], starts[0] = 0, starts[n_seqs] = M, increasing */
    uint32_t n_seqs;
} eng_pack;

/* Residual dropout: the outputs of attention and of the MLP, before they join the residual stream,
 * are zeroed with probability `rate` and scaled by 1/(1 - rate) otherwise. The mask is a function
 * of (seed, step, seq_keys[s], layer, which of the two, position, element): cutting a batch into
 * other packs changes nothing. */
typedef struct eng_dropout {
    float rate; /* [0, 1) */
    uint64_t seed, step;
    const uint64_t *seq_keys; /* [n_seqs] */
} eng_dropout;

/* Runs the net over the pack; dropout may be NULL. The pack, its arrays and `dropout` stay until
 * the backward is done. */
void eng_tape_forward(eng_tape *tape, const eng_net *net, const eng_pack *pack,
                      const eng_dropout *dropout);
/* After forward: the final-norm output of every row, [M][C]. */
const float *eng_tape_hidden(const eng_tape *tape);

/* ---- the language-model head ---------------------------------------------------------------- */

/* n predictions: row rows[i] of the pack (the position *before* the target) predicts targets[i].
 * rows are distinct and increasing. l_i = log softmax(logits / temperature)[target]. */
typedef struct eng_lm_rows {
    const uint32_t *rows;
    const int32_t *targets;
    uint32_t n;
    float temperature;
} eng_lm_rows;

/* logprobs[i] = l_i; entropies[i] in nats (NULL: not wanted); argmax[i] (NULL: not wanted). Logits
 * exist for a few hundred rows at a time, never [M][V]. */
void eng_lm_forward(eng_tape *tape, const eng_net *net, const eng_lm_rows *rows, float *logprobs,
                    float *entropies, int32_t *argmax);

/* dL/dl_i, given l_i as just computed. Called once for each i, possibly from several threads, in no
 * promised order; must be a pure function of (ctx, i, l). */
typedef float eng_lm_slope(void *ctx, uint32_t i, float logprob);

/* Forward and backward of the head in one pass over the logits: fills logprobs and entropies as
 * eng_lm_forward does, adds dL/d(unembedding) to grads, and leaves dL/d(hidden) in the tape for
 * eng_tape_backward. Replaces what an earlier head left there. */
void eng_lm_backward(eng_tape *tape, const eng_net *net, const eng_lm_rows *rows,
                     eng_lm_slope *slope, void *ctx, float *logprobs, float *entropies,
                     float *grads);

/* ---- the score head ------------------------------------------------------------------------- */

/* scores[i] = w . hidden[rows[i]] + b; rows distinct and increasing. */
void eng_score_forward(eng_tape *tape, const eng_net *net, const uint32_t *rows, uint32_t n,
                       float *scores);
/* Adds dL/dw and dL/db for dscores[i] = dL/dscores[i] and leaves dL/d(hidden) in the tape. */
void eng_score_backward(eng_tape *tape, const eng_net *net, const uint32_t *rows, uint32_t n,
                        const float *dscores, float *grads);

/* ---- the body ------------------------------------------------------------------------------- */

/* Adds the gradient of every other parameter, from the dL/d(hidden) that a head left; needs
 * options.gradients and the forward of the same pack just before, whose buffers it uses up. */
void eng_tape_backward(eng_tape *tape, const eng_net *net, float *grads);

#endif
