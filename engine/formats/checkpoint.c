#include "formats/checkpoint.h"

#include "base/json.h"
#include "formats/checkpoint_text.h"
#include "formats/file.h"
#include "formats/finite.h"
#include "formats/hf_tensor.h"
#include "formats/safetensors_out.h"
#include "formats/tensor_out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_TEXT_BYTES = 256 * 1024 * 1024, N_FILES = 5 };

typedef struct out_tensor {
    const eng_tensor_info *info;
    eng__hf_tensor hf; /* what it is in the directory */
    eng_dtype dtype;
} out_tensor;

typedef struct writer {
    const eng_source *src;
    const eng_checkpoint_options *options;
    eng_error *err;
    int dir_fd;
    out_tensor *tensors; /* [n_tensors], sorted by name */
    size_t n_tensors;
    eng__digest_entry *digests;       /* [n_tensors] */
    eng__digest_entry files[N_FILES]; /* those written so far */
    size_t n_files;
    bool manifest_begun;
} writer;

/* ---- files ---- */

typedef struct out_file {
    const char *name;
    int fd;
    uint64_t bytes;
    eng_sha256 sha;
} out_file;

static eng_status file_error(const writer *w, const char *name, const char *call)
{
    return eng_fail(w->err, ENG_IO, "%s: %s: %s", name, call, strerror(errno));
}

