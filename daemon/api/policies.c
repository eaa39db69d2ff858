#include "api/policies.h"

#include "api/fields.h"
#include "api/json_out.h"
#include "api/strict_json.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_REASON_CHARS = 512 };

/* ---- a policy ---- */

static const char *member(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static bool bad_manifest(const char *id, api_error *err)
{
    log_event(LOG_ERROR, "manifest_unreadable", "policy=%s", id);
    return api_fail(err, 500, "server_error", NULL, NULL, "the manifest of %s cannot be read", id);
}

/* Text that cJSON printed, or what stands for nothing. */
static bool put_tree(buf *out, const cJSON *tree, const char *none)
{
    char *text = tree ? cJSON_PrintUnformatted(tree) : NULL;
    buf_puts(out, text ? text : none);
    const bool ok = text || !tree;
    free(text);
    return ok;
}

static uint64_t sum_of_bytes(const cJSON *files)
{
    const cJSON *f;
    uint64_t sum = 0;
    cJSON_ArrayForEach(f, files)
    {
        const cJSON *bytes = cJSON_GetObjectItemCaseSensitive(f, "bytes");
        sum += cJSON_IsNumber(bytes) && bytes->valuedouble >= 0 ? (uint64_t)bytes->valuedouble : 0;
    }
    return sum;
}

static bool put_lineage(buf *out, const cJSON *manifest, const char *job)
{
    const cJSON *lineage = cJSON_GetObjectItemCaseSensitive(manifest, "lineage");
    JSON_LIT(out, "\"lineage\":{\"parent\":");
    json_cstring(out, member(lineage, "parent"));
    JSON_LIT(out, ",\"job\":");
    json_cstring(out, job[0] ? job : NULL);
    JSON_LIT(out, ",\"datasets\":");
    bool ok = put_tree(out, cJSON_GetObjectItemCaseSensitive(lineage, "datasets"), "[]");
    JSON_LIT(out, ",\"reward_model\":");
    json_cstring(out, member(lineage, "reward_model"));
    JSON_LIT(out, ",\"code_rev\":");
    json_cstring(out, member(lineage, "code_rev"));
    buf_putc(out, '}');
    return ok;
}

/* What the configured model tells of itself stands in the record, the rest in the manifest. */
static bool put_facts(buf *out, const policy_record *r, const cJSON *manifest)
{
    const cJSON *files = cJSON_GetObjectItemCaseSensitive(manifest, "files");
    const cJSON *weights = cJSON_GetObjectItemCaseSensitive(files, "model.safetensors");
    JSON_LIT(out, "\"weights_sha256\":");
    json_cstring(out, weights ? member(weights, "sha256") : r->digest);
    JSON_LIT(out, ",\"bytes\":");
    json_uint(out, files ? sum_of_bytes(files) : r->bytes);
    JSON_LIT(out, ",\"dtype\":");
    json_cstring(out, manifest ? member(manifest, "dtype") : r->dtype);
    JSON_LIT(out, ",\"tokenizer_sha256\":");
    json_cstring(out, member(manifest, "tokenizer_sha256"));
    buf_putc(out, ',');
    bool ok = put_lineage(out, manifest, r->job);
    JSON_LIT(out, ",\"metrics\":");
    return put_tree(out, cJSON_GetObjectItemCaseSensitive(manifest, "metrics"), "{}") && ok;
}

bool api_policy_write(buf *out, const policy_record *r, api_error *err)
{
    cJSON *manifest = r->manifest ? cJSON_Parse(r->manifest) : NULL;
    if (r->manifest && !manifest)
        return bad_manifest(r->id, err);
    JSON_LIT(out, "{\"id\":");
    json_cstring(out, r->id);
    JSON_LIT(out, ",\"object\":\"policy\",\"created_at\":");
    json_int(out, r->created_at);
    JSON_LIT(out, ",\"stage\":");
    json_cstring(out, r->stage);
    JSON_LIT(out, ",\"state\":");
    json_cstring(out, r->state);
    JSON_LIT(out, ",\"resident\":");
    json_bool(out, r->resident);
    buf_putc(out, ',');
    const bool ok = put_facts(out, r, manifest);
    buf_putc(out, '}');
    cJSON_Delete(manifest);
    return (ok && !out->failed) || api_no_memory(err);
}

/* ---- its files ---- */

void api_policy_file_write(buf *out, const api_policy_file *f)
{
    JSON_LIT(out, "{\"name\":");
    json_cstring(out, f->name);
    JSON_LIT(out, ",\"bytes\":");
    json_uint(out, f->bytes);
    JSON_LIT(out, ",\"sha256\":");
    json_cstring(out, f->sha256);
    buf_putc(out, '}');
}

bool api_policy_files(const char *manifest, api_policy_file *out, size_t cap, size_t *n,
                      api_error *err)
{
    cJSON *root = cJSON_Parse(manifest);
    const cJSON *files = cJSON_GetObjectItemCaseSensitive(root, "files"), *f;
    *n = 0;
    cJSON_ArrayForEach(f, files)
    {
        const cJSON *bytes = cJSON_GetObjectItemCaseSensitive(f, "bytes");
        const char *sha256 = member(f, "sha256");
        if (*n == cap || !sha256 || !cJSON_IsNumber(bytes))
            break;
        out[*n].bytes = (uint64_t)bytes->valuedouble;
        snprintf(out[*n].name, sizeof out->name, "%s", f->string);
        snprintf(out[(*n)++].sha256, sizeof out->sha256, "%s", sha256);
    }
    const bool ok = files && !f;
    cJSON_Delete(root);
    return ok || bad_manifest("a policy", err);
}

/* ---- an alias ---- */

void api_alias_write(buf *out, const alias_state *a)
{
    JSON_LIT(out, "{\"name\":");
    json_cstring(out, a->name);
    JSON_LIT(out, ",\"object\":\"alias\",\"policy\":");
    json_cstring(out, a->policy);
    JSON_LIT(out, ",\"previous\":");
    json_cstring(out, a->previous[0] ? a->previous : NULL);
    JSON_LIT(out, ",\"version\":");
    json_uint(out, a->version);
    JSON_LIT(out, ",\"in_flight\":");
    json_cstring(out, a->recompute ? "recompute" : "pin");
    JSON_LIT(out, ",\"updated_at\":");
    json_int(out, a->updated_at);
    JSON_LIT(out, ",\"updated_by\":");
    json_cstring(out, a->updated_by);
    buf_putc(out, '}');
}

void api_move_write(buf *out, const store_move *m)
{
    JSON_LIT(out, "{\"id\":");
    char id[24];
    snprintf(id, sizeof id, "%llu", (unsigned long long)m->version);
    json_cstring(out, id); /* what `after` takes */
    JSON_LIT(out, ",\"version\":");
    json_uint(out, m->version);
    JSON_LIT(out, ",\"policy\":");
    json_cstring(out, m->policy);
    JSON_LIT(out, ",\"previous\":");
    json_cstring(out, m->previous);
    JSON_LIT(out, ",\"in_flight\":");
    json_cstring(out, m->in_flight);
    JSON_LIT(out, ",\"reason\":");
    json_cstring(out, m->reason);
    JSON_LIT(out, ",\"updated_at\":");
    json_int(out, m->updated_at);
    JSON_LIT(out, ",\"updated_by\":");
    json_cstring(out, m->updated_by);
    buf_putc(out, '}');
}

/* ---- bodies ---- */

/* A string member into a copy; null is as if it were not there. */
static bool read_string(const cJSON *v, size_t max, char **out, api_error *err)
{
    if (cJSON_IsNull(v))
        return true;
    if (!cJSON_IsString(v) || !v->valuestring[0] || strlen(v->valuestring) > max) {
        char expected[64];
        snprintf(expected, sizeof expected, "a string of 1 to %zu bytes", max);
        return field_wrong(err, v->string, expected, v);
    }
    *out = strdup(v->valuestring);
    return *out || api_no_memory(err);
}

static bool read_in_flight(const cJSON *v, api_move *out, api_error *err)
{
    const char *s = cJSON_GetStringValue(v);
    if (cJSON_IsNull(v))
        return true;
    if (!s || (strcmp(s, "pin") != 0 && strcmp(s, "recompute") != 0))
        return field_wrong(err, "in_flight", "\"pin\" or \"recompute\"", v);
    out->has_in_flight = true;
    out->recompute = strcmp(s, "recompute") == 0;
    return true;
}

/* policy_name: what the body calls the policy; in_flight: may it say that? */
static bool read_members(api_move *out, const cJSON *root, const char *policy_name, bool in_flight,
                         api_error *err)
{
    const cJSON *v;
    cJSON_ArrayForEach(v, root)
    {
        bool ok;
        if (strcmp(v->string, policy_name) == 0)
            ok = read_string(v, POLICY_ID_CHARS, &out->policy, err);
        else if (strcmp(v->string, "reason") == 0)
            ok = read_string(v, MAX_REASON_CHARS, &out->reason, err);
        else if (in_flight && strcmp(v->string, "in_flight") == 0)
            ok = read_in_flight(v, out, err);
        else
            ok = api_invalid(err, "unknown_parameter", v->string,
                             "%.64s: there is no such parameter", v->string);
        if (!ok)
            return false;
    }
    return true;
}

static bool read_body(api_move *out, const char *body, size_t len, const char *policy_name,
                      bool in_flight, api_error *err)
{
    *out = (api_move){0};
    cJSON *root = strict_json_parse(body, len, err);
    if (!root)
        return false;
    const bool ok = read_members(out, root, policy_name, in_flight, err);
    cJSON_Delete(root);
    if (!ok)
        api_move_free(out);
    return ok;
}

bool api_alias_put_read(api_move *out, const char *body, size_t len, api_error *err)
{
    if (!read_body(out, body, len, "policy", true, err))
        return false;
    if (out->policy)
        return true;
    api_move_free(out);
    return api_invalid(err, "missing_required_parameter", "policy", "policy is missing");
}

bool api_rollback_read(api_move *out, const char *body, size_t len, api_error *err)
{
    *out = (api_move){0};
    return len == 0 || read_body(out, body, len, "to", false, err);
}

void api_move_free(api_move *m)
{
    free(m->policy);
    free(m->reason);
    *m = (api_move){0};
}

/* ---- conditions and results ---- */

static bool all_versions(const char *condition)
{
    return strcmp(condition, "*") == 0;
}

/* "7", with its quotes. */
static bool read_etag(const char *text, int64_t *out)
{
    const size_t n = text[0] == '"' ? strspn(text + 1, "0123456789") : 0;
    if (n == 0 || n > 18 || strcmp(text + 1 + n, "\"") != 0)
        return false;
    *out = strtoll(text + 1, NULL, 10);
    return true;
}

bool api_expected_version(const char *if_match, const char *if_none_match, int64_t *out,
                          api_error *err)
{
    if (if_match[0] && if_none_match[0])
        return api_invalid(err, "invalid_value", NULL,
                           "give If-Match to move the alias or If-None-Match: * to make it");
    if (!if_match[0] && !if_none_match[0])
        return api_fail(err, 428, "conflict_error", "etag_required", NULL,
                        "If-Match with the alias's ETag is missing (If-None-Match: * makes a new "
                        "alias)");
    *out = if_match[0] ? PUBLISH_ANY_VERSION : PUBLISH_CREATE;
    if (all_versions(if_match[0] ? if_match : if_none_match) ||
        (if_match[0] && read_etag(if_match, out)))
        return true;
    return api_invalid(err, "invalid_value", NULL,
                       if_match[0] ? "If-Match: expected the alias's ETag, like \"7\", or *"
                                   : "If-None-Match: expected *");
}

bool api_publish_fail(api_error *err, publish_result result, const char *param,
                      const error_text *why)
{
    switch (result) {
    case PUBLISH_STALE:
    case PUBLISH_EXISTS:
        return api_fail(err, 412, "conflict_error", "etag_mismatch", NULL, "%s", why->text);
    case PUBLISH_IN_USE:
        return api_fail(err, 409, "conflict_error", "state_conflict", NULL, "%s", why->text);
    case PUBLISH_NOT_FOUND:
        return api_fail(err, 404, "not_found_error", "not_found", param, "%s", why->text);
    case PUBLISH_FULL:
        return api_fail(err, 429, "rate_limit_error", "queue_full", NULL, "%s", why->text);
    case PUBLISH_NO_MEMORY:
        return api_fail(err, 503, "unavailable_error", "out_of_memory", NULL, "%s", why->text);
    case PUBLISH_UNAVAILABLE:
        log_event(LOG_ERROR, "disk_fails", "error=\"%s\"", why->text);
        return api_fail(err, 503, "unavailable_error", NULL, NULL,
                        "the disk cannot be written right now; nothing was changed");
    case PUBLISH_OK:
    case PUBLISH_REFUSED:
    case PUBLISH_INVALID:
    case PUBLISH_LATER: /* never told: its caller comes again */
        break;
    }
    return api_invalid(err, "invalid_value", param, "%s", why->text);
}
