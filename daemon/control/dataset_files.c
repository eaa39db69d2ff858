#include "control/dataset_files.h"

#include "api/error.h"
#include "base/limits.h"
#include "base/random.h"
#include "control/files.h"
#include "human/formats.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { WRITE_BYTES = 256 * 1024 };

/* A part on its way to the disk. */
typedef struct part_writer {
    data_file_draft *draft;
    crypto_hash_sha256_state sha256;
    uint64_t bytes;
    buf out;
} part_writer;

static bool flush(part_writer *w, api_error *err)
{
    error_text why;
    if (w->out.failed)
        return api_no_memory(err);
    crypto_hash_sha256_update(&w->sha256, (const unsigned char *)w->out.data, w->out.len);
    w->bytes += w->out.len;
    if (!data_file_write(w->draft, w->out.data, w->out.len, &why))
        return control_disk_fail(err, &why);
    buf_clear(&w->out);
    return true;
}

static bool write_rows(part_writer *w, const record_list *rows, record_part part, api_error *err)
{
    for (size_t i = 0; i < rows->n; i++) {
        const record *r = &rows->rows[i];
        if (r->fate != FATE_KEPT || r->part != part)
            continue;
        record_export(&w->out, r, FORMAT_INSTRUCTD);
        if ((w->out.failed || w->out.len >= WRITE_BYTES) && !flush(w, err))
            return false;
    }
    return w->out.len == 0 || flush(w, err);
}

static bool write_part(dataset_files *f, const control *c, const record_list *rows,
                       record_part part, api_error *err)
{
    error_text why;
    unsigned char digest[crypto_hash_sha256_BYTES];
    manifest_file *facts = &f->facts[part];
    part_writer w = {.draft = &f->drafts[part]};
    if (!data_file_begin(w.draft, c->data_dir, &why))
        return control_disk_fail(err, &why);
    crypto_hash_sha256_init(&w.sha256);
    buf_init(&w.out, LIMIT_DATASET_ROW_BYTES);
    const bool ok = write_rows(&w, rows, part, err);
    buf_free(&w.out);
    crypto_hash_sha256_final(&w.sha256, digest);
    sodium_bin2hex(facts->sha256, sizeof facts->sha256, digest, sizeof digest);
    facts->bytes = w.bytes;
    return ok;
}

bool dataset_files_write(dataset_files *f, const control *c, const record_list *rows,
                         const build_counts *counts, api_error *err)
{
    *f = (dataset_files){0};
    for (int part = 0; part < N_PARTS; part++)
        if (counts->rows[part] && !write_part(f, c, rows, (record_part)part, err))
            return false;
    return true;
}

/* What a plugin would call it. */
static const char *training_format(dataset_kind kind)
{
    return kind == DATASET_SFT ? "supervised" : kind == DATASET_PPO ? "ppo" : "reward_model";
}

static bool keep_part(dataset_files *f, const control *c, const char *name, dataset_kind kind,
                      const build_counts *counts, record_part part, api_error *err)
{
    char filename[128], id[40] = "file-";
    snprintf(filename, sizeof filename, "%.64s-%s.jsonl", name, record_part_text(part));
    random_hex(id + strlen(id), 12);
    const store_file row = {.id = id,
                            .filename = filename,
                            .purpose = (char *)"fine-tune",
                            .status = (char *)"processed",
                            .format = (char *)training_format(kind),
                            .sha256 = f->facts[part].sha256,
                            .bytes = f->facts[part].bytes,
                            .rows = counts->rows[part],
                            .created_at = time(NULL)};
    if (!control_file_keep(c, &f->drafts[part], &row, err))
        return false;
    memcpy(f->ids[part], id, sizeof id);
    return true;
}

bool dataset_files_keep(dataset_files *f, const control *c, const char *name, dataset_kind kind,
                        const build_counts *counts, api_error *err)
{
    for (int part = 0; part < N_PARTS; part++)
        if (counts->rows[part] && !keep_part(f, c, name, kind, counts, (record_part)part, err)) {
            dataset_files_unkeep(f, c);
            return false;
        }
    return true;
}

void dataset_files_unkeep(dataset_files *f, const control *c)
{
    error_text unused;
    for (int part = 0; part < N_PARTS; part++)
        if (f->ids[part][0] && store_file_delete(c->store, f->ids[part], &unused) == STORE_OK)
            data_file_remove(c->data_dir, f->ids[part], &unused);
}

void dataset_files_drop(dataset_files *f)
{
    for (int part = 0; part < N_PARTS; part++)
        data_file_drop(&f->drafts[part]);
}
