#include "api/jobs.h"

#include "api/fields.h"
#include "api/publish_spec.h"
#include "api/schema.h"
#include "api/strict_json.h"
#include "base/data_files.h"
#include "base/limits.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUFFIX_CHARS = 64, METADATA_KEY_CHARS = 64, METADATA_VALUE_CHARS = 512 };

/* What a body consists of, taken from its tree. */
typedef struct parts {
    cJSON *root;
    const cJSON *values[9]; /* by field; NULL: absent or null */
} parts;

enum {
    MODEL,
    TRAINING_FILE,
    VALIDATION_FILE,
    METHOD,
    HYPERPARAMETERS,
    SUFFIX,
    SEED,
    METADATA,
    INTEGRATIONS,
    FIELDS
};
static const char *const names[FIELDS] = {"model",  "training_file",   "validation_file",
                                          "method", "hyperparameters", "suffix",
                                          "seed",   "metadata",        "integrations"};

static bool take_apart(parts *p, const char *body, size_t len, api_error *err)
{
    *p = (parts){.root = strict_json_parse(body, len, err)};
    if (!p->root)
        return false;
    const cJSON *v;
    cJSON_ArrayForEach(v, p->root)
    {
        int f = 0;
        while (f < FIELDS && strcmp(names[f], v->string) != 0)
            f++;
        if (f == FIELDS)
            return api_invalid(err, "unknown_parameter", v->string,
                               "%.100s: there is no such parameter", v->string);
        p->values[f] = cJSON_IsNull(v) ? NULL : v;
    }
    return true;
}

/* ---- plain fields ---- */

static bool keep(char **to, const char *text, api_error *err)
{
    *to = strdup(text);
    return *to || api_no_memory(err);
}

static bool is_text(const cJSON *v, size_t most)
{
    const char *s = cJSON_GetStringValue(v);
    size_t n = 0;
    for (const char *c = s; c && *c; c++)
        n += ((unsigned char)*c & 0xc0) != 0x80;
    return s && n >= 1 && n <= most;
}

static bool read_text(const parts *p, int at, size_t most, char **out, api_error *err)
{
    char expected[64];
    const cJSON *v = p->values[at];
    snprintf(expected, sizeof expected, "a string of 1 to %zu characters", most);
    if (!v)
        return true;
    return is_text(v, most) ? keep(out, v->valuestring, err)
                            : field_wrong(err, names[at], expected, v);
}

static bool read_file_id(const parts *p, int at, char **out, api_error *err)
{
    const cJSON *v = p->values[at];
    if (!v)
        return true;
    return cJSON_IsString(v) && data_file_id_valid(v->valuestring)
               ? keep(out, v->valuestring, err)
               : field_wrong(err, names[at], "the id of a file", v);
}

static bool read_seed(const parts *p, uint64_t *out, api_error *err)
{
    const cJSON *v = p->values[SEED];
    if (!v)
        return true;
    double d = v->valuedouble;
    if (!cJSON_IsNumber(v) || d != floor(d) || d < 0 || d > 0x1p53)
        return field_wrong(err, "seed", "an integer from 0 to 9007199254740992", v);
    *out = (uint64_t)d;
    return true;
}

static bool print(cJSON *tree, char **out, api_error *err)
{
    *out = cJSON_PrintUnformatted(tree);
    return *out || api_no_memory(err);
}

static bool read_metadata(const parts *p, char **out, api_error *err)
{
    const cJSON *v = p->values[METADATA], *entry;
    if (!v)
        return true;
    if (!cJSON_IsObject(v) || cJSON_GetArraySize(v) > LIMIT_JOB_METADATA)
        return field_wrong(err, "metadata", "an object of at most 16 strings", v);
    cJSON_ArrayForEach(entry, v)
    {
        if (strlen(entry->string) > METADATA_KEY_CHARS ||
            !(is_text(entry, METADATA_VALUE_CHARS) ||
              (cJSON_IsString(entry) && !entry->valuestring[0])))
            return field_wrong(err, "metadata",
                               "names of at most 64 and strings of at most 512 characters", entry);
    }
    *out = cJSON_PrintUnformatted(v);
    return *out || api_no_memory(err);
}

static bool check_integrations(const parts *p, api_error *err)
{
    const cJSON *v = p->values[INTEGRATIONS];
    if (!v || (cJSON_IsArray(v) && !v->child))
        return true;
    return api_invalid(err, "unsupported_parameter", "integrations",
                       "integrations are not supported");
}

/* ---- the method ---- */

