/* Native checkpoint directories: a policy's weights, config and tokenizer in Hugging Face layout,
 * and a manifest whose digest is the policy's id.
 *
 * The same inputs give the same bytes, hence the same id: nothing in a directory depends on the
 * clock, the machine or the path. */
#ifndef ENG_FORMATS_CHECKPOINT_H
#define ENG_FORMATS_CHECKPOINT_H

#include "base/dtype.h"
#include "base/status.h"
#include "formats/source.h"

#include <stddef.h>
#include <stdint.h>

enum { ENG_POLICY_ID_BYTES = 21 }; /* "pol_", 16 hex digits, NUL */

typedef struct eng_checkpoint_metric {
    const char *name; /* distinct */
    double value;     /* null in the manifest when not finite */
} eng_checkpoint_metric;

/* Weights that replace the source's: fills n floats of the tensor `name` (canonical name and
 * layout, as the source lists it). */
typedef eng_status (*eng_checkpoint_read)(void *ctx, const eng_tensor_info *tensor, float *dst,
                                          eng_error *err);

/* All pointers are the caller's and only read. Zero is a valid default for everything. */
typedef struct eng_checkpoint_options {
    eng_dtype dtype;   /* of matrices: ENG_F32 or ENG_BF16; vectors are F32 */
    const char *stage; /* "base", "sft", "ppo", ...; NULL = "base" */
    /* lineage; NULL = null */
    const char *parent, *job_spec_sha256, *reward_model, *code_rev;
    const char *const *datasets; /* [n_datasets] */
    size_t n_datasets;
    const double *kl_coef, *ptx_coef;
    const uint64_t *seed;
    const eng_checkpoint_metric *metrics; /* [n_metrics] */
    size_t n_metrics;
    eng_checkpoint_read read; /* NULL = the source's own weights; for a score head that the source
                                 lacks see eng__source_override */
    void *read_ctx;
} eng_checkpoint_options;

/* Writes the whole directory: `dir` is created (0700), or is there and holds none of the files.
 * RoPE becomes half-split and Conv1D [in][out], whatever the source had. Every file and the
 * directory are synced; syncing the parent is the caller's part. Refuses weights that are not
 * finite. On failure all that was written is removed. options may be NULL. */
ENG_MUST_CHECK eng_status eng_checkpoint_write(const eng_source *src, const char *dir,
                                               const eng_checkpoint_options *options,
                                               char id[ENG_POLICY_ID_BYTES], eng_error *err);

/* The same from a model's path and weights in memory, as for eng_model_open_with; options->read is
 * not looked at. */
ENG_MUST_CHECK eng_status eng_checkpoint_write_weights(const char *base, const eng_weights *weights,
                                                       const char *dir,
                                                       const eng_checkpoint_options *options,
                                                       char id[ENG_POLICY_ID_BYTES],
                                                       eng_error *err);

/* Heap that writing weights of the source's shape takes at most, and the most bytes of a matrix
 * that is turned for it: who loads the directory reads it whole, and turns it beside that. */
void eng__checkpoint_scratch(const eng_source *src, size_t *scratch, size_t *turned);

/* Reads every file that manifest.json lists and compares size and digest, naming the first file
 * that differs. ENG_FORMAT: the directory is not what it was; ENG_IO: it cannot be read. id (may be
 * NULL) is the policy's id by its manifest. */
ENG_MUST_CHECK eng_status eng_checkpoint_verify(const char *dir, char id[ENG_POLICY_ID_BYTES],
                                                eng_error *err);

/* The stage that manifest.json tells, cut to cap bytes. Checks no digest. */
ENG_MUST_CHECK eng_status eng_checkpoint_stage(const char *dir, char *out, size_t cap,
                                               eng_error *err);

/* eng_checkpoint_verify on an open directory; without `digests` only the sizes. */
ENG_MUST_CHECK eng_status eng__manifest_check(int dir_fd, bool digests, eng_error *err);

#endif
