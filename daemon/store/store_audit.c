/* What was done, by whom, to what: rows that are only ever added, each holding the digest of the
 * one before. */
#include "store/store_internal.h"

#include "api/json_out.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROW_BYTES = 8192, HASH_BYTES = 2 * crypto_hash_sha256_BYTES + 1 };

#define COLUMNS "seq, at, actor, event, object, prev, hash"

void store_audit_free(store_audit *a)
{
    free(a->actor);
    free(a->event);
    free(a->object);
    free(a->prev);
    free(a->hash);
}

ON_STORE static void read_row(statement *q, void *row)
{
    store_audit *a = row;
    a->seq = column_u64(q);
    a->at = column_i64(q);
    a->actor = column_text(q);
    a->event = column_text(q);
    a->object = column_text(q);
    a->prev = column_text(q);
    a->hash = column_text(q);
}

static void free_row(void *row)
{
    store_audit_free(row);
}

static const row_table audit = {
    .rows = {sizeof(store_audit), read_row, free_row},
    .find = "SELECT seq FROM audit WHERE seq = ?",
    .newest = "SELECT " COLUMNS " FROM audit WHERE seq < ? ORDER BY seq DESC LIMIT ?",
};

/* ---- the chain ---- */

/* SHA-256 of prev and the row as compact JSON; false: no memory for it. */
static bool link_hash(char out[HASH_BYTES], const store_audit *a)
{
    unsigned char digest[crypto_hash_sha256_BYTES];
    buf row;
    buf_init(&row, ROW_BYTES);
    buf_puts(&row, a->prev);
    JSON_LIT(&row, "{\"seq\":");
    json_uint(&row, a->seq);
    JSON_LIT(&row, ",\"at\":");
    json_int(&row, a->at);
    JSON_LIT(&row, ",\"actor\":");
    json_cstring(&row, a->actor);
    JSON_LIT(&row, ",\"event\":");
    json_cstring(&row, a->event);
    JSON_LIT(&row, ",\"object\":");
    json_cstring(&row, a->object);
    buf_putc(&row, '}');
    const bool ok = !row.failed;
    if (ok)
        crypto_hash_sha256(digest, (const unsigned char *)row.data, row.len);
    buf_free(&row);
    if (ok)
        sodium_bin2hex(out, HASH_BYTES, digest, sizeof digest);
    return ok;
}

/* The end of the chain, or what stands before its first row. */
ON_STORE static store_status read_end(database *db, uint64_t *seq, char hash[HASH_BYTES],
                                      error_text *err)
{
    *seq = 0;
    memset(hash, '0', HASH_BYTES - 1);
    hash[HASH_BYTES - 1] = 0;
    statement q = statement_begin(db, "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1");
    if (statement_row(&q)) {
        *seq = column_u64(&q);
        char *text = column_text(&q);
        if (text)
            snprintf(hash, HASH_BYTES, "%s", text);
        free(text);
    }
    return statement_end(&q, err);
}

/* ---- adding ---- */

store_status store__audit(database *db, const char *actor, const char *event, const char *object,
                          error_text *err)
{
    uint64_t last;
    char prev[HASH_BYTES], hash[HASH_BYTES];
    const store_status status = read_end(db, &last, prev, err);
    if (status != STORE_OK)
        return status;
    const store_audit row = {.seq = last + 1,
                             .at = time(NULL),
                             .actor = (char *)(uintptr_t)(actor ? actor : "unknown"),
                             .event = (char *)(uintptr_t)event,
                             .object = (char *)(uintptr_t)object,
                             .prev = prev};
    if (!link_hash(hash, &row))
        return store__no_memory(err);
    statement q = statement_begin(db, "INSERT INTO audit (" COLUMNS ") VALUES (?,?,?,?,?,?,?)");
    bind_u64(&q, row.seq);
    bind_i64(&q, row.at);
    bind_text(&q, row.actor);
    bind_text(&q, row.event);
    bind_text(&q, row.object);
    bind_text(&q, row.prev);
    bind_text(&q, hash);
    return statement_run(&q, err);
}

/* ---- reading ---- */

store_status store_audit_list(store *s, store_page page, store_audit **rows, size_t *n, bool *more,
                              error_text *err)
{
    return store__list(s, &audit, (row_list){.page = page}, (void **)rows, n, more, err);
}

/* Does the row follow the end of those before it? Then it is the end. */
static bool follows(const store_audit *a, uint64_t *last, char end[HASH_BYTES])
{
    char hash[HASH_BYTES];
    const bool good = a->seq == *last + 1 && a->prev && a->hash && strcmp(a->prev, end) == 0 &&
                      link_hash(hash, a) && strcmp(a->hash, hash) == 0;
    *last = a->seq;
    if (good)
        memcpy(end, hash, sizeof hash);
    return good;
}

ON_STORE static store_status check(database *db, void *arg, error_text *err)
{
    store_audit_state *out = arg;
    char end[HASH_BYTES];
    uint64_t last = 0;
    memset(end, '0', HASH_BYTES - 1);
    end[HASH_BYTES - 1] = 0;
    *out = (store_audit_state){0};
    statement q = statement_begin(db, "SELECT " COLUMNS " FROM audit ORDER BY seq");
    while (!out->broken && statement_row(&q)) {
        store_audit a = {0};
        read_row(&q, &a);
        if (!follows(&a, &last, end))
            out->broken = a.seq;
        out->rows++;
        store_audit_free(&a);
    }
    memcpy(out->hash, end, sizeof out->hash);
    return statement_end(&q, err);
}

store_status store_audit_check(store *s, store_audit_state *out, error_text *err)
{
    return store__read(s, check, out, err);
}
