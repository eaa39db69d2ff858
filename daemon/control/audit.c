#include "control/audit.h"

#include "api/audit.h"
#include "api/list.h"
#include "control/page.h"

#include <stdlib.h>

bool control_audit_list(const control *c, const control_request *request, control_reply *reply,
                        api_error *err)
{
    control_page page;
    store_audit *rows = NULL;
    size_t n = 0;
    bool more = false;
    error_text why;
    if (!c->store)
        return control_not_ready(err);
    if (!control_page_read(&page, request, err))
        return false;
    const store_status status = store_audit_list(c->store, page.page, &rows, &n, &more, &why);
    if (status != STORE_OK)
        return control_store_fail(err, status, "after", &why);
    CONTROL_PUT_ROWS(&reply->body, rows, n, more, api_audit_write, store_audit_free);
    return !reply->body.failed || api_no_memory(err);
}