/* method.type; "supervised" without `method`. */
static bool read_type(const parts *p, api_job_request *out, api_error *err)
{
    const cJSON *method = p->values[METHOD];
    if (!method)
        return keep(&out->method, "supervised", err);
    if (!cJSON_IsObject(method))
        return field_wrong(err, "method", "an object", method);
    if (p->values[HYPERPARAMETERS])
        return api_invalid(err, "invalid_value", "hyperparameters",
                           "hyperparameters: expected them in the method's own object");
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(method, "type");
    if (!type || cJSON_IsNull(type))
        return api_invalid(err, "missing_required_parameter", "method.type",
                           "method.type is missing");
    if (!cJSON_IsString(type))
        return field_wrong(err, "method.type", "a string", type);
    return keep(&out->method, type->valuestring, err);
}

/* The method's object, out of the body's tree; the caller's. */
static cJSON *take_object(const parts *p, const char *type, api_error *err)
{
    cJSON *method = cJSON_GetObjectItemCaseSensitive(p->root, "method"), *v;
    cJSON_ArrayForEach(v, method)
    {
        char at[64];
        snprintf(at, sizeof at, "method.%.50s", v->string);
        if (strcmp(v->string, "type") == 0 || strcmp(v->string, type) == 0 || cJSON_IsNull(v))
            continue;
        api_invalid(err, "unknown_parameter", at, "%s: expected the object of method.type alone",
                    at);
        return NULL;
    }
    cJSON *object = cJSON_DetachItemFromObjectCaseSensitive(method, type);
    if (!object || cJSON_IsNull(object)) {
        cJSON_Delete(object);
        object = cJSON_CreateObject();
    }
    if (!object)
        api_no_memory(err);
    return object;
}

/* The numbers of the body go where a method has them. */
static bool adopt_hyperparameters(const parts *p, cJSON *object, api_error *err)
{
    if (!p->values[HYPERPARAMETERS])
        return true;
    cJSON *numbers = cJSON_DetachItemFromObjectCaseSensitive(p->root, "hyperparameters");
    if (cJSON_AddItemToObject(object, "hyperparameters", numbers))
        return true;
    cJSON_Delete(numbers);
    return api_no_memory(err);
}

/* "publish" is the host's, not the method's. */
static bool take_publish(cJSON *object, const char *path, char **out, api_error *err)
{
    char at[64];
    cJSON *publish = cJSON_DetachItemFromObjectCaseSensitive(object, "publish");
    snprintf(at, sizeof at, "%s.publish", path);
    bool good = !publish || cJSON_IsNull(publish) ||
                (publish_spec_apply(publish, at, err) && print(publish, out, err));
    cJSON_Delete(publish);
    return good;
}

static bool normalise(const parts *p, const schema *s, cJSON *object, api_job_request *out,
                      api_error *err)
{
    char path[56] = "";
    if (p->values[METHOD])
        snprintf(path, sizeof path, "method.%s", out->method);
    if (!cJSON_IsObject(object))
        return field_wrong(err, path, "an object", object);
    return adopt_hyperparameters(p, object, err) &&
           take_publish(object, path, &out->publish_json, err) &&
           schema_apply(s, object, path, err) && print(object, &out->method_json, err);
}

static bool read_method(const parts *p, api_find_method *find, void *arg, api_job_request *out,
                        api_error *err)
{
    if (!read_type(p, out, err))
        return false;
    const schema *s = find(arg, out->method);
    if (!s)
        return api_invalid(err, "invalid_value", "method.type",
                           "method.type: expected a type that GET /v1/fine_tuning/methods lists, "
                           "found \"%.64s\"",
                           out->method);
    cJSON *object = take_object(p, out->method, err);
    bool good = object && normalise(p, s, object, out, err);
    cJSON_Delete(object);
    return good;
}

/* ---- all of it ---- */

static bool read_all(const parts *p, api_find_method *find, void *arg, api_job_request *out,
                     api_error *err)
{
    if (!p->values[MODEL])
        return api_invalid(err, "missing_required_parameter", "model", "model is missing");
    return read_text(p, MODEL, 128, &out->model, err) &&
           read_file_id(p, TRAINING_FILE, &out->training_file, err) &&
           read_file_id(p, VALIDATION_FILE, &out->validation_file, err) &&
           read_text(p, SUFFIX, SUFFIX_CHARS, &out->suffix, err) && read_seed(p, &out->seed, err) &&
           read_metadata(p, &out->metadata_json, err) && check_integrations(p, err) &&
           read_method(p, find, arg, out, err);
}

bool api_job_read(const char *body, size_t len, api_find_method *find, void *arg,
                  api_job_request *out, api_error *err)
{
    parts p;
    *out = (api_job_request){0};
    bool good = take_apart(&p, body, len, err) && read_all(&p, find, arg, out, err);
    cJSON_Delete(p.root);
    if (!good)
        api_job_request_free(out);
    return good;
}

void api_job_request_free(api_job_request *r)
{
    free(r->model);
    free(r->method);
    free(r->training_file);
    free(r->validation_file);
    free(r->method_json);
    free(r->publish_json);
    free(r->suffix);
    free(r->metadata_json);
    *r = (api_job_request){0};
}
