#include "base/json.h"
#include "formats/checkpoint.h"
#include "formats/checkpoint_text.h"
#include "formats/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long long ull; /* for %llu */

static const char manifest_format[] = "instructd-policy/1";
enum { MAX_MANIFEST_BYTES = 64 * 1024 * 1024, MAX_FILES = 64 };

/* ---- writing: keys sorted, no spaces ---- */

static void put_string(eng__text *out, const char *key, const char *v)
{
    eng__text_printf(out, "\"%s\":", key);
    eng__text_json(out, v, v ? strlen(v) : 0);
}

static void put_optional(eng__text *out, const char *key, const double *v)
{
    eng__text_printf(out, "\"%s\":", key);
    if (v)
        eng__text_double(out, *v);
    else
        eng__text_put(out, "null", 4);
}

static void put_files(eng__text *out, const eng__digest_entry *files, size_t n)
{
    eng__text_printf(out, "\"files\":{");
    for (size_t i = 0; i < n; i++) {
        eng__text_put(out, ",", i != 0);
        eng__text_json(out, files[i].name, strlen(files[i].name));
        eng__text_printf(out, ":{\"bytes\":%llu,\"sha256\":\"%s\"}", (ull)files[i].bytes,
                         files[i].sha256);
    }
    eng__text_printf(out, "},");
}

static void put_lineage(eng__text *out, const eng_checkpoint_options *o)
{
    eng__text_printf(out, "\"lineage\":{");
    put_string(out, "code_rev", o->code_rev);
    eng__text_printf(out, ",\"datasets\":[");
    for (size_t i = 0; i < o->n_datasets; i++) {
        eng__text_put(out, ",", i != 0);
        eng__text_json(out, o->datasets[i], strlen(o->datasets[i]));
    }
    eng__text_printf(out, "],");
    put_string(out, "job_spec_sha256", o->job_spec_sha256);
    eng__text_put(out, ",", 1);
    put_optional(out, "kl_coef", o->kl_coef);
    eng__text_put(out, ",", 1);
    put_string(out, "parent", o->parent);
    eng__text_put(out, ",", 1);
    put_optional(out, "ptx_coef", o->ptx_coef);
    eng__text_put(out, ",", 1);
    put_string(out, "reward_model", o->reward_model);
    if (o->seed)
        eng__text_printf(out, ",\"seed\":%llu},", (ull)*o->seed);
    else
        eng__text_printf(out, ",\"seed\":null},");
}

static int compare_metrics(const void *a, const void *b)
{
    return strcmp(((const eng_checkpoint_metric *)a)->name,
                  ((const eng_checkpoint_metric *)b)->name);
}

static void put_metrics(eng__text *out, const eng_checkpoint_options *o)
{
    size_t bytes = o->n_metrics * sizeof *o->metrics;
    eng_checkpoint_metric *sorted = malloc(bytes + 1);
    if (!sorted) {
        out->failed = true;
        return;
    }
    if (bytes)
        memcpy(sorted, o->metrics, bytes);
    qsort(sorted, o->n_metrics, sizeof *sorted, compare_metrics);
    eng__text_printf(out, "\"metrics\":{");
    for (size_t i = 0; i < o->n_metrics; i++) {
        eng__text_put(out, ",", i != 0);
        eng__text_json(out, sorted[i].name, strlen(sorted[i].name));
        eng__text_put(out, ":", 1);
        eng__text_double(out, sorted[i].value);
    }
    eng__text_printf(out, "},");
    free(sorted);
}

static void put_tensors(eng__text *out, const eng__digest_entry *tensors, size_t n)
{
    eng__text_printf(out, "\"tensors\":{");
    for (size_t i = 0; i < n; i++) {
        eng__text_put(out, ",", i != 0);
        eng__text_json(out, tensors[i].name, strlen(tensors[i].name));
        eng__text_printf(out, ":\"%s\"", tensors[i].sha256);
    }
    eng__text_printf(out, "},");
}

void eng__checkpoint_manifest(eng__text *out, const eng_checkpoint_options *o,
                              const eng__digest_entry *files, size_t n_files,
                              const eng__digest_entry *tensors, size_t n_tensors)
{
    eng__text_printf(out, "{\"dtype\":\"%s\",", o->dtype == ENG_BF16 ? "bf16" : "f32");
    put_files(out, files, n_files);
    eng__text_printf(out, "\"format\":\"%s\",", manifest_format);
    put_lineage(out, o);
    put_metrics(out, o);
    put_string(out, "stage", o->stage ? o->stage : "base");
    eng__text_put(out, ",", 1);
    put_tensors(out, tensors, n_tensors);
    const char *tokenizer = NULL;
    for (size_t i = 0; i < n_files; i++)
        if (strcmp(files[i].name, "tokenizer.json") == 0)
            tokenizer = files[i].sha256;
    put_string(out, "tokenizer_sha256", tokenizer);
    eng__text_put(out, "}", 1);
}

/* ---- checking ---- */

/* Names come from the manifest, which is a file like any other: they may not leave the directory.
 */
static bool is_plain_name(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t n = strlen(name);
    return n > 0 && n < 128 && name[0] != '.' && strspn(name, allowed) == n;
}

