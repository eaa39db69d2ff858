#include "api/audit.h"

#include "api/json_out.h"

void api_audit_write(buf *out, const store_audit *a)
{
    JSON_LIT(out, "{\"seq\":");
    json_uint(out, a->seq);
    JSON_LIT(out, ",\"at\":");
    json_int(out, a->at);
    JSON_LIT(out, ",\"actor\":");
    json_cstring(out, a->actor);
    JSON_LIT(out, ",\"event\":");
    json_cstring(out, a->event);
    JSON_LIT(out, ",\"object\":");
    json_cstring(out, a->object);
    JSON_LIT(out, ",\"prev\":");
    json_cstring(out, a->prev);
    JSON_LIT(out, ",\"hash\":");
    json_cstring(out, a->hash);
    buf_putc(out, '}');
}