static eng_status file_begin(const writer *w, out_file *f, const char *name)
{
    *f = (out_file){.name = name};
    eng_sha256_init(&f->sha);
    f->fd = openat(w->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return f->fd < 0 ? file_error(w, name, "open") : ENG_OK;
}

static eng_status file_put(const writer *w, out_file *f, const void *data, size_t n)
{
    eng_sha256_update(&f->sha, data, n);
    f->bytes += n;
    return eng__write_all(f->fd, data, n) ? ENG_OK : file_error(w, f->name, "write");
}

/* Syncs and closes, and enters the file for the manifest; a file with an error is only closed. */
static eng_status file_end(writer *w, out_file *f, eng_status status)
{
    if (f->fd < 0)
        return status;
    if (status == ENG_OK && !eng__file_sync(f->fd))
        status = file_error(w, f->name, "fsync");
    if (close(f->fd) != 0 && status == ENG_OK)
        status = file_error(w, f->name, "close");
    eng__digest_entry *entry = &w->files[w->n_files++];
    entry->name = (char *)(uintptr_t)f->name;
    entry->bytes = f->bytes;
    eng_sha256_final_hex(&f->sha, entry->sha256);
    return status;
}

/* Texts are checked before they are written: a vocabulary may hold bytes that are no UTF-8. */
static eng_status write_text(writer *w, const char *name, eng__text *text)
{
    static const eng_json_rules rules = {
        .max_depth = 32, .unique_keys = true, .no_nul_escape = true, .top_object = true};
    out_file f;
    eng_error why;
    if (text->failed || !text->data)
        return eng_fail(w->err, ENG_NOMEM, "%s: no memory, or more than %d bytes", name,
                        MAX_TEXT_BYTES);
    eng_status status = eng_json_check(text->data, text->len, &rules, NULL, &why);
    if (status != ENG_OK)
        return eng_fail(w->err, status, "%s: %.400s", name, why.text);
    status = file_begin(w, &f, name);
    if (status == ENG_OK)
        status = file_put(w, &f, text->data, text->len);
    return file_end(w, &f, status);
}

/* ---- tensors ---- */

static int compare_out_tensors(const void *a, const void *b)
{
    return strcmp(((const out_tensor *)a)->hf.name, ((const out_tensor *)b)->hf.name);
}

static eng_status plan_tensor(const writer *w, const eng_tensor_info *info, out_tensor *t)
{
    *t = (out_tensor){.info = info, .dtype = info->n_dims == 2 ? w->options->dtype : ENG_F32};
    return eng__hf_tensor_of(&t->hf, eng__source_config(w->src), info, w->err);
}

static eng_status plan_tensors(writer *w)
{
    w->n_tensors = eng__source_n_tensors(w->src);
    w->tensors = calloc(w->n_tensors, sizeof *w->tensors);
    w->digests = calloc(w->n_tensors, sizeof *w->digests);
    if (!w->tensors || !w->digests)
        return eng_fail(w->err, ENG_NOMEM, "no memory for %zu tensors", w->n_tensors);
    for (size_t i = 0; i < w->n_tensors; i++) {
        eng_status status = plan_tensor(w, eng__source_tensor(w->src, i), &w->tensors[i]);
        if (status != ENG_OK)
            return status;
    }
    qsort(w->tensors, w->n_tensors, sizeof *w->tensors, compare_out_tensors);
    return ENG_OK;
}

static size_t bytes_of(const out_tensor *t)
{
    return (size_t)t->info->n_elements * eng_dtype_info_of((uint32_t)t->dtype)->block_bytes;
}

static eng_status put_header(const writer *w, eng__text *out)
{
    eng__safetensors_entry *entries = calloc(w->n_tensors, sizeof *entries);
    if (!entries)
        return eng_fail(w->err, ENG_NOMEM, "no memory for %zu tensors", w->n_tensors);
    for (size_t i = 0; i < w->n_tensors; i++) {
        const eng__hf_tensor *hf = &w->tensors[i].hf;
        entries[i] = (eng__safetensors_entry){.name = hf->name,
                                              .dtype = w->tensors[i].dtype,
                                              .n_dims = hf->n_dims,
                                              .shape = {hf->shape[0], hf->shape[1]}};
    }
    eng__safetensors_put_header(out, "{\"format\":\"pt\"}", entries, w->n_tensors);
    free(entries);
    return out->failed ? eng_fail(w->err, ENG_NOMEM, "model.safetensors: no memory for its header")
                       : ENG_OK;
}

static eng_status write_tensor(const writer *w, out_file *f, const out_tensor *t, float *data,
                               float *other, char sha256[ENG_SHA256_HEX])
{
    size_t n = (size_t)t->info->n_elements;
    eng_status status = w->options->read
                            ? w->options->read(w->options->read_ctx, t->info, data, w->err)
                            : eng__source_read_f32(w->src, t->info, data, w->err);
    if (status != ENG_OK)
        return status;
    if (!eng__is_finite(ENG_F32, data, n))
        return eng_fail(w->err, ENG_INVALID, "tensor %s: a weight that is not finite",
                        t->info->name);
    float *laid_out = eng__hf_relayout(&t->hf, eng__source_config(w->src), data, other);
    eng__narrow(laid_out, n, t->dtype);
    eng_sha256_hex(laid_out, bytes_of(t), sha256);
    return file_put(w, f, laid_out, bytes_of(t));
}

/* The most floats that a tensor has, and that laying one out needs beside them. */
typedef struct tensor_room {
    size_t data, other;
} tensor_room;

static void add_room(tensor_room *room, const eng_tensor_info *info, const eng__hf_tensor *hf,
                     const eng_config *config)
{
    const size_t data = (size_t)info->n_elements, other = eng__hf_relayout_floats(hf, config);
    room->data = data > room->data ? data : room->data;
    room->other = other > room->other ? other : room->other;
}

static eng_status write_tensors(writer *w, out_file *f)
{
    tensor_room room = {1, 1};
    for (size_t i = 0; i < w->n_tensors; i++)
        add_room(&room, w->tensors[i].info, &w->tensors[i].hf, eng__source_config(w->src));
    if (room.data > SIZE_MAX / sizeof(float))
        return eng_fail(w->err, ENG_NOMEM, "no memory for %zu elements", room.data);
    float *data = malloc(room.data * sizeof *data), *other = malloc(room.other * sizeof *other);
    eng_status status = ENG_OK;
    if (!data || !other)
        status =
            eng_fail(w->err, ENG_NOMEM, "no memory for %zu and %zu floats", room.data, room.other);
    for (size_t i = 0; i < w->n_tensors && status == ENG_OK; i++) {
        w->digests[i].name = w->tensors[i].hf.name;
        status = write_tensor(w, f, &w->tensors[i], data, other, w->digests[i].sha256);
    }
    free(other);
    free(data);
    return status;
}

static eng_status write_safetensors(writer *w)
{
    out_file f = {.fd = -1};
    eng__text header;
    eng__text_init(&header, MAX_TEXT_BYTES);
    eng_status status = put_header(w, &header);
    if (status == ENG_OK)
        status = file_begin(w, &f, "model.safetensors");
    if (status == ENG_OK)
        status = file_put(w, &f, header.data, header.len);
    if (status == ENG_OK)
        status = write_tensors(w, &f);
    eng__text_free(&header);
    return file_end(w, &f, status);
}

/* ---- the directory ---- */

/* In the order of their names, as the manifest lists them. */
static eng_status write_files(writer *w)
{
    const eng_vocab *vocab = eng__source_vocab(w->src);
    eng__text text;
    eng__text_init(&text, MAX_TEXT_BYTES);
    eng__checkpoint_config(&text, w->src, w->options->dtype);
    eng_status status = write_text(w, "config.json", &text);
    if (status == ENG_OK) {
        text.len = 0;
        eng__checkpoint_generation_config(&text, vocab);
        status = write_text(w, "generation_config.json", &text);
    }
    if (status == ENG_OK)
        status = write_safetensors(w);
    if (status == ENG_OK) {
        text.len = 0;
        eng__checkpoint_tokenizer(&text, vocab);
        status = write_text(w, "tokenizer.json", &text);
    }
    if (status == ENG_OK) {
        text.len = 0;
        eng__checkpoint_tokenizer_config(&text, w->src);
        status = write_text(w, "tokenizer_config.json", &text);
    }
    eng__text_free(&text);
    return status;
}

static eng_status write_manifest(writer *w, char id[ENG_POLICY_ID_BYTES])
{
    eng__text text;
    out_file f = {.fd = -1};
    char digest[ENG_SHA256_HEX];
    eng__text_init(&text, MAX_TEXT_BYTES);
    eng__checkpoint_manifest(&text, w->options, w->files, w->n_files, w->digests, w->n_tensors);
    eng_status status = text.failed ? eng_fail(w->err, ENG_NOMEM, "manifest.json: no memory")
                                    : file_begin(w, &f, "manifest.json");
    w->manifest_begun = status == ENG_OK;
    if (status == ENG_OK)
        status = file_put(w, &f, text.data, text.len);
    if (status == ENG_OK && !eng__file_sync(f.fd))
        status = file_error(w, "manifest.json", "fsync");
    if (f.fd >= 0 && close(f.fd) != 0 && status == ENG_OK)
        status = file_error(w, "manifest.json", "close");
    if (status == ENG_OK && !eng__file_sync(w->dir_fd))
        status = file_error(w, "the directory", "fsync");
    if (status == ENG_OK) {
        eng_sha256_hex(text.data, text.len, digest);
        snprintf(id, ENG_POLICY_ID_BYTES, "pol_%.16s", digest);
    }
    eng__text_free(&text);
    return status;
}

static eng_status open_dir(writer *w, const char *dir, bool *created)
{
    *created = mkdir(dir, 0700) == 0;
    if (!*created && errno != EEXIST)
        return file_error(w, dir, "mkdir");
    w->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (w->dir_fd < 0)
        return file_error(w, dir, "open");
    if (faccessat(w->dir_fd, "manifest.json", F_OK, 0) == 0)
        return eng_fail(w->err, ENG_INVALID, "%s: holds a checkpoint already", dir);
    return ENG_OK;
}

static void remove_written(const writer *w, const char *dir, bool created)
{
    for (size_t i = 0; i < w->n_files; i++)
        unlinkat(w->dir_fd, w->files[i].name, 0);
    if (w->manifest_begun)
        unlinkat(w->dir_fd, "manifest.json", 0);
    if (created)
        rmdir(dir);
}

eng_status eng_checkpoint_write(const eng_source *src, const char *dir,
                                const eng_checkpoint_options *options, char id[ENG_POLICY_ID_BYTES],
                                eng_error *err)
{
    static const eng_checkpoint_options defaults;
    writer w = {.src = src, .options = options ? options : &defaults, .err = err, .dir_fd = -1};
    bool created = false;
    if (w.options->dtype != ENG_F32 && w.options->dtype != ENG_BF16)
        return eng_fail(err, ENG_INVALID, "a checkpoint of type %d, expected f32 or bf16",
                        (int)w.options->dtype);
    eng_status status = plan_tensors(&w);
    if (status == ENG_OK)
        status = open_dir(&w, dir, &created);
    if (status == ENG_OK)
        status = write_files(&w);
    if (status == ENG_OK)
        status = write_manifest(&w, id);
    if (status != ENG_OK)
        remove_written(&w, dir, created);
    if (w.dir_fd >= 0)
        close(w.dir_fd);
    free(w.tensors);
    free(w.digests);
    return status;
}

eng_status eng_checkpoint_write_weights(const char *base, const eng_weights *weights,
                                        const char *dir, const eng_checkpoint_options *options,
                                        char id[ENG_POLICY_ID_BYTES], eng_error *err)
{
    eng_checkpoint_options o = options ? *options : (eng_checkpoint_options){0};
    eng_source *src;
    eng_status status = eng__source_open(&src, base, err);
    if (status != ENG_OK)
        return status;
    o.read = NULL;
    status = eng__source_take_weights(src, weights, err);
    if (status == ENG_OK)
        status = eng_checkpoint_write(src, dir, &o, id, err);
    eng__source_close(src);
    return status;
}

void eng__checkpoint_scratch(const eng_source *src, size_t *scratch, size_t *turned)
{
    tensor_room room = {0};
    const eng_config *config = eng__source_config(src);
    *turned = 0;
    for (size_t i = 0; i < eng__source_n_tensors(src); i++) {
        const eng_tensor_info *info = eng__source_tensor(src, i);
        eng__hf_tensor hf;
        eng_error ignored; /* what has no place in a directory is refused before it is held */
        if (eng__hf_tensor_of(&hf, config, info, &ignored) != ENG_OK)
            continue;
        add_room(&room, info, &hf, config);
        const size_t bytes = hf.conv1d ? (size_t)info->n_elements * sizeof(float) : 0;
        *turned = bytes > *turned ? bytes : *turned;
    }
    *scratch = (room.data + room.other) * sizeof(float);
}
