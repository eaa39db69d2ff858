/* What the plugin's tests share: tiny models, a mock host over the test's directory. */
#ifndef TESTS_PLUGINS_RLHF_FIXTURE_H
#define TESTS_PLUGINS_RLHF_FIXTURE_H

#include "formats/new_model.h"
#include "harness.h"
#include "mock_host.h"

#include <stdio.h>
#include <string.h>

/* A path below the test's directory; one of four buffers. */
static inline const char *in_dir(const char *name)
{
    static char paths[4][256];
    static unsigned turn;
    char *p = paths[turn++ % 4];
    snprintf(p, 256, "%s/%s", test_dir(), name);
    return p;
}

/* A random model with byte tokens (id = byte; 256 <|endoftext|>, 257 <|im_start|>, 258 <|im_end|>,
 * which ends answers): some 30,000 parameters, a context of 128. */
static inline const char *make_model(const char *name, const char *arch, bool score, uint64_t seed)
{
    char id[ENG_POLICY_ID_BYTES];
    eng_error err;
    const char *path = in_dir(name);
    const eng_new_model spec = {.arch = arch,
                                .n_layer = 2,
                                .n_embd = 32,
                                .n_head = 4,
                                .n_kv_head = strcmp(arch, "gpt2") == 0 ? 4 : 2,
                                .n_ctx = 128,
                                .score = score,
                                .seed = seed};
    EXPECT_OK(eng_model_new(path, &spec, id, &err), err);
    return path;
}

/* A host that has the model "base" (llama-style). */
static inline mock_host *make_host(const eng_parallel *parallel)
{
    mock_host *m = mock_host_create(&(mock_options){.dir = test_dir(), .parallel = parallel});
    mock_host_policy(m, "base", make_model("base", "llama", false, 1));
    return m;
}

#endif
