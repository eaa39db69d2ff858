#include "human/manifest.h"

#include "api/json_out.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

const char *record_part_text(record_part part)
{
    static const char *const texts[N_PARTS] = {"train", "valid", "test"};
    return texts[part];
}

/* "key":n, with a comma before it unless it is the first. */
static void put_count(buf *out, const char *before, const char *key, uint64_t n)
{
    buf_puts(out, before);
    json_cstring(out, key);
    buf_putc(out, ':');
    json_uint(out, n);
}

static void put_share(buf *out, const char *before, const char *key, uint32_t slots)
{
    buf_puts(out, before);
    json_cstring(out, key);
    buf_putc(out, ':');
    json_double(out, (double)slots / SPLIT_SLOTS);
}

void manifest_parameters_write(buf *out, const build_parameters *p)
{
    JSON_LIT(out, "{\"fractions\":");
    put_share(out, "{", "train", p->shares.train);
    put_share(out, ",", "valid", p->shares.valid);
    put_share(out, ",", "test", SPLIT_SLOTS - p->shares.train - p->shares.valid);
    put_count(out, "},", "cap_per_user", p->cap_per_user);
    JSON_LIT(out, ",\"salt\":");
    json_cstring(out, p->salt);
    put_count(out, ",", "seed", p->seed);
    buf_putc(out, '}');
}

static void put_source(buf *out, const manifest *m)
{
    if (!m->source_sha256) {
        JSON_LIT(out, "{\"type\":\"store\"}");
        return;
    }
    JSON_LIT(out, "{\"type\":\"file\",\"sha256\":");
    json_cstring(out, m->source_sha256);
    JSON_LIT(out, ",\"format\":");
    json_cstring(out, m->source_format);
    buf_putc(out, '}');
}

/* A stage that takes rows away; *n is what it began with, then what is left. */
static void put_stage(buf *out, const char *name, uint64_t *n, uint64_t gone)
{
    JSON_LIT(out, ",{\"stage\":");
    json_cstring(out, name);
    put_count(out, ",", "in", *n);
    *n -= gone;
    put_count(out, ",", "out", *n);
}

static void put_split(buf *out, const build_counts *c)
{
    JSON_LIT(out, "},{\"stage\":\"split\"");
    for (int part = 0; part < N_PARTS; part++)
        put_count(out, ",", record_part_text((record_part)part), c->split[part]);
}

/* Why rows were left out; reasons that there were none of are not told. */
static void put_kind(buf *out, const char **before, const char *name, uint64_t n)
{
    if (n)
        put_count(out, *before, name, n);
    *before = n ? "," : *before;
}

static void put_consent(buf *out, const manifest *m)
{
    const char *before = "";
    const store_withheld *w = &m->withheld;
    JSON_LIT(out, "[{\"stage\":\"consent\"");
    put_count(out, ",", "in", m->counts->read + w->declined + w->erased);
    put_count(out, ",", "out", m->counts->read);
    JSON_LIT(out, ",\"kinds\":{");
    put_kind(out, &before, "declined", w->declined);
    put_kind(out, &before, "erased", w->erased);
    JSON_LIT(out, "}}");
}

static void put_kinds(buf *out, const build_counts *c)
{
    const char *before = "";
    JSON_LIT(out, ",\"kinds\":{");
    for (int k = 0; k < PII_KINDS; k++)
        put_kind(out, &before, pii_kind_text((pii_kind)k), c->pii_kinds[k]);
    JSON_LIT(out, "},\"not_looked_for\":[\"names\",\"postal addresses\"]");
}

static void put_tags(buf *out, const build_counts *c)
{
    JSON_LIT(out, "},{\"stage\":\"tags\",\"categories\":{");
    for (size_t i = 0; i < c->n_tags; i++)
        put_count(out, i ? "," : "", c->tags[i].name, c->tags[i].rows);
    JSON_LIT(out, "}}");
}

static void put_stages(buf *out, const manifest *m)
{
    const build_counts *c = m->counts;
    uint64_t n = c->read, train = c->split[PART_TRAIN];
    put_consent(out, m);
    put_stage(out, "fit", &n, c->unfit);
    buf_putc(out, '}');
    put_stage(out, "cap", &n, c->capped);
    buf_putc(out, '}');
    put_stage(out, "dedupe", &n, c->duplicates);
    put_split(out, c);
    buf_putc(out, '}');
    put_stage(out, "pii", &train, c->pii);
    put_kinds(out, c);
    put_tags(out, c);
    buf_putc(out, ']');
}

static void put_files(buf *out, const manifest *m)
{
    const char *before = "{";
    for (int part = 0; part < N_PARTS; part++) {
        const manifest_file *f = &m->files[part];
        buf_puts(out, before);
        before = ",";
        json_cstring(out, record_part_text((record_part)part));
        put_count(out, ":{", "rows", m->counts->rows[part]);
        put_count(out, ",", "pairs", m->counts->pairs[part]);
        put_count(out, ",", "bytes", f->bytes);
        JSON_LIT(out, ",\"sha256\":");
        json_cstring(out, f->sha256[0] ? f->sha256 : NULL);
        buf_putc(out, '}');
    }
    buf_putc(out, '}');
}

void manifest_write(buf *out, const manifest *m)
{
    JSON_LIT(out, "{\"version\":1,\"kind\":");
    json_cstring(out, dataset_kind_text(m->parameters->kind));
    JSON_LIT(out, ",\"source\":");
    put_source(out, m);
    JSON_LIT(out, ",\"parameters\":");
    manifest_parameters_write(out, m->parameters);
    JSON_LIT(out, ",\"stages\":");
    put_stages(out, m);
    JSON_LIT(out, ",\"files\":");
    put_files(out, m);
    buf_putc(out, '}');
}

void manifest_id(char out[DATASET_ID_BYTES], const buf *written)
{
    unsigned char digest[crypto_hash_sha256_BYTES];
    char hex[2 * sizeof digest + 1];
    crypto_hash_sha256(digest, (const unsigned char *)written->data, written->len);
    sodium_bin2hex(hex, sizeof hex, digest, sizeof digest);
    snprintf(out, DATASET_ID_BYTES, "ds_%.16s", hex);
}
