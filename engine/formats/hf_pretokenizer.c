#include "formats/hf.h"

#include <string.h>

/* The two regular expressions that stand in such files for llama-bpe and qwen2. */
#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define SPLIT_REGEX(numbers)                                                                       \
    CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" numbers                                         \
                 "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
static const char llama_bpe_regex[] = SPLIT_REGEX("\\p{N}{1,3}");
static const char qwen2_regex[] = SPLIT_REGEX("\\p{N}");

static bool has_type(const eng_json *node, const char *type)
{
    const char *found = eng_json_string(eng_json_get(node, "type"));
    return found && strcmp(found, type) == 0;
}

static bool flag(const eng_json *node, const char *name, bool absent)
{
    const eng_json *value = eng_json_get(node, name);
    return eng_json_is(value, ENG_JSON_BOOL) ? value->boolean : absent;
}

/* Bytes to characters, with or without the GPT-2 split in front. trim_offsets changes no ids. */
static bool is_byte_level(const eng_json *node, bool use_regex)
{
    return has_type(node, "ByteLevel") && !flag(node, "add_prefix_space", true) &&
           flag(node, "use_regex", true) == use_regex;
}

static bool is_split(const eng_json *node, const char *regex)
{
    const char *found = eng_json_string(eng_json_get(eng_json_get(node, "pattern"), "Regex"));
    const char *behavior = eng_json_string(eng_json_get(node, "behavior"));
    return has_type(node, "Split") && found && strcmp(found, regex) == 0 && behavior &&
           strcmp(behavior, "Isolated") == 0 && !flag(node, "invert", false);
}

eng_status eng__hf_pretokenizer(const eng_json *node, eng_pretokenizer *out, eng_error *err)
{
    const eng_json *parts = eng_json_get(node, "pretokenizers");
    bool pair = has_type(node, "Sequence") && eng_json_is(parts, ENG_JSON_ARRAY) && parts->n == 2;
    const eng_json *first = pair ? &parts->items[0] : NULL,
                   *second = pair ? &parts->items[1] : NULL;
    if (is_byte_level(node, true))
        *out = ENG_PRE_GPT2;
    else if (has_type(first, "Digits") && flag(first, "individual_digits", false) &&
             is_byte_level(second, true))
        *out = ENG_PRE_SMOLLM;
    else if (is_split(first, llama_bpe_regex) && is_byte_level(second, false))
        *out = ENG_PRE_LLAMA_BPE;
    else if (is_split(first, qwen2_regex) && is_byte_level(second, false))
        *out = ENG_PRE_QWEN2;
    else {
        const char *type = eng_json_string(eng_json_get(node, "type"));
        const char *inner = eng_json_string(eng_json_get(first, "type"));
        const char *regex = eng_json_string(eng_json_get(eng_json_get(first, "pattern"), "Regex"));
        return eng_fail(err, ENG_UNSUPPORTED,
                        "tokenizer.json, pre_tokenizer: %.40s %.40s %.200s is "
                        "none of the known forms of gpt-2, smollm, llama-bpe, qwen2",
                        type ? type : "none", inner ? inner : "", regex ? regex : "");
    }
    return ENG_OK;
}

#define BYTE_LEVEL(regex)                                                                          \
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_"              \
    "regex\":" regex "}"
#define JSON_REGEX(numbers)                                                                        \
    CONTRACTIONS "|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|" numbers                               \
                 "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|"  \
                 "\\\\s+"
#define SPLIT(numbers)                                                                             \
    "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" JSON_REGEX(                                    \
        numbers) "\"},\"behavior\":\"Isolated\",\"invert\":false}"
#define SEQUENCE(first, second) "{\"type\":\"Sequence\",\"pretokenizers\":[" first "," second "]}"

const char *eng__hf_pretokenizer_json(eng_pretokenizer pre)
{
    switch (pre) {
    case ENG_PRE_GPT2:
        return BYTE_LEVEL("true");
    case ENG_PRE_SMOLLM:
        return SEQUENCE("{\"type\":\"Digits\",\"individual_digits\":true}", BYTE_LEVEL("true"));
    case ENG_PRE_LLAMA_BPE:
        return SEQUENCE(SPLIT("\\\\p{N}{1,3}"), BYTE_LEVEL("false"));
    case ENG_PRE_QWEN2:
        return SEQUENCE(SPLIT("\\\\p{N}"), BYTE_LEVEL("false"));
    }
    return NULL;
}
