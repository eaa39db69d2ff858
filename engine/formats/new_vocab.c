#include "formats/new_vocab.h"

#include "formats/file.h"
#include "formats/gguf.h"
#include "formats/hf.h"
#include "formats/vocab.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- bytes ---- */

enum { N_BYTES = 256, N_SPECIAL = 3, END_OF_TEXT = N_BYTES, IM_START, IM_END };

static const char *const specials[N_SPECIAL] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};

static const char chatml[] =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + "
    "message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

static bool stands_for_itself(uint32_t byte)
{
    return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

/* The byte's character in GPT-2's alphabet as UTF-8: at most two bytes. `others` counts the bytes
 * so far that do not stand for themselves: they take U+0100 onwards. */
static uint32_t spell_byte(char out[2], uint32_t byte, uint32_t *others)
{
    uint32_t cp = stands_for_itself(byte) ? byte : N_BYTES + (*others)++;
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    out[0] = (char)(0xc0 | cp >> 6);
    out[1] = (char)(0x80 | (cp & 0x3f));
    return 2;
}

eng_status eng__vocab_bytes(eng_arena *arena, eng_vocab *v, eng_error *err)
{
    enum { N = N_BYTES + N_SPECIAL };
    *v = (eng_vocab){.pre = ENG_PRE_GPT2,
                     .n_tokens = N,
                     .bos = END_OF_TEXT,
                     .eos = IM_END,
                     .eot = END_OF_TEXT,
                     .unk = -1,
                     .pad = END_OF_TEXT,
                     .chat_template = chatml};
    v->tokens = eng_arena_array(arena, N, sizeof *v->tokens);
    v->token_lens = eng_arena_array(arena, N, sizeof *v->token_lens);
    v->types = eng_arena_alloc(arena, N);
    bool ok = v->tokens && v->token_lens && v->types;
    uint32_t others = 0;
    for (uint32_t i = 0; ok && i < N; i++) {
        char spelled[2];
        bool special = i >= N_BYTES;
        uint32_t len =
            special ? (uint32_t)strlen(specials[i - N_BYTES]) : spell_byte(spelled, i, &others);
        v->tokens[i] = eng_arena_strndup(arena, special ? specials[i - N_BYTES] : spelled, len);
        v->token_lens[i] = len;
        v->types[i] = special ? ENG_TOKEN_CONTROL : ENG_TOKEN_NORMAL;
        ok = v->tokens[i] != NULL;
    }
    return ok ? ENG_OK : eng_fail(err, ENG_NOMEM, "no memory for %d tokens", N);
}

/* ---- somebody's tokenizer ---- */

static eng_status from_gguf(const eng__file *file, eng_arena *arena, eng_vocab *vocab,
                            eng_error *err)
{
    eng__gguf gguf;
    eng_status status = eng__gguf_read(&gguf, file, arena, err);
    return status == ENG_OK ? eng__gguf_vocab(&gguf, arena, vocab, err) : status;
}

/* A tokenizer.json under whatever name, and the files that stand beside it. */
static eng_status from_json(const char *path, eng_arena *arena, eng_vocab *vocab, eng_error *err)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path + 1)) : strdup(".");
    if (!folder)
        return eng_fail(err, ENG_NOMEM, "%.300s: no memory for its name", path);
    int dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    eng_status status =
        dir_fd < 0 ? eng_fail(err, ENG_IO, "%.300s: %s", folder, strerror(errno))
                   : eng__hf_read_vocab(dir_fd, slash ? slash + 1 : path, arena, vocab, err);
    if (dir_fd >= 0)
        close(dir_fd);
    free(folder);
    return status;
}

static eng_status from_file(const char *path, eng_arena *arena, eng_vocab *vocab, eng_error *err)
{
    eng__file file;
    char magic[4] = "";
    eng_status status = eng__file_open(&file, AT_FDCWD, path, err);
    if (status == ENG_OK && file.size >= sizeof magic)
        status = eng__file_read(&file, 0, magic, sizeof magic, err);
    if (status == ENG_OK)
        status = memcmp(magic, "GGUF", sizeof magic) == 0 ? from_gguf(&file, arena, vocab, err)
                                                          : from_json(path, arena, vocab, err);
    eng__file_close(&file);
    return status;
}

eng_status eng__vocab_from_path(const char *path, eng_arena *arena, eng_vocab *vocab,
                                eng_error *err)
{
    int dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return from_file(path, arena, vocab, err);
    eng_status status = eng__hf_read_vocab(dir_fd, "tokenizer.json", arena, vocab, err);
    close(dir_fd);
    return status;
}
