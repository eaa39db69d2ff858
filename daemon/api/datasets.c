#include "api/datasets.h"

#include "api/json_out.h"
#include "api/members.h"
#include "api/strict_json.h"

#include <math.h>
#include <stddef.h>

#define N(rules) (sizeof(rules) / sizeof(rules)[0])

/* ---- requests ---- */

typedef struct fractions {
    double train, valid, test;
} fractions;

static bool read_fractions(fractions *out, const cJSON *object, api_error *err)
{
    static const member_rule rules[] = {
        {.name = "train", .kind = MEMBER_NUMBER, .max = 1, .at = offsetof(fractions, train)},
        {.name = "valid", .kind = MEMBER_NUMBER, .max = 1, .at = offsetof(fractions, valid)},
        {.name = "test", .kind = MEMBER_NUMBER, .max = 1, .at = offsetof(fractions, test)},
    };
    if (!object)
        return true;
    *out = (fractions){0};
    if (!members_read(out, object, rules, N(rules), "fractions", err))
        return false;
    const double sum = out->train + out->valid + out->test;
    return fabs(sum - 1) < 1e-6 || api_invalid(err, "invalid_value", "fractions",
                                               "fractions: expected a sum of 1, found %g", sum);
}

bool api_dataset_read(api_dataset_request *out, const char *body, size_t len, api_error *err)
{
    typedef struct dataset_body {
        api_dataset_request r;
        const cJSON *fractions;
    } dataset_body;
    static const member_rule rules[] = {
        {.name = "name",
         .kind = MEMBER_TEXT,
         .required = true,
         .min = 1,
         .max = 64,
         .at = offsetof(dataset_body, r.name)},
        {.name = "kind",
         .kind = MEMBER_CHOICE,
         .required = true,
         .choices = "sft|rm|ppo|eval|toxicity",
         .at = offsetof(dataset_body, r.kind)},
        {.name = "fractions", .kind = MEMBER_OBJECT, .at = offsetof(dataset_body, fractions)},
        {.name = "cap_per_user",
         .kind = MEMBER_WHOLE,
         .min = 1,
         .max = 1e9,
         .at = offsetof(dataset_body, r.cap_per_user)},
        {.name = "salt", .kind = MEMBER_TEXT, .max = 128, .at = offsetof(dataset_body, r.salt)},
        {.name = "seed",
         .kind = MEMBER_WHOLE,
         .max = 9007199254740992.0, /* 2^53: what a JSON number carries exactly */
         .at = offsetof(dataset_body, r.seed)},
        {.name = "source", .kind = MEMBER_ID, .at = offsetof(dataset_body, r.source)},
        {.name = "format", .kind = MEMBER_ID, .at = offsetof(dataset_body, r.format)},
    };
    dataset_body b = {.r = {.cap_per_user = 200, .salt = ""}};
    fractions shares = {0.8, 0.1, 0.1};
    cJSON *tree = strict_json_parse(body, len, err);
    if (!tree || !members_read(&b, tree, rules, N(rules), "", err) ||
        !read_fractions(&shares, b.fractions, err)) {
        cJSON_Delete(tree);
        return false;
    }
    *out = b.r;
    out->tree = tree;
    out->train = shares.train;
    out->valid = shares.valid;
    return true;
}

void api_dataset_request_free(api_dataset_request *r)
{
    cJSON_Delete(r->tree);
}

/* ---- replies ---- */

static void put_counts(buf *out, const char *manifest_json)
{
    static const char *const parts[] = {"train", "valid", "test"};
    cJSON *manifest = cJSON_Parse(manifest_json);
    const cJSON *files = cJSON_GetObjectItemCaseSensitive(manifest, "files");
    for (size_t i = 0; i < N(parts); i++) {
        const cJSON *part = cJSON_GetObjectItemCaseSensitive(files, parts[i]);
        buf_putc(out, i ? ',' : '{');
        json_cstring(out, parts[i]);
        buf_putc(out, ':');
        json_double(out, cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(part, "rows")));
    }
    buf_putc(out, '}');
    cJSON_Delete(manifest);
}

static void put_files(buf *out, const store_dataset *d)
{
    JSON_LIT(out, "{\"train\":");
    json_cstring(out, d->train_file);
    JSON_LIT(out, ",\"valid\":");
    json_cstring(out, d->valid_file);
    JSON_LIT(out, ",\"test\":");
    json_cstring(out, d->test_file);
    buf_putc(out, '}');
}

void api_dataset_write(buf *out, const store_dataset *d)
{
    JSON_LIT(out, "{\"id\":");
    json_cstring(out, d->id);
    JSON_LIT(out, ",\"object\":\"dataset\",\"name\":");
    json_cstring(out, d->name);
    JSON_LIT(out, ",\"kind\":");
    json_cstring(out, d->kind);
    JSON_LIT(out, ",\"created_at\":");
    json_int(out, d->created_at);
    JSON_LIT(out, ",\"created_by\":");
    json_cstring(out, d->created_by);
    JSON_LIT(out, ",\"stale\":");
    json_bool(out, d->stale);
    JSON_LIT(out, ",\"counts\":");
    put_counts(out, d->manifest_json);
    JSON_LIT(out, ",\"files\":");
    put_files(out, d);
    JSON_LIT(out, ",\"manifest\":");
    buf_puts(out, d->manifest_json);
    buf_putc(out, '}');
}
