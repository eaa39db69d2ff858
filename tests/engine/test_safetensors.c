#include "formats/checkpoint.h"
#include "formats/hf.h"
#include "formats/safetensors.h"
#include "formats/source.h"
#include "harness.h"
#include "model_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *in_dir(const char *name)
{
    static char paths[4][256];
    static unsigned turn;
    char *p = paths[turn++ % 4];
    snprintf(p, 256, "%s/%s", test_dir(), name);
    return p;
}

/* ---- the file format ---- */

static eng_status read_bytes(const void *data, size_t len, eng__directory *dir, eng_arena *arena,
                             eng_error *err)
{
    eng__file file;
    test_write_file(in_dir("x.safetensors"), data, len);
    eng_arena_init(arena, 1 << 20);
    EXPECT_OK(eng__file_open(&file, AT_FDCWD, in_dir("x.safetensors"), err), *err);
    eng_status status = eng__safetensors_read(dir, &file, arena, err);
    eng__file_close(&file);
    return status;
}

/* A file of this header, `claimed` bytes long by its first eight (0: truly), and n_data zeros. */
static eng_status read_header(const char *header, uint64_t claimed, size_t n_data,
                              eng__directory *dir, eng_arena *arena, eng_error *err)
{
    test_bytes b = {0};
    test_put_u64(&b, claimed ? claimed : strlen(header));
    test_put(&b, header, strlen(header));
    for (size_t i = 0; i < n_data; i++)
        test_put(&b, "", 1);
    eng_status status = read_bytes(b.data, b.len, dir, arena, err);
    free(b.data);
    return status;
}

static void expect_refused(const char *header, size_t n_data, eng_status want, const char *named)
{
    eng__directory dir;
    eng_arena arena;
    eng_error err = {""};
    eng_status status = read_header(header, 0, n_data, &dir, &arena, &err);
    eng_arena_free(&arena);
    if (status != want || !strstr(err.text, named))
        FAIL("%s: status %d \"%s\", expected %d naming %s", header, (int)status, err.text,
             (int)want, named);
}

TEST(header_lists_tensors_by_name)
{
    eng__directory dir;
    eng_arena arena;
    eng_error err;
    EXPECT_OK(
        read_header("{\"b\":{\"dtype\":\"BF16\",\"shape\":[2,3],\"data_offsets\":[4,16]},"
                    "\"__metadata__\":{\"format\":\"pt\"},"
                    "\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
                    "\"mask\":{\"dtype\":\"BOOL\",\"shape\":[1],\"data_offsets\":[16,17]}}   ",
                    0, 17, &dir, &arena, &err),
        err);
    EXPECT_EQ(dir.n, 3);
    const eng__stored *b = eng__directory_find(&dir, "b");
    EXPECT_EQ(b->info.type, ENG_BF16);
    EXPECT_EQ(b->info.dims[0], 3);
    EXPECT_EQ(b->info.dims[1], 2);
    EXPECT_EQ(b->info.n_bytes, 12);
    EXPECT_STR(eng__directory_find(&dir, "mask")->foreign, "BOOL");
    EXPECT(!b->foreign && !eng__directory_find(&dir, "c"));
    eng_arena_free(&arena);
}

#define T(name, begin, end)                                                                        \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[" #begin "," #end "]}"

TEST(byte_ranges_cover_the_buffer_exactly)
{
    expect_refused("{" T("a", 0, 8) "," T("b", 4, 12) "}", 12, ENG_FORMAT, "tensor b");
    expect_refused("{" T("a", 0, 8) "," T("b", 12, 20) "}", 20, ENG_FORMAT, "tensor b");
    expect_refused("{" T("a", 4, 12) "}", 12, ENG_FORMAT, "tensor a");
    expect_refused("{" T("a", 0, 8) "}", 9, ENG_FORMAT, "follow the last tensor");
    expect_refused("{" T("a", 0, 8) "}", 7, ENG_FORMAT, "tensor a");
    expect_refused("{" T("a", 8, 0) "}", 8, ENG_FORMAT, "tensor a");
    expect_refused("{" T("a", 0, 4) "}", 4, ENG_FORMAT, "tensor a");
    expect_refused("{" T("a", 0, 18446744073709551615) "}", 8, ENG_FORMAT, "tensor a");
    expect_refused("{" T("a", 0, 8) "," T("a", 8, 16) "}", 16, ENG_FORMAT, "byte");
    expect_refused("{}", 1, ENG_FORMAT, "follow the last tensor");
}

