#include "store/store_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define COLUMNS "id, stage, state, job, created_at"

void store_policy_free(store_policy *p)
{
    free(p->id);
    free(p->stage);
    free(p->state);
    free(p->job);
}

ON_STORE static void read_row(statement *q, void *row)
{
    store_policy *p = row;
    p->id = column_text(q);
    p->stage = column_text(q);
    p->state = column_text(q);
    p->job = column_text(q);
    p->created_at = column_i64(q);
}

static void free_row(void *row)
{
    store_policy_free(row);
}

static const row_table policies = {
    .rows = {sizeof(store_policy), read_row, free_row},
    .what = "policy of this id",
    .get = "SELECT " COLUMNS " FROM policies WHERE id = ?",
};

ON_STORE static store_status put(database *db, void *arg, error_text *err)
{
    const store_policy *p = arg;
    statement q = statement_begin(
        db, "INSERT INTO policies (" COLUMNS ") VALUES (?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET"
            " stage = excluded.stage, state = excluded.state, job = excluded.job,"
            " created_at = excluded.created_at");
    bind_text(&q, p->id);
    bind_text(&q, p->stage);
    bind_text(&q, p->state);
    bind_text(&q, p->job);
    bind_i64(&q, p->created_at);
    return statement_run(&q, err);
}

store_status store_policy_put(store *s, const store_policy *p, error_text *err)
{
    return store__write(s, put, (void *)p, err);
}

store_status store_policy_get(store *s, const char *id, store_policy *out, error_text *err)
{
    return store__get(s, &policies, id, out, err);
}

/* ---- what jobs make of it ---- */

typedef struct use_args {
    const char *id;
    store_policy_use *out;
} use_args;

/* An id is unlike any other text, so finding it anywhere in a method's object is finding it named.
 */
ON_STORE static store_status find_user(database *db, const use_args *a, error_text *err)
{
    statement q = statement_begin(
        db, "SELECT id FROM jobs WHERE (1 << status) & ?1 AND (model_policy = ?2 OR"
            " instr(method_json, ?2) OR EXISTS (SELECT 1 FROM needs WHERE job = jobs.id AND"
            " policy = ?2)) LIMIT 1");
    bind_i64(&q, STORE_JOB_LIVE);
    bind_text(&q, a->id);
    char *job = statement_row(&q) ? column_text(&q) : NULL;
    if (job)
        snprintf(a->out->job, sizeof a->out->job, "%s", job);
    free(job);
    return statement_end(&q, err);
}

ON_STORE static store_status find_maker(database *db, const use_args *a, error_text *err)
{
    statement q = statement_begin(
        db, "SELECT EXISTS (SELECT 1 FROM jobs WHERE instr(fine_tuned_model, ?2)),"
            " EXISTS (SELECT 1 FROM jobs, policies AS p WHERE p.id = ?2 AND jobs.id = p.job"
            " AND (1 << jobs.status) & ?1),"
            " (SELECT count(*) FROM policies AS p, policies AS later WHERE p.id = ?2 AND"
            " later.job = p.job AND later.row > p.row AND later.state = 'validated')");
    bind_i64(&q, STORE_JOB_LIVE);
    bind_text(&q, a->id);
    if (statement_row(&q)) {
        a->out->result = column_i64(&q);
        a->out->making = column_i64(&q);
        a->out->newer = column_u64(&q);
    }
    return statement_end(&q, err);
}

ON_STORE static store_status uses(database *db, void *arg, error_text *err)
{
    const use_args *a = arg;
    *a->out = (store_policy_use){.job = ""};
    const store_status status = find_user(db, a, err);
    return status == STORE_OK ? find_maker(db, a, err) : status;
}

store_status store_policy_uses(store *s, const char *id, store_policy_use *out, error_text *err)
{
    use_args a = {id, out};
    return store__read(s, uses, &a, err);
}
