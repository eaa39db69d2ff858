/* A network's parameters as the ABI carries them: to the sampler, and to be published.
 *
 * Threads: the job's one thread. */
#ifndef RLHF_SNAPSHOT_H
#define RLHF_SNAPSHOT_H

#include "rlhf/host.h"
#include "train/net.h"

/* Points into the net; valid while its parameters are not written. */
typedef struct snapshot {
    instructd_weights weights;
    instructd_tensor *tensors; /* owned */
} snapshot;

/* `base` (a policy id that lives as long) has the net's shape, layout and tokenizer. Freed with
 * snapshot_free, also after a refusal. */
ENG_MUST_CHECK job_code snapshot_of(snapshot *out, const eng_net *net, const char *base,
                                    eng_error *err);
void snapshot_free(snapshot *s); /* a zeroed snapshot is allowed */

/* Makes the net samplable; the id is freed with host_sampler_free. */
ENG_MUST_CHECK job_code snapshot_load_sampler(const job_host *host, const eng_net *net,
                                              const char *base, char id[INSTRUCTD_POLICY_ID_BYTES],
                                              eng_error *err);

#endif
