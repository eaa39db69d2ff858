#include "api/publish_spec.h"

#include "api/fields.h"
#include "api/schema.h"
#include "base/alias_name.h"

#include <math.h>
#include <stdio.h>

static const char rules[] =
    "{\"type\":\"object\",\"required\":[\"alias\"],\"properties\":{"
    "\"alias\":{\"type\":\"string\"},"
    "\"every\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000000,\"default\":5},"
    "\"weights\":{\"type\":\"string\",\"enum\":[\"ema\",\"raw\"],\"default\":\"ema\"},"
    "\"gate\":{\"type\":\"object\",\"default\":{},\"properties\":{"
    "\"min_rm_delta\":{\"type\":\"number\"},"
    "\"max_kl_ref\":{\"type\":\"number\",\"minimum\":0},"
    "\"max_lm_loss_rise\":{\"type\":\"number\"},"
    "\"max_seconds\":{\"type\":\"number\",\"minimum\":0}}}}}";

bool publish_spec_apply(cJSON *object, const char *path, api_error *err)
{
    char at[96];
    error_text why;
    schema *s = schema_parse(rules, &why);
    if (!s)
        return api_no_memory(err);
    bool good = schema_apply(s, object, path, err);
    schema_free(s);
    if (!good)
        return false;
    const cJSON *alias = cJSON_GetObjectItemCaseSensitive(object, "alias");
    snprintf(at, sizeof at, "%s.alias", path);
    return alias_name_valid(alias->valuestring) ||
           field_wrong(err, at, "1 to 64 of a-z 0-9 -, not starting with -", alias);
}

static double bound(const cJSON *gate, const char *name)
{
    const cJSON *b = cJSON_GetObjectItemCaseSensitive(gate, name);
    return cJSON_IsNumber(b) ? b->valuedouble : NAN;
}

bool publish_spec_read(const char *json, publish_spec *out)
{
    cJSON *root = cJSON_Parse(json);
    const cJSON *gate = cJSON_GetObjectItemCaseSensitive(root, "gate");
    const char *alias = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "alias"));
    *out = (publish_spec){.min_rm_delta = bound(gate, "min_rm_delta"),
                          .max_kl_ref = bound(gate, "max_kl_ref"),
                          .max_lm_loss_rise = bound(gate, "max_lm_loss_rise"),
                          .max_seconds = bound(gate, "max_seconds")};
    snprintf(out->alias, sizeof out->alias, "%s", alias ? alias : "");
    cJSON_Delete(root);
    return alias != NULL;
}
