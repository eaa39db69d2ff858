#include "store/store_internal.h"

#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COLUMNS "id, seq, created_at, level, type, message, data_json"

void store_event_free(store_event *e)
{
    free(e->id);
    free(e->level);
    free(e->type);
    free(e->message);
    free(e->data_json);
}

ON_STORE static void read_row(statement *q, void *row)
{
    store_event *e = row;
    e->id = column_text(q);
    e->seq = column_u64(q);
    e->created_at = column_i64(q);
    e->level = column_text(q);
    e->type = column_text(q);
    e->message = column_text(q);
    e->data_json = column_text(q);
}

static void free_row(void *row)
{
    store_event_free(row);
}

static const row_table events = {
    .rows = {sizeof(store_event), read_row, free_row},
    .find = "SELECT seq FROM events WHERE id = ? AND job = ?",
    .newest = "SELECT " COLUMNS " FROM events WHERE job = ? AND seq < ? ORDER BY seq DESC LIMIT ?",
};

/* ---- appending ---- */

typedef struct append_write {
    store_queued queued;
    char *job;
    store_event event; /* seq: 0 until it was first given one */
    uint64_t *tell;    /* of the caller while it waits: takes seq */
} append_write;

static void free_append(store_queued *w)
{
    append_write *a = (append_write *)(void *)w;
    free(a->job);
    store_event_free(&a->event);
    free(a);
}

ON_STORE static store_status next_seq(database *db, const char *job, uint64_t *seq, error_text *err)
{
    statement q = statement_begin(db, "SELECT coalesce(max(seq), 0) + 1 FROM events WHERE job = ?");
    bind_text(&q, job);
    if (statement_row(&q))
        *seq = column_u64(&q);
    return statement_end(&q, err);
}

ON_STORE static store_status append(database *db, void *arg, error_text *err)
{
    append_write *a = arg;
    store_event *e = &a->event;
    if (!e->seq) {
        const store_status status = next_seq(db, a->job, &e->seq, err);
        if (status != STORE_OK)
            return status;
        *a->tell = e->seq;
    }
    statement q =
        statement_begin(db, "INSERT INTO events (job, " COLUMNS ") VALUES (?,?,?,?,?,?,?,?)");
    bind_text(&q, a->job);
    bind_text(&q, e->id);
    bind_u64(&q, e->seq);
    bind_i64(&q, e->created_at);
    bind_text(&q, e->level);
    bind_text(&q, e->type);
    bind_text(&q, e->message);
    bind_text(&q, e->data_json);
    return statement_run(&q, err);
}

/* Copies all strings of `from`. False: memory is out, and `to` holds nothing. */
static bool copy_event(store_event *to, const store_event *from)
{
    *to = (store_event){.seq = from->seq, .created_at = from->created_at};
    to->id = strdup(from->id);
    to->level = strdup(from->level);
    to->type = strdup(from->type);
    to->message = strdup(from->message);
    to->data_json = from->data_json ? strdup(from->data_json) : NULL;
    if (to->id && to->level && to->type && to->message && (to->data_json || !from->data_json))
        return true;
    store_event_free(to);
    *to = (store_event){0};
    return false;
}

store_status store_event_append(store *s, const char *job, const char *level, const char *type,
                                const char *message, const char *data_json, store_event *out,
                                error_text *err)
{
    char id[sizeof "ftevent-" + 24] = "ftevent-";
    uint64_t seq = 0;
    random_hex(id + strlen(id), 12);
    const store_event event = {.id = id,
                               .created_at = time(NULL),
                               .level = (char *)level,
                               .type = (char *)type,
                               .message = (char *)message,
                               .data_json = (char *)data_json};
    if (out && !copy_event(out, &event))
        return store__no_memory(err);
    append_write *a = calloc(1, sizeof *a);
    store_status status = STORE_UNAVAILABLE;
    if (a && (a->job = strdup(job)) && copy_event(&a->event, &event)) {
        a->queued = (store_queued){.op = append, .free = free_append};
        a->tell = &seq;
        status = store__queue(s, &a->queued, err);
    } else {
        if (a)
            free_append(&a->queued);
        store__no_memory(err);
    }
    if (out && status == STORE_OK)
        out->seq = seq;
    if (out && status != STORE_OK) {
        store_event_free(out);
        *out = (store_event){0};
    }
    return status;
}

/* ---- reading ---- */

store_status store_event_list(store *s, const char *job, store_page page, store_event **rows,
                              size_t *n, bool *more, error_text *err)
{
    const row_list of_job = {.page = page, .of = job};
    return store__list(s, &events, of_job, (void **)rows, n, more, err);
}

store_status store_event_since(store *s, const char *job, uint64_t since, uint32_t limit,
                               store_event **rows, size_t *n, error_text *err)
{
    return store__beyond(s,
                         "SELECT " COLUMNS " FROM events WHERE job = ? AND seq > ?"
                         " ORDER BY seq LIMIT ?",
                         &events.rows, job, since, limit, (void **)rows, n, err);
}
