/* What the plugin's tests share: tiny models, a mock host over the test's directory. */
#ifndef TESTS_PLUGINS_RLHF_FIXTURE_H
#define TESTS_PLUGINS_RLHF_FIXTURE_H

#include "formats/new_model.h"
#include "harness.h"
#include "mock_host.h"

#include <stdio.h>
#include <stdlib.h>
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

/* Sixteen tokens: the letters a to p, or, with an end, a to o (0 to 14) and <|im_end|> (15), which
 * ends answers. For problems small enough to enumerate. */
enum { LETTER_TOKENS = 16 };
static inline const char *make_letter_model(const char *name, bool with_end, uint32_t n_layer,
                                            uint32_t n_embd, uint64_t seed)
{
    char id[ENG_POLICY_ID_BYTES], text[2048], *p = text;
    eng_error err;
    const uint32_t letters = with_end ? LETTER_TOKENS - 1 : LETTER_TOKENS;
    p += sprintf(p, "{\"version\":\"1.0\",\"added_tokens\":[");
    if (with_end)
        p += sprintf(p, "{\"id\":15,\"content\":\"<|im_end|>\",\"single_word\":false,"
                        "\"lstrip\":false,\"rstrip\":false,\"normalized\":false,\"special\":true}");
    p += sprintf(p, "],\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"ByteLevel\","
                    "\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true},"
                    "\"post_processor\":null,\"decoder\":{\"type\":\"ByteLevel\"},"
                    "\"model\":{\"type\":\"BPE\",\"merges\":[],\"vocab\":{");
    for (uint32_t i = 0; i < letters; i++)
        p += sprintf(p, "%s\"%c\":%u", i ? "," : "", 'a' + (int)i, i);
    sprintf(p, "}}}");
    test_write_file(in_dir("tokenizer.json"), text, strlen(text));
    const char *config = with_end ? "{\"eos_token\":\"<|im_end|>\"}" : "{}";
    test_write_file(in_dir("tokenizer_config.json"), config, strlen(config));
    char tokenizer[256];
    snprintf(tokenizer, sizeof tokenizer, "%s", in_dir("tokenizer.json"));
    const char *path = in_dir(name);
    const eng_new_model spec = {.arch = "llama",
                                .n_layer = n_layer,
                                .n_embd = n_embd,
                                .n_head = 2,
                                .n_ctx = 32,
                                .seed = seed,
                                .tokenizer = tokenizer};
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
