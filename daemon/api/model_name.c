#include "api/model_name.h"

#include "api/fields.h"
#include "text_stream.h"

#include <string.h>

bool api_resolve(policy_registry *registry, const char *name, policy **out, char label[96],
                 api_error *err)
{
    policy_lookup found = policy_resolve(registry, name, out, label);
    if (found == POLICY_FOUND)
        return true;
    if (found == POLICY_NOT_READY)
        return api_fail(err, 503, "unavailable_error", "not_ready", NULL, "no model is loaded yet");
    size_t len = name ? strlen(name) : 0;
    size_t shown = len > 100 ? eng_utf8_complete(name, 100) : len;
    const char *text = name ? name : "", *more = shown < len ? "..." : "";
    if (found == POLICY_NOT_RESIDENT)
        return api_fail(err, 404, "not_found_error", "policy_not_resident", "model",
                        "the policy \"%.*s\"%s is not in memory", (int)shown, text, more);
    return api_fail(err, 404, "not_found_error", "model_not_found", "model",
                    "there is no model \"%.*s\"%s", (int)shown, text, more);
}

bool api_resolve_member(policy_registry *registry, const cJSON *root, policy **out, char label[96],
                        api_error *err)
{
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(root, "model");
    if (name && !cJSON_IsString(name) && !cJSON_IsNull(name))
        return field_wrong(err, "model", "a string", name);
    return api_resolve(registry, cJSON_IsString(name) ? name->valuestring : NULL, out, label, err);
}

bool api_member_follows(policy_registry *registry, const cJSON *root)
{
    return policy_registry_follows(
        registry, cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "model")));
}