TEST(headers_that_are_wrong_name_the_tensor)
{
    expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0,
                   ENG_FORMAT, "tensor a");
    expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,0]}}", 0,
                   ENG_FORMAT, "tensor a");
    expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,6]}}", 6,
                   ENG_FORMAT, "tensor a");
    expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296,4],"
                   "\"data_offsets\":[0,0]}}",
                   0, ENG_FORMAT, "overflow");
    expect_refused("{\"a\":{\"dtype\":\"F4\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
                   ENG_UNSUPPORTED, "tensor a: dtype F4");
    expect_refused("{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, ENG_FORMAT, "tensor a");
    expect_refused("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, ENG_FORMAT, "tensor a");
    expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, ENG_FORMAT, "tensor a");
    expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, ENG_FORMAT,
                   "tensor a");
    expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1],\"data_offsets\":[0,4]}}", 4,
                   ENG_FORMAT, "tensor a");
    expect_refused("{\"a\":7}", 0, ENG_FORMAT, "tensor a");
    expect_refused("[1]", 0, ENG_FORMAT, "expected '{'");
    expect_refused(" {}", 0, ENG_FORMAT, "expected '{'");
    expect_refused("{\"a\":", 0, ENG_FORMAT, "byte 5");
    expect_refused("{}x", 0, ENG_FORMAT, "byte 2");
}

TEST(header_lengths_beyond_the_file_are_refused)
{
    static const uint64_t claims[] = {1, 3, 1000, 100000001, UINT64_MAX, UINT64_MAX - 7};
    for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++) {
        eng__directory dir;
        eng_arena arena;
        eng_error err;
        EXPECT_EQ(read_header("{}", claims[i], 0, &dir, &arena, &err), ENG_FORMAT);
        eng_arena_free(&arena);
    }
}

TEST(every_truncation_of_a_file_is_refused)
{
    test_bytes b = {0};
    const char *header = "{" T("a", 0, 8) "," T("b", 8, 16) "}";
    test_put_u64(&b, strlen(header));
    test_put(&b, header, strlen(header));
    test_put(&b, "0123456789abcdef", 16);
    for (size_t n = 0; n <= b.len; n++) {
        eng__directory dir;
        eng_arena arena;
        eng_error err;
        eng_status want = n == b.len ? ENG_OK : ENG_FORMAT;
        EXPECT_EQ(read_bytes(b.data, n, &dir, &arena, &err), want);
        eng_arena_free(&arena);
    }
    for (size_t i = 0; i < b.len - 16; i++) {
        eng__directory dir;
        eng_arena arena;
        eng_error err;
        b.data[i] ^= 0x04;
        eng_status status = read_bytes(b.data, b.len, &dir, &arena, &err);
        EXPECT(status == ENG_OK || status == ENG_FORMAT || status == ENG_UNSUPPORTED);
        b.data[i] ^= 0x04;
        eng_arena_free(&arena);
    }
    free(b.data);
}

/* ---- directories as others write them ---- */

static const char gpt2_config[] =
    "{\"model_type\":\"gpt2\",\"n_embd\":4,\"n_layer\":1,\"n_head\":2,\"n_positions\":8,"
    "\"n_inner\":null,\"vocab_size\":3,\"activation_function\":\"gelu_new\"}";
static const char tokenizer[] =
    "{\"added_tokens\":[{\"id\":2,\"content\":\"<|endoftext|>\",\"special\":true}],"
    "\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},"
    "\"model\":{\"vocab\":{\"a\":0,\"b\":1,\"<|endoftext|>\":2},\"merges\":[]}}";

typedef struct entry {
    const char *name;
    uint32_t rows, cols; /* cols 0: one-dimensional */
} entry;

