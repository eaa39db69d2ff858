/* How much a source of data sets keeps back, and why. */
#include "store/store_internal.h"

typedef struct withheld_args {
    const char *sql;
    store_withheld *out;
} withheld_args;

ON_STORE static store_status withheld(database *db, void *arg, error_text *err)
{
    const withheld_args *a = arg;
    statement q = statement_begin(db, a->sql);
    if (statement_row(&q)) {
        a->out->declined = column_u64(&q);
        a->out->erased = column_u64(&q);
    }
    return statement_end(&q, err);
}

store_status store__withheld(store *s, const char *sql, store_withheld *out, error_text *err)
{
    withheld_args a = {sql, out};
    *out = (store_withheld){0};
    return store__read(s, withheld, &a, err);
}
