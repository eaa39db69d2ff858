/* Bodies -> jobs, schemas, and replies of reward endpoints: every input is offered to each. What is
 * taken must be in its normal form: applying the rules once more changes nothing. */
#include "api/jobs.h"
#include "api/schema.h"
#include "api/score_exchange.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char rules[] =
    "{\"type\":\"object\",\"required\":[\"model\"],\"properties\":{"
    "\"preset\":{\"type\":\"string\",\"enum\":[\"short\"]},\"model\":{\"type\":\"string\"},"
    "\"hyperparameters\":{\"type\":\"object\",\"properties\":{"
    "\"n\":{\"type\":\"integer\",\"minimum\":1,\"default\":16},"
    "\"rate\":{\"type\":\"number\",\"exclusiveMinimum\":0,\"default\":1e-3},"
    "\"flag\":{\"type\":\"boolean\",\"default\":false}}}},"
    "\"presets\":{\"short\":{\"n\":2}}}";

static const struct schema *find(void *arg, const char *type)
{
    return strcmp(type, "ppo") == 0 || strcmp(type, "supervised") == 0 ? arg : NULL;
}

static schema *rules_schema(void)
{
    error_text err;
    schema *s = schema_parse(rules, &err);
    if (!s)
        abort();
    return s;
}

static void check_normal(const schema *s, const char *json)
{
    api_error err;
    cJSON *tree = cJSON_Parse(json);
    if (!tree || !schema_apply(s, tree, "", &err))
        abort();
    char *again = cJSON_PrintUnformatted(tree);
    if (!again || strcmp(again, json) != 0)
        abort();
    free(again);
    cJSON_Delete(tree);
}

static void try_job(const char *body, size_t len)
{
    schema *s = rules_schema();
    api_job_request r;
    api_error err;
    buf out;
    buf_init(&out, 64 << 20);
    if (api_job_read(body, len, find, s, &r, &err)) {
        check_normal(s, r.method_json);
        const store_job job = {.id = "ftjob-1",
                               .method = r.method,
                               .model = r.model,
                               .method_json = r.method_json,
                               .publish_json = r.publish_json,
                               .metadata_json = r.metadata_json};
        api_job_write(&out, &job);
        cJSON *tree = cJSON_Parse(out.data);
        if (!tree)
            abort();
        cJSON_Delete(tree);
        api_job_request_free(&r);
    } else if (err.status < 400 || err.status > 503 || !err.message[0]) {
        abort();
    }
    buf_free(&out);
    schema_free(s);
}

static void try_schema(const char *text)
{
    error_text why;
    api_error err;
    schema *s = schema_parse(text, &why);
    cJSON *object = s ? cJSON_Parse("{\"preset\":\"a\",\"a\":1,\"b\":\"auto\",\"c\":null}") : NULL;
    if (object)
        schema_apply(s, object, "method.x", &err);
    cJSON_Delete(object);
    schema_free(s);
}

static void try_scores(const char *body, size_t len)
{
    double scores[2] = {NAN, NAN};
    error_text err;
    if (score_reply_read(body, len, 2, scores, &err) &&
        !(isfinite(scores[0]) && isfinite(scores[1])))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text)
        abort();
    memcpy(text, data, size);
    text[size] = 0;
    try_job(text, size);
    try_schema(text);
    try_scores(text, size);
    free(text);
    return 0;
}