/* Element k of the file (counted over all tensors) is k. */
static void write_tensors(const entry *entries, size_t n)
{
    test_bytes header = {0}, file = {0};
    uint64_t at = 0;
    char item[256];
    test_put(&header, "{", 1);
    for (size_t i = 0; i < n; i++) {
        uint64_t count = (uint64_t)entries[i].rows * (entries[i].cols ? entries[i].cols : 1);
        char shape[64];
        snprintf(shape, sizeof shape, entries[i].cols ? "%u,%u" : "%u", entries[i].rows,
                 entries[i].cols);
        int len =
            snprintf(item, sizeof item,
                     "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%llu,%llu]}",
                     i ? "," : "", entries[i].name, shape, (unsigned long long)at,
                     (unsigned long long)(at + 4 * count));
        test_put(&header, item, (size_t)len);
        at += 4 * count;
    }
    test_put(&header, "}", 1);
    test_put_u64(&file, header.len);
    test_put(&file, header.data, header.len);
    for (uint64_t k = 0; k < at / 4; k++)
        test_put_f32(&file, (float)k);
    test_write_file(in_dir("model.safetensors"), file.data, file.len);
    free(header.data);
    free(file.data);
}

static eng_status open_dir(eng_source **src, const char *config, const char *tok, eng_error *err)
{
    test_write_file(in_dir("config.json"), config, strlen(config));
    test_write_file(in_dir("tokenizer.json"), tok, strlen(tok));
    return eng__source_open(src, test_dir(), err);
}

/* As the published gpt2 has it: no prefix, buffers of masks, Conv1D matrices [in][out]. */
TEST(gpt2_directory_is_transposed_and_its_buffers_skipped)
{
    static const entry entries[] = {{"wte.weight", 3, 4},
                                    {"h.0.attn.bias", 8, 8},
                                    {"transformer.h.0.mlp.c_fc.weight", 4, 16},
                                    {"h.0.mlp.c_fc.bias", 16, 0},
                                    {"lm_head.weight", 3, 4}};
    eng_source *src;
    eng_error err;
    const eng_tensor_info *up;
    float w[64];
    write_tensors(entries, 5);
    EXPECT_OK(open_dir(&src, gpt2_config, tokenizer, &err), err);
    EXPECT_EQ(eng__source_n_tensors(src), 3);
    EXPECT(eng__source_config(src)->tied);
    EXPECT_EQ(eng__source_config(src)->n_ff, 16);
    EXPECT_OK(eng__source_expect(src, "blk.0.ffn_up.weight", 4, 16, &up, &err), err);
    EXPECT_OK(eng__source_read_f32(src, up, w, &err), err);
    for (int o = 0; o < 16; o++)
        for (int i = 0; i < 4; i++)
            EXPECT_NEAR(w[o * 4 + i], 12 + 64 + i * 16 + o, 0.0);
    EXPECT_STR(eng__source_vocab(src)->tokens[2], "<|endoftext|>");
    EXPECT_EQ(eng__source_vocab(src)->types[2], ENG_TOKEN_CONTROL);
    char hex[65];
    EXPECT_OK(eng__source_digest(src, hex, &err), err);
    EXPECT_EQ(strlen(hex), 64);
    eng__source_close(src);
}

static void expect_dir_refused(const char *config, const char *tok, eng_status want,
                               const char *named)
{
    static const entry entries[] = {{"wte.weight", 3, 4}};
    eng_source *src;
    eng_error err = {""};
    write_tensors(entries, 1);
    eng_status status = open_dir(&src, config, tok, &err);
    if (status == ENG_OK)
        eng__source_close(src);
    if (status != want || !strstr(err.text, named))
        FAIL("status %d \"%s\", expected %d naming %s", (int)status, err.text, (int)want, named);
}

#define GPT2(rest)                                                                                 \
    "{\"model_type\":\"gpt2\",\"n_embd\":4,\"n_layer\":3,\"n_head\":2,\"n_positions\":8,"          \
    "\"vocab_size\":3" rest "}"
#define LLAMA(rest)                                                                                \
    "{\"model_type\":\"llama\",\"hidden_size\":4,\"intermediate_size\":8,\"num_hidden_layers\":2," \
    "\"num_attention_heads\":2,\"max_position_embeddings\":8,\"vocab_size\":3" rest "}"

