#include "api/jobs.h"

#include "api/json_out.h"

void api_method_write(buf *out, const char *type, const char *plugin, const char *schema_json)
{
    JSON_LIT(out, "{\"type\":");
    json_cstring(out, type);
    JSON_LIT(out, ",\"plugin\":");
    json_cstring(out, plugin);
    JSON_LIT(out, ",\"schema\":");
    buf_puts(out, schema_json);
    buf_putc(out, '}');
}
