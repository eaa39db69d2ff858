#include "rlhf/tensor_file.h"

#include "formats/file.h"
#include "formats/safetensors.h"
#include "formats/safetensors_out.h"
#include "formats/text_out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAME_BYTES = 128, HEADER_BYTES = 16 * 1024 * 1024 };

size_t tensor_file_parts(const checkpoint_part *parts, size_t n)
{
    size_t i = 1;
    while (i < n && strcmp(parts[i].file, parts[0].file) == 0)
        i++;
    return i;
}

/* ---- writing ---- */

typedef struct out_file {
    int fd;
    const char *name;
    eng_sha256 sha;
} out_file;

static job_code failed(const out_file *f, const char *call, eng_error *err)
{
    return code_fail(err, INSTRUCTD_E_IO, "checkpoint file %s: %s: %s", f->name, call,
                     strerror(errno));
}

static job_code out_open(out_file *f, int dir_fd, const char *name, eng_error *err)
{
    *f = (out_file){.name = name};
    eng_sha256_init(&f->sha);
    f->fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return f->fd < 0 ? failed(f, "open", err) : INSTRUCTD_OK;
}

static job_code out_put(out_file *f, const void *data, size_t n, eng_error *err)
{
    eng_sha256_update(&f->sha, data, n);
    return eng__write_all(f->fd, data, n) ? INSTRUCTD_OK : failed(f, "write", err);
}

static job_code out_close(out_file *f, job_code code, char hex[ENG_SHA256_HEX], eng_error *err)
{
    if (f->fd < 0)
        return code;
    if (code == INSTRUCTD_OK && fsync(f->fd) != 0)
        code = failed(f, "fsync", err);
    if (close(f->fd) != 0 && code == INSTRUCTD_OK)
        code = failed(f, "close", err);
    eng_sha256_final_hex(&f->sha, hex);
    return code;
}

job_code bytes_file_write(int dir_fd, const char *name, const void *bytes, size_t n,
                          char hex[ENG_SHA256_HEX], eng_error *err)
{
    out_file f;
    job_code code = out_open(&f, dir_fd, name, err);
    if (code == INSTRUCTD_OK)
        code = out_put(&f, bytes, n, err);
    return out_close(&f, code, hex, err);
}

typedef struct entry_list {
    eng__safetensors_entry *entries;
    char (*names)[NAME_BYTES];
    size_t n;
} entry_list;

static bool list_entries(entry_list *list, const checkpoint_part *parts, size_t n)
{
    uint32_t count;
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        eng_net_params(parts[i].net, &count);
        total += count;
    }
    list->entries = calloc(total, sizeof *list->entries);
    list->names = calloc(total, sizeof *list->names);
    if (!list->entries || !list->names)
        return false;
    for (size_t i = 0; i < n; i++) {
        const eng_param *params = eng_net_params(parts[i].net, &count);
        for (uint32_t k = 0; k < count; k++, list->n++) {
            const eng_param *p = &params[k];
            snprintf(list->names[list->n], NAME_BYTES, "%s%s", parts[i].prefix, p->name);
            list->entries[list->n] =
                (eng__safetensors_entry){.name = list->names[list->n],
                                         .dtype = ENG_F32,
                                         .n_dims = p->rows > 1 ? 2 : 1,
                                         .shape = {p->rows > 1 ? p->rows : p->cols, p->cols}};
        }
    }
    return true;
}

static job_code put_blocks(out_file *f, const checkpoint_part *parts, size_t n, eng_error *err)
{
    job_code code = INSTRUCTD_OK;
    for (size_t i = 0; i < n; i++) {
        uint32_t count;
        const eng_param *params = eng_net_params(parts[i].net, &count);
        for (uint32_t k = 0; k < count && code == INSTRUCTD_OK; k++)
            code = out_put(f, parts[i].floats + params[k].offset,
                           (size_t)params[k].rows * params[k].cols * sizeof(float), err);
    }
    return code;
}

job_code tensor_file_write(int dir_fd, const checkpoint_part *parts, size_t n,
                           char hex[ENG_SHA256_HEX], eng_error *err)
{
    out_file f = {.fd = -1};
    eng__text header;
    entry_list list = {0};
    job_code code = INSTRUCTD_OK;
    eng__text_init(&header, HEADER_BYTES);
    if (list_entries(&list, parts, n))
        eng__safetensors_put_header(&header, "{}", list.entries, list.n);
    if (header.failed || !header.data)
        code = code_fail(err, INSTRUCTD_E_NOMEM, "checkpoint file %s: no memory for its header",
                         parts[0].file);
    if (code == INSTRUCTD_OK)
        code = out_open(&f, dir_fd, parts[0].file, err);
    if (code == INSTRUCTD_OK)
        code = out_put(&f, header.data, header.len, err);
    if (code == INSTRUCTD_OK)
        code = put_blocks(&f, parts, n, err);
    eng__text_free(&header);
    free(list.entries);
    free(list.names);
    return out_close(&f, code, hex, err);
}

/* ---- reading ---- */

static job_code read_part(const eng__file *file, const eng__directory *dir,
                          const checkpoint_part *part, eng_error *err)
{
    uint32_t count;
    const eng_param *params = eng_net_params(part->net, &count);
    for (uint32_t k = 0; k < count; k++) {
        const eng_param *p = &params[k];
        const uint64_t n = (uint64_t)p->rows * p->cols;
        char name[NAME_BYTES];
        snprintf(name, sizeof name, "%s%s", part->prefix, p->name);
        const eng__stored *t = eng__directory_find(dir, name);
        if (!t || t->foreign || t->info.type != ENG_F32 || t->info.n_elements != n)
            return code_fail(err, INSTRUCTD_E_INVALID,
                             "checkpoint file %s: tensor %s is not there with %llu floats",
                             part->file, name, (unsigned long long)n);
        eng_status status =
            eng__file_read(file, t->offset, part->floats + p->offset, n * sizeof(float), err);
        if (status != ENG_OK)
            return code_of(status);
    }
    return INSTRUCTD_OK;
}

job_code tensor_file_read(int dir_fd, const checkpoint_part *parts, size_t n, eng_error *err)
{
    eng__file file;
    eng__directory dir;
    eng_arena arena;
    eng_status status = eng__file_open(&file, dir_fd, parts[0].file, err);
    if (status != ENG_OK)
        return code_of(status);
    eng_arena_init(&arena, (size_t)HEADER_BYTES * 8);
    job_code code = code_of(eng__safetensors_read(&dir, &file, &arena, err));
    for (size_t i = 0; i < n && code == INSTRUCTD_OK; i++)
        code = read_part(&file, &dir, &parts[i], err);
    eng_arena_free(&arena);
    eng__file_close(&file);
    return code;
}
