/* A job's checkpoints: everything a job needs to go on bit for bit, in its private directory.
 *
 *   step-000000000042/   model.safetensors          the network, by canonical names and layout
 *                        optimizer.safetensors      Adam's moments, m.<name> and v.<name>
 *                        value/, ema/               likewise, where the method has them
 *                        rollouts.bin               episodes to learn from, where there are some
 *                        state.json                 counters, guards, what the job is
 *                        SHA256SUMS                 of all of these
 *
 * The layout is the network's own, not Hugging Face's as in a published policy: reordering RoPE's
 * rows would change the order of sums, and a resumed job could not be bit-identical.
 *
 * Crash-safe: written under a temporary name, each file and directory synced, then renamed. The
 * newest two and the best stay. One that does not match its sums is moved aside (corrupt-*) and the
 * one before is used.
 *
 * Threads: the job's one thread. */
#ifndef RLHF_CHECKPOINT_H
#define RLHF_CHECKPOINT_H

#include "rlhf/host.h"
#include "rlhf/state.h"
#include "train/net.h"

#include <stdbool.h>
#include <stdint.h>

/* One flat block of floats in a file; parts of one file stand together. */
typedef struct checkpoint_part {
    const char *file;   /* "value/model.safetensors" */
    const char *prefix; /* of the tensors' names: "", "m.", "v." */
    const eng_net *net; /* whose parameters the block is laid out as */
    float *floats;
} checkpoint_part;

/* A file of the method's own making. */
typedef struct checkpoint_blob {
    const char *file;
    void *bytes; /* [n]; loading makes new ones, the caller's to free */
    size_t n;
} checkpoint_blob;

typedef struct checkpoint {
    const checkpoint_part *parts;
    size_t n_parts;
    checkpoint_blob *blob; /* or NULL */
    const state_field *fields;
    size_t n_fields;
    /* What must be the same for the state to be this job's: model, data and numbers. */
    char identity[65];
} checkpoint;

enum {
    CHECKPOINT_NO_BEST = -1,
    CHECKPOINT_SECONDS = 60 /* between two: what a crash may cost */
};

/* Writes step's directory below `dir`, then removes what need not stay: all but the newest two and
 * `best` (a step, or CHECKPOINT_NO_BEST). A directory of that step is replaced. */
ENG_MUST_CHECK job_code checkpoint_save(const char *dir, uint64_t step, int64_t best,
                                        const checkpoint *c, eng_error *err);

/* Removes every checkpoint below `dir`: a job that begins has none. */
void checkpoint_forget(const char *dir);

/* Fills parts, blob and fields from the newest good one; *found false, and nothing is filled, when
 * there is none. INSTRUCTD_E_INVALID when it is of another job. Bad ones become events. */
ENG_MUST_CHECK job_code checkpoint_load(const job_host *host, const char *dir, const checkpoint *c,
                                        bool *found, eng_error *err);

/* One part of a given step: the best one's weights. */
ENG_MUST_CHECK job_code checkpoint_load_part(const char *dir, uint64_t step,
                                             const checkpoint_part *part, eng_error *err);

#endif
