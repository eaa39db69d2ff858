/* Blind votes of the Playground. They never meet labelers' rankings. */
#include "store/store_human.h"
#include "store/store_internal.h"

#include <stdlib.h>
#include <string.h>

void store_vote_free(store_vote *v)
{
    char *const strings[] = {v->id,          v->user,         v->left_request, v->right_request,
                             v->left_policy, v->right_policy, v->left_model,   v->right_model,
                             v->vote,        v->shown_left};
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        free(strings[i]);
}

#define COLUMNS                                                                                    \
    "id, user, left_request, right_request, left_policy, right_policy, left_model, right_model,"   \
    " vote, shown_left, blind, created_at"

ON_STORE static void read_row(statement *q, void *row)
{
    store_vote *v = row;
    v->id = column_text(q);
    v->user = column_text(q);
    v->left_request = column_text(q);
    v->right_request = column_text(q);
    v->left_policy = column_text(q);
    v->right_policy = column_text(q);
    v->left_model = column_text(q);
    v->right_model = column_text(q);
    v->vote = column_text(q);
    v->shown_left = column_text(q);
    v->blind = column_i64(q);
    v->created_at = column_i64(q);
}

static void free_row(void *row)
{
    store_vote_free(row);
}

static const row_kind vote_rows = {sizeof(store_vote), read_row, free_row};

typedef struct vote_args {
    const store_vote *vote;
    store_vote *out;
    const char **missing;
} vote_args;

/* The same two, whichever way round. */
ON_STORE static store_status refuse_second(database *db, const store_vote *v, error_text *err)
{
    statement q = statement_begin(db, "SELECT 1 FROM votes WHERE user = ?1 AND"
                                      " ((left_request = ?2 AND right_request = ?3) OR"
                                      " (left_request = ?3 AND right_request = ?2))");
    bind_text(&q, v->user);
    bind_text(&q, v->left_request);
    bind_text(&q, v->right_request);
    const bool found = statement_row(&q);
    const store_status status = statement_end(&q, err);
    if (status != STORE_OK || !found)
        return status;
    error_text_set(err, "there is a vote on these two answers already");
    return STORE_CONFLICT;
}

ON_STORE static store_status put(database *db, const store_vote *v, const store_request *left,
                                 const store_request *right, error_text *err)
{
    statement q = statement_begin(db, "INSERT INTO votes (" COLUMNS ")"
                                      " VALUES (?,?,?,?,?,?,?,?,?,?,?,?)");
    bind_text(&q, v->id);
    bind_text(&q, v->user);
    bind_text(&q, v->left_request);
    bind_text(&q, v->right_request);
    bind_text(&q, left->policy);
    bind_text(&q, right->policy);
    bind_text(&q, left->model);
    bind_text(&q, right->model);
    bind_text(&q, v->vote);
    bind_text(&q, v->shown_left);
    bind_i64(&q, v->blind);
    bind_i64(&q, v->created_at);
    return statement_run(&q, err);
}

ON_STORE static store_status get(database *db, const char *id, store_vote *out, error_text *err)
{
    statement q = statement_begin(db, "SELECT " COLUMNS " FROM votes WHERE id = ?");
    bind_text(&q, id);
    return statement_one(&q, &vote_rows, "vote of this id", out, err);
}

ON_STORE static store_status insert(database *db, void *arg, error_text *err)
{
    const vote_args *a = arg;
    const store_vote *v = a->vote;
    store_request left = {0}, right = {0};
    *a->missing = "left";
    store_status status = store__request_find(db, v->user, v->left_request, &left, err);
    if (status == STORE_OK) {
        *a->missing = "right";
        status = store__request_find(db, v->user, v->right_request, &right, err);
    }
    if (status == STORE_OK)
        status = refuse_second(db, v, err);
    if (status == STORE_OK)
        status = put(db, v, &left, &right, err);
    store_request_free(&left);
    store_request_free(&right);
    return status == STORE_OK ? get(db, v->id, a->out, err) : status;
}

store_status store_vote_insert(store *s, const store_vote *v, store_vote *out, const char **missing,
                               error_text *err)
{
    vote_args a = {v, out, missing};
    *out = (store_vote){0};
    const store_status status = store__write(s, insert, &a, err);
    if (status != STORE_OK) { /* filled in before the transaction was lost */
        store_vote_free(out);
        *out = (store_vote){0};
    }
    return status;
}
