#include "store/store_internal.h"

#include <stdlib.h>

#define COLUMNS                                                                                    \
    "id, filename, purpose, status, status_details, format, sha256, bytes, rows, created_at"

void store_file_free(store_file *f)
{
    free(f->id);
    free(f->filename);
    free(f->purpose);
    free(f->status);
    free(f->status_details);
    free(f->format);
    free(f->sha256);
}

ON_STORE static void read_row(statement *q, void *row)
{
    store_file *f = row;
    f->id = column_text(q);
    f->filename = column_text(q);
    f->purpose = column_text(q);
    f->status = column_text(q);
    f->status_details = column_text(q);
    f->format = column_text(q);
    f->sha256 = column_text(q);
    f->bytes = column_u64(q);
    f->rows = column_u64(q);
    f->created_at = column_i64(q);
}

static void free_row(void *row)
{
    store_file_free(row);
}

static const row_table files = {
    .rows = {sizeof(store_file), read_row, free_row},
    .what = "file of this id",
    .get = "SELECT " COLUMNS " FROM files WHERE id = ?",
    .find = "SELECT row FROM files WHERE id = ?",
    .newest = "SELECT " COLUMNS " FROM files WHERE row < ? ORDER BY row DESC LIMIT ?",
    .oldest = "SELECT " COLUMNS " FROM files WHERE row > ? ORDER BY row LIMIT ?",
};

ON_STORE static store_status insert(database *db, void *arg, error_text *err)
{
    const store_file *f = arg;
    statement q =
        statement_begin(db, "INSERT INTO files (" COLUMNS ") VALUES (?,?,?,?,?,?,?,?,?,?)");
    bind_text(&q, f->id);
    bind_text(&q, f->filename);
    bind_text(&q, f->purpose);
    bind_text(&q, f->status);
    bind_text(&q, f->status_details);
    bind_text(&q, f->format);
    bind_text(&q, f->sha256);
    bind_u64(&q, f->bytes);
    bind_u64(&q, f->rows);
    bind_i64(&q, f->created_at);
    return statement_run(&q, err);
}

store_status store_file_insert(store *s, const store_file *f, error_text *err)
{
    return store__write(s, insert, (void *)f, err);
}

store_status store_file_get(store *s, const char *id, store_file *out, error_text *err)
{
    return store__get(s, &files, id, out, err);
}

store_status store_file_list(store *s, store_page page, store_file **rows, size_t *n, bool *more,
                             error_text *err)
{
    return store__list(s, &files, (row_list){.page = page}, (void **)rows, n, more, err);
}

/* STORE_CONFLICT when a job that has not ended names the file, be it inside its method's object. */
ON_STORE static store_status check_unused(database *db, const char *id, error_text *err)
{
    statement q = statement_begin(db, "SELECT id FROM jobs WHERE ((1 << status) & ?1) AND"
                                      " (training_file = ?2 OR validation_file = ?2 OR"
                                      " instr(method_json, '\"' || ?2 || '\"') > 0) LIMIT 1");
    bind_i64(&q, STORE_JOB_LIVE);
    bind_text(&q, id);
    char *job = statement_row(&q) ? column_text(&q) : NULL;
    store_status status = statement_end(&q, err);
    if (status == STORE_OK && job) {
        error_text_set(err, "the job %s needs this file", job);
        status = STORE_CONFLICT;
    }
    free(job);
    return status;
}

ON_STORE static store_status delete (database *db, void *arg, error_text *err)
{
    const char *id = arg;
    store_status status = check_unused(db, id, err);
    if (status != STORE_OK)
        return status;
    statement q = statement_begin(db, "DELETE FROM files WHERE id = ?");
    bind_text(&q, id);
    status = statement_run(&q, err);
    if (status == STORE_OK && database_changes(db) == 0) {
        error_text_set(err, "no file of this id");
        status = STORE_NOT_FOUND;
    }
    return status;
}

store_status store_file_delete(store *s, const char *id, error_text *err)
{
    return store__write(s, delete, (void *)id, err);
}