TEST(configs_that_would_run_wrongly_are_refused_by_key)
{
    expect_dir_refused("{\"model_type\":\"gptj\"}", tokenizer, ENG_UNSUPPORTED, "gptj");
    expect_dir_refused("{}", tokenizer, ENG_FORMAT, "model_type");
    expect_dir_refused("[]", tokenizer, ENG_FORMAT, "config.json");
    expect_dir_refused("{\"a\":1,}", tokenizer, ENG_FORMAT, "config.json: JSON, byte 7");
    expect_dir_refused(GPT2(",\"activation_function\":\"relu\""), tokenizer, ENG_UNSUPPORTED,
                       "activation_function: relu");
    expect_dir_refused(GPT2(",\"scale_attn_by_inverse_layer_idx\":true"), tokenizer,
                       ENG_UNSUPPORTED, "scale_attn_by_inverse_layer_idx");
    expect_dir_refused(GPT2(",\"n_inner\":0"), tokenizer, ENG_FORMAT, "n_inner");
    expect_dir_refused(GPT2(",\"quantization_config\":{}"), tokenizer, ENG_UNSUPPORTED,
                       "quantization_config");
    expect_dir_refused(
        GPT2(",\"window_size\":4,\"attention_layers\":[\"global\",\"local\",\"local\"]"), tokenizer,
        ENG_UNSUPPORTED, "attention_layers: element 2");
    expect_dir_refused(GPT2(",\"window_size\":4,\"attention_layers\":[\"global\"]"), tokenizer,
                       ENG_FORMAT, "attention_layers");
    expect_dir_refused(GPT2(",\"attention_layers\":[\"global\",\"local\",\"global\"]"), tokenizer,
                       ENG_FORMAT, "window_size");
    expect_dir_refused(LLAMA(",\"rope_scaling\":{\"rope_type\":\"llama3\"}"), tokenizer,
                       ENG_UNSUPPORTED, "rope_scaling: llama3");
    expect_dir_refused(LLAMA(",\"rope_parameters\":{\"rope_type\":\"yarn\"}"), tokenizer,
                       ENG_UNSUPPORTED, "rope_parameters: yarn");
    expect_dir_refused(LLAMA(",\"hidden_act\":\"gelu\""), tokenizer, ENG_UNSUPPORTED, "hidden_act");
    expect_dir_refused(LLAMA(",\"num_key_value_heads\":3"), tokenizer, ENG_FORMAT, "key-value");
    expect_dir_refused(LLAMA(""), tokenizer, ENG_UNSUPPORTED, "tensor wte.weight");
}

static const char *const good_model =
    "\"model\":{\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[[\"a\",\"b\"]]}";

static void expect_tokenizer_refused(const char *pre, const char *model, eng_status want,
                                     const char *named)
{
    char text[2048];
    snprintf(text, sizeof text, "{\"pre_tokenizer\":%s,%s}", pre, model ? model : good_model);
    expect_dir_refused(gpt2_config, text, want, named);
}

