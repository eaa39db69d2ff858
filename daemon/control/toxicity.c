/* GET /v1/labels/toxicity: what held-out labelers said of each policy. */
#include "api/toxicity.h"

#include "base/limits.h"
#include "control/labels.h"
#include "control/page.h"

#include <stdlib.h>

enum { PAGE = 512 };

/* A task that was erased since the page was read says nothing. */
static bool add(const control *c, toxicity_report *to, const store_ranking *row, api_error *err)
{
    store_task task;
    error_text why;
    const store_status status = store_task_get(c->store, row->task, &task, &why);
    if (status == STORE_NOT_FOUND)
        return true;
    if (status != STORE_OK)
        return control_store_fail(err, status, NULL, &why);
    const bool ok = api_toxicity_read(to, row, &task);
    store_task_free(&task);
    return ok || api_no_memory(err);
}

/* One page behind *after. *more: there may be another. */
static bool add_page(const control *c, toxicity_report *to, uint64_t *after, bool *more,
                     api_error *err)
{
    store_ranking *rows;
    size_t n;
    error_text why;
    bool ok = true;
    const store_status status =
        store_heldout_rankings(c->store, "toxicity", *after, PAGE, &rows, &n, &why);
    if (status != STORE_OK)
        return control_store_fail(err, status, NULL, &why);
    for (size_t i = 0; i < n; i++) {
        ok = ok && add(c, to, &rows[i], err);
        *after = rows[i].row;
        store_ranking_free(&rows[i]);
    }
    free(rows);
    *more = n == PAGE;
    return ok;
}

bool control_toxicity_get(const control *c, const control_request *request, control_reply *reply,
                          api_error *err)
{
    (void)request;
    toxicity_report report = {0};
    uint64_t after = 0;
    bool ok = true;
    if (!c->store)
        return control_not_ready(err);
    for (bool more = true; ok && more;)
        ok = add_page(c, &report, &after, &more, err);
    if (ok)
        api_toxicity_write(&reply->body, &report);
    toxicity_report_free(&report);
    return ok;
}
