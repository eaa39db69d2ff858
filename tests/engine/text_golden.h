/* Readers for tests/golden/text: vocabularies and tables of tab-separated fields. Everything is
 * allocated for the test's life and not freed one by one: a test ends with golden_end. */
#ifndef TESTS_ENGINE_TEXT_GOLDEN_H
#define TESTS_ENGINE_TEXT_GOLDEN_H

#include "base/arena.h"
#include "formats/source.h"
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static eng_arena golden_arena = {.limit_bytes = (size_t)1 << 30};

static inline void golden_end(void)
{
    eng_arena_free(&golden_arena);
}

static inline void *golden_array(size_t n, size_t size)
{
    void *p = eng_arena_array(&golden_arena, n, size);
    if (!p)
        FAIL("no memory for %zu elements", n);
    return p;
}

/* A file of tests/golden/text, NUL-terminated. */
static inline char *golden_file(const char *name)
{
    char path[256];
    size_t len;
    snprintf(path, sizeof path, "golden/text/%s", name);
    char *text = test_read_file(test_data(path), &len);
    char *copy = eng_arena_strndup(&golden_arena, text, len);
    free(text);
    return copy;
}

/* Cuts *text at the next `sep` and returns what is before it; NULL at the end. */
static inline char *golden_cut(char **text, char sep)
{
    char *start = *text, *stop = start ? strchr(start, sep) : NULL;
    if (!start || !*start)
        return NULL;
    *text = stop ? stop + 1 : NULL;
    if (stop)
        *stop = 0;
    return start;
}

/* "-" is nothing. */
static inline char *golden_unhex(const char *hex, size_t *len)
{
    size_t n = strcmp(hex, "-") == 0 ? 0 : strlen(hex) / 2;
    char *out = golden_array(n + 1, 1);
    for (size_t i = 0; i < n; i++) {
        unsigned byte;
        if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
            FAIL("not hex: %.20s", hex + 2 * i);
        out[i] = (char)byte;
    }
    *len = n;
    return out;
}

static inline int32_t *golden_ids(const char *text, size_t *n)
{
    int32_t *ids = golden_array(strlen(text), sizeof *ids);
    for (*n = 0; strcmp(text, "-") != 0 && *text;) {
        char *end;
        ids[(*n)++] = (int32_t)strtol(text, &end, 10);
        text = end;
    }
    return ids;
}

/* A vocabulary being put together by hand. */
typedef struct golden_vocab {
    eng_vocab v;
    uint32_t token_cap, merge_cap;
} golden_vocab;

static inline golden_vocab *golden_vocab_new(eng_pretokenizer pre)
{
    enum { CAP = 4096 };
    golden_vocab *g = golden_array(1, sizeof *g);
    g->v = (eng_vocab){.pre = pre, .bos = -1, .eos = -1, .eot = -1, .unk = -1, .pad = -1};
    g->v.tokens = golden_array(CAP, sizeof *g->v.tokens);
    g->v.token_lens = golden_array(CAP, sizeof *g->v.token_lens);
    g->v.types = golden_array(CAP, 1);
    g->v.merges = golden_array(CAP, sizeof *g->v.merges);
    g->v.merge_lens = golden_array(CAP, sizeof *g->v.merge_lens);
    g->token_cap = g->merge_cap = CAP;
    return g;
}

static inline int32_t golden_add_token(golden_vocab *g, const char *text, uint8_t type)
{
    uint32_t i = g->v.n_tokens++;
    if (i == g->token_cap)
        FAIL("more than %u tokens", g->token_cap);
    g->v.token_lens[i] = (uint32_t)strlen(text);
    g->v.tokens[i] = eng_arena_strndup(&golden_arena, text, strlen(text));
    g->v.types[i] = type;
    return (int32_t)i;
}

static inline void golden_add_merge(golden_vocab *g, const char *text)
{
    uint32_t i = g->v.n_merges++;
    if (i == g->merge_cap)
        FAIL("more than %u merges", g->merge_cap);
    g->v.merge_lens[i] = (uint32_t)strlen(text);
    g->v.merges[i] = eng_arena_strndup(&golden_arena, text, strlen(text));
}

/* The token of each byte, in the byte alphabet: ids 0 to 255 are bytes 0 to 255. */
static inline void golden_add_bytes(golden_vocab *g)
{
    for (unsigned b = 0, other = 0; b < 256; b++) {
        bool self = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        unsigned cp = self ? b : 256 + other++;
        char text[3] = {(char)cp, 0, 0};
        if (cp >= 128) {
            text[0] = (char)(0xC0 | cp >> 6);
            text[1] = (char)(0x80 | (cp & 63));
        }
        golden_add_token(g, text, ENG_TOKEN_NORMAL);
    }
}

/* Reads golden/text/<name>.vocab. */
static inline golden_vocab *golden_vocab_load(const char *name, eng_pretokenizer pre)
{
    char file[64];
    snprintf(file, sizeof file, "%s.vocab", name);
    char *text = golden_file(file);
    golden_vocab *g = golden_vocab_new(pre);
    for (char *line; (line = golden_cut(&text, '\n')) != NULL;) {
        if (line[0] == 'm') {
            golden_add_merge(g, line + 2);
            continue;
        }
        size_t len = strlen(line);
        if (line[2] == '3' && len > 2 && strcmp(line + len - 2, "\\n") == 0)
            strcpy(line + len - 2, "\n");
        golden_add_token(g, line + 4, (uint8_t)(line[2] - '0'));
    }
    return g;
}

static const struct golden_rule {
    const char *name;
    eng_pretokenizer pre;
} golden_rules[] = {{"gpt-2", ENG_PRE_GPT2},
                    {"smollm", ENG_PRE_SMOLLM},
                    {"llama-bpe", ENG_PRE_LLAMA_BPE},
                    {"qwen2", ENG_PRE_QWEN2}};
enum { GOLDEN_RULES = 4 };

/* xorshift64*: the same bytes on every run. */
static inline uint32_t golden_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint32_t)(*state * 0x2545F4914F6CDD1Du >> 32);
}

#endif
