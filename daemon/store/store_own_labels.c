/* A person's own labels of all kinds, for that person. */
#include "store/store_human.h"
#include "store/store_internal.h"

#include <stdlib.h>

void store_own_label_free(store_own_label *l)
{
    char *const strings[] = {l->id, l->kind, l->task, l->form, l->prompt, l->content, l->note};
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        free(strings[i]);
}

ON_STORE static void read_row(statement *q, void *row)
{
    store_own_label *l = row;
    l->id = column_text(q);
    l->kind = column_text(q);
    l->task = column_text(q);
    l->form = column_text(q);
    l->prompt = column_text(q);
    l->content = column_text(q);
    l->note = column_text(q);
    l->elapsed_ms = column_u64(q);
    l->created_at = column_i64(q);
}

static void free_row(void *row)
{
    store_own_label_free(row);
}

/* Pages are ordered by the second of the label, then by its row of its table, then by the table. */
#define KEY(row, table)                                                                            \
    "(" row ".created_at << 20) + ((" row ".row & 262143) << 2) + " table " AS key"
#define OWN(labeler)                                                                               \
    "(SELECT r.id, r.kind, r.task, t.form, t.prompt, r.groups_json AS content, r.comment AS note," \
    " r.rate_ms + r.rank_ms AS ms, r.created_at, " KEY(                                            \
        "r",                                                                                       \
        "0") " FROM rankings r JOIN tasks t ON t.id = r.task WHERE r.labeler = " labeler           \
             " AND r.erased_at = 0"                                                                \
             " UNION ALL SELECT d.id, 'demo', d.task, 'text', d.prompt, d.completion, NULL, 0,"    \
             " d.created_at, " KEY("d", "1") " FROM demonstrations d WHERE d.labeler = " labeler   \
                                             " AND d.erased_at = 0"                                \
                                             " UNION ALL SELECT k.id, 'skip', k.task, t.form, "    \
                                             "t.prompt, k.reason, k.note, 0, k.created_at, " KEY(  \
                                                 "k", "2") " FROM skips k JOIN tasks t ON t.id = " \
                                                           "k.task WHERE k.labeler = " labeler     \
                                                           " AND k.erased_at = 0)"
#define COLUMNS "id, kind, task, form, prompt, content, note, ms, created_at"

static const row_table own_labels = {
    .rows = {sizeof(store_own_label), read_row, free_row},
    .what = "label of this id",
    .find = "SELECT key FROM " OWN("?2") " WHERE id = ?1",
    .newest = "SELECT " COLUMNS " FROM " OWN("?1") " WHERE key < ?2 ORDER BY key DESC LIMIT ?3",
    .oldest = "SELECT " COLUMNS " FROM " OWN("?1") " WHERE key > ?2 ORDER BY key LIMIT ?3",
};

store_status store_own_labels(store *s, const char *labeler, store_page page,
                              store_own_label **rows, size_t *n, bool *more, error_text *err)
{
    return store__list(s, &own_labels, (row_list){.page = page, .of = labeler}, (void **)rows, n,
                       more, err);
}