TEST(tokenizers_of_other_kinds_are_refused_by_name)
{
    static const char bytes[] = "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}";
    expect_tokenizer_refused("null", NULL, ENG_UNSUPPORTED, "pre_tokenizer: none");
    expect_tokenizer_refused("{\"type\":\"Metaspace\"}", NULL, ENG_UNSUPPORTED, "Metaspace");
    expect_tokenizer_refused("{\"type\":\"ByteLevel\",\"add_prefix_space\":true}", NULL,
                             ENG_UNSUPPORTED, "ByteLevel");
    expect_tokenizer_refused("{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\","
                             "\"pattern\":{\"Regex\":\"[a-z]+\"},\"behavior\":\"Isolated\"},"
                             "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
                             "\"use_regex\":false}]}",
                             NULL, ENG_UNSUPPORTED, "[a-z]+");
    expect_tokenizer_refused(bytes, "\"model\":{\"type\":\"Unigram\"}", ENG_UNSUPPORTED, "Unigram");
    expect_tokenizer_refused(bytes, "\"normalizer\":{\"type\":\"Lowercase\"},\"model\":{}",
                             ENG_UNSUPPORTED, "Lowercase");
    expect_tokenizer_refused(bytes, "\"model\":{\"byte_fallback\":true}", ENG_UNSUPPORTED,
                             "byte_fallback");
    expect_tokenizer_refused(bytes, "\"model\":{\"merges\":[]}", ENG_FORMAT, "model.vocab");
    expect_tokenizer_refused(bytes, "\"model\":{\"vocab\":{\"a\":0}}", ENG_FORMAT, "model.merges");
    expect_tokenizer_refused(bytes, "\"model\":{\"vocab\":{\"a\":1},\"merges\":[]}", ENG_FORMAT,
                             "token \"a\"");
    expect_tokenizer_refused(bytes, "\"model\":{\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}",
                             ENG_FORMAT, "token id 0");
    expect_tokenizer_refused(bytes, "\"model\":{\"vocab\":{\"a\":-1},\"merges\":[]}", ENG_FORMAT,
                             "token \"a\"");
    expect_tokenizer_refused(bytes, "\"model\":{\"vocab\":{\"a\":0},\"merges\":[\"ab\"]}",
                             ENG_FORMAT, "merge 0");
    expect_tokenizer_refused(bytes, "\"model\":{\"vocab\":{\"a\":0},\"merges\":[[\"a\"]]}",
                             ENG_FORMAT, "merges: element 0");
    expect_tokenizer_refused(
        bytes, "\"model\":{\"vocab\":{\"a\":0,\"b\":1,\"c\":2,\"d\":3},\"merges\":[]}", ENG_FORMAT,
        "token_embd.weight: 3 rows, the tokenizer has 4");
}

/* The forms in which the published tokenizer.json files of each family state their split. */
TEST(known_splits_are_recognised)
{
    static const struct {
        const char *json;
        eng_pretokenizer pre;
    } forms[] = {
        {"{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true}", ENG_PRE_GPT2},
        {"{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\",\"individual_digits\":"
         "true},"
         "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,"
         "\"use_regex\":true}]}",
         ENG_PRE_SMOLLM},
        {"{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":"
         "\"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}{1,3}| "
         "?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"},"
         "\"behavior\":\"Isolated\",\"invert\":false},{\"type\":\"ByteLevel\","
         "\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":false}]}",
         ENG_PRE_LLAMA_BPE},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        eng_arena arena;
        const eng_json *node;
        eng_pretokenizer pre;
        eng_error err;
        eng_arena_init(&arena, 1 << 16);
        EXPECT_OK(eng_json_parse(&node, forms[i].json, strlen(forms[i].json), &arena, &err), err);
        EXPECT_OK(eng__hf_pretokenizer(node, &pre, &err), err);
        EXPECT_EQ(pre, forms[i].pre);
        eng_arena_free(&arena);
    }
}

TEST(roles_and_template_come_from_the_small_files)
{
    static const entry entries[] = {{"wte.weight", 3, 4}};
    static const char config[] =
        "{\"bos_token\":{\"content\":\"a\"},\"eos_token\":\"<|endoftext|>\",\"pad_token\":null,"
        "\"chat_template\":[{\"name\":\"tools\",\"template\":\"x\"},{\"name\":\"default\","
        "\"template\":\"{{ messages }}\"}]}";
    static const char generation[] = "{\"eos_token_id\":[2,1]}";
    eng_source *src;
    eng_error err;
    write_tensors(entries, 1);
    test_write_file(in_dir("tokenizer_config.json"), config, strlen(config));
    test_write_file(in_dir("generation_config.json"), generation, strlen(generation));
    EXPECT_OK(open_dir(&src, gpt2_config, tokenizer, &err), err);
    const eng_vocab *v = eng__source_vocab(src);
    EXPECT_EQ(v->bos, 0);
    EXPECT_EQ(v->eos, 2);
    EXPECT_EQ(v->eot, 1);
    EXPECT_EQ(v->pad, -1);
    EXPECT_STR(v->chat_template, "{{ messages }}");
    eng__source_close(src);
}

TEST(sharded_weights_are_refused_by_file)
{
    eng_source *src;
    eng_error err;
    test_write_file(in_dir("model.safetensors.index.json"), "{}", 2);
    EXPECT_EQ(open_dir(&src, gpt2_config, tokenizer, &err), ENG_UNSUPPORTED);
    EXPECT(strstr(err.text, "model.safetensors.index.json"));
}