static eng_status check_file(int dir_fd, const eng_json *entry, bool digests, eng_error *err)
{
    const char *name = entry->key, *sha256 = eng_json_string(eng_json_get(entry, "sha256"));
    char hex[ENG_SHA256_HEX];
    uint64_t bytes;
    eng__file file;
    if (!is_plain_name(name))
        return eng_fail(err, ENG_FORMAT,
                        "manifest.json, files: \"%.100s\" is not a plain file name", name);
    if (!sha256 || !eng_json_uint(eng_json_get(entry, "bytes"), 0, (uint64_t)1 << 53, &bytes))
        return eng_fail(err, ENG_FORMAT, "manifest.json, %s: no bytes or sha256", name);
    if (faccessat(dir_fd, name, F_OK, 0) != 0 && errno == ENOENT)
        return eng_fail(err, ENG_FORMAT, "%s: missing, manifest.json lists it", name);
    eng_status status = eng__file_open(&file, dir_fd, name, err);
    if (status != ENG_OK)
        return status;
    if (file.size != bytes)
        status = eng_fail(err, ENG_FORMAT, "%s: %llu bytes, manifest.json says %llu", name,
                          (ull)file.size, (ull)bytes);
    else if (digests)
        status = eng__file_digest(&file, hex, err);
    if (status == ENG_OK && digests && strcmp(hex, sha256) != 0)
        status = eng_fail(err, ENG_FORMAT, "%s: SHA-256 %s, manifest.json says %.64s", name, hex,
                          sha256);
    eng__file_close(&file);
    return status;
}

static eng_status check_root(int dir_fd, const eng_json *root, bool digests, eng_error *err)
{
    const char *format = eng_json_string(eng_json_get(root, "format"));
    const eng_json *files = eng_json_get(root, "files");
    if (!format || strcmp(format, manifest_format) != 0)
        return eng_fail(err, ENG_UNSUPPORTED, "manifest.json, format: %.60s, expected %s",
                        format ? format : "none", manifest_format);
    if (!eng_json_is(files, ENG_JSON_OBJECT) || files->n > MAX_FILES)
        return eng_fail(err, ENG_FORMAT, "manifest.json, files: expected an object of at most %d",
                        MAX_FILES);
    if (!eng_json_get(files, "model.safetensors") || !eng_json_get(files, "config.json") ||
        !eng_json_get(files, "tokenizer.json"))
        return eng_fail(err, ENG_FORMAT,
                        "manifest.json, files: model.safetensors, config.json or "
                        "tokenizer.json is not among them");
    eng_status status = ENG_OK;
    for (uint32_t i = 0; i < files->n && status == ENG_OK; i++)
        status = check_file(dir_fd, &files->items[i], digests, err);
    return status;
}

/* A manifest in memory; freed by close_manifest, also after a failure. */
typedef struct manifest {
    char *text;
    size_t len;
    eng_arena arena;
    const eng_json *root;
} manifest;

static eng_status open_manifest(manifest *m, int dir_fd, eng_error *err)
{
    eng_error why;
    *m = (manifest){0};
    eng_arena_init(&m->arena, 0);
    if (faccessat(dir_fd, "manifest.json", F_OK, 0) != 0 && errno == ENOENT)
        return eng_fail(err, ENG_FORMAT, "manifest.json: missing");
    eng_status status =
        eng__file_slurp(dir_fd, "manifest.json", MAX_MANIFEST_BYTES, &m->text, &m->len, err);
    if (status != ENG_OK)
        return status;
    eng_arena_init(&m->arena, 16 * m->len + (1u << 20));
    status = eng_json_parse(&m->root, m->text, m->len, &m->arena, &why);
    return status == ENG_OK ? status : eng_fail(err, status, "manifest.json: %.400s", why.text);
}

static void close_manifest(manifest *m)
{
    eng_arena_free(&m->arena);
    free(m->text);
}

/* digest may be NULL. */
static eng_status check_manifest(int dir_fd, bool digests, char *digest, eng_error *err)
{
    manifest m;
    eng_status status = open_manifest(&m, dir_fd, err);
    if (status == ENG_OK && digest)
        eng_sha256_hex(m.text, m.len, digest);
    if (status == ENG_OK)
        status = check_root(dir_fd, m.root, digests, err);
    close_manifest(&m);
    return status;
}

eng_status eng__manifest_check(int dir_fd, bool digests, eng_error *err)
{
    return check_manifest(dir_fd, digests, NULL, err);
}

eng_status eng_checkpoint_verify(const char *dir, char id[ENG_POLICY_ID_BYTES], eng_error *err)
{
    char digest[ENG_SHA256_HEX];
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return eng_fail(err, ENG_IO, "%s: %s", dir, strerror(errno));
    eng_status status = check_manifest(dir_fd, true, digest, err);
    close(dir_fd);
    if (status == ENG_OK && id)
        snprintf(id, ENG_POLICY_ID_BYTES, "pol_%.16s", digest);
    return status;
}

eng_status eng_checkpoint_stage(const char *dir, char *out, size_t cap, eng_error *err)
{
    manifest m;
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return eng_fail(err, ENG_IO, "%s: %s", dir, strerror(errno));
    eng_status status = open_manifest(&m, dir_fd, err);
    const char *stage = status == ENG_OK ? eng_json_string(eng_json_get(m.root, "stage")) : NULL;
    if (stage)
        snprintf(out, cap, "%s", stage);
    else if (status == ENG_OK)
        status = eng_fail(err, ENG_FORMAT, "manifest.json, stage: expected a string");
    close_manifest(&m);
    close(dir_fd);
    return status;
}
