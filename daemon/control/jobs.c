#include "control/jobs.h"

#include "api/jobs.h"
#include "api/list.h"
#include "host/plugin_host.h"

bool control_methods_list(const control *c, const control_request *request, control_reply *reply,
                          api_error *err)
{
    (void)request;
    const plugin_method *methods;
    size_t n = plugin_host_methods(c->plugins, &methods);
    list_begin(&reply->body);
    for (size_t i = 0; i < n; i++) {
        list_next(&reply->body, i);
        api_method_write(&reply->body, methods[i].method->type, methods[i].plugin,
                         methods[i].method->schema_json);
    }
    list_end(&reply->body, false);
    return !reply->body.failed || api_no_memory(err);
}
