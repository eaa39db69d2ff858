/* Requests to make a job, and jobs, checkpoints and metrics as JSON. */
#include "api/jobs.h"
#include "api/schema.h"
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char rules[] =
    "{\"type\":\"object\",\"properties\":{\"hyperparameters\":{\"type\":\"object\",\"properties\":{"
    "\"n_epochs\":{\"type\":\"integer\",\"minimum\":1,\"default\":16},"
    "\"batch_size\":{\"type\":\"integer\",\"minimum\":1,\"default\":32},"
    "\"learning_rate_multiplier\":{\"type\":\"number\",\"default\":1}}},"
    "\"reward_model\":{\"type\":\"string\"}}}";

static const struct schema *find(void *arg, const char *type)
{
    return strcmp(type, "supervised") == 0 || strcmp(type, "ppo") == 0 ? arg : NULL;
}

static bool read_body(const char *body, api_job_request *out, api_error *err)
{
    error_text why;
    schema *s = schema_parse(rules, &why);
    bool good = api_job_read(body, strlen(body), find, s, out, err);
    schema_free(s);
    return good;
}

static api_job_request good(const char *body)
{
    api_job_request r;
    api_error err;
    if (!read_body(body, &r, &err))
        FAIL("%s: %s", body, err.message);
    return r;
}

#define PLAIN                                                                                      \
    "{\"hyperparameters\":{\"n_epochs\":16,\"batch_size\":32,\"learning_rate_multiplier\":1}}"

TEST(every_way_to_name_the_method_gives_its_normal_form)
{
    static const char *const rows[][3] = {
        {"", "supervised", PLAIN},
        {",\"method\":null,\"hyperparameters\":null,\"suffix\":null,\"seed\":null", "supervised",
         PLAIN},
        {",\"hyperparameters\":{\"n_epochs\":2,\"batch_size\":\"auto\"}", "supervised",
         "{\"hyperparameters\":{\"n_epochs\":2,\"batch_size\":32,\"learning_rate_multiplier\":1}}"},
        {",\"method\":{\"type\":\"supervised\"}", "supervised", PLAIN},
        {",\"method\":{\"type\":\"supervised\",\"supervised\":null,\"dpo\":null}", "supervised",
         PLAIN},
        {",\"method\":{\"type\":\"supervised\",\"supervised\":{\"hyperparameters\":{\"n_epochs\":"
         "\"auto\",\"batch_size\":4,\"learning_rate_multiplier\":0.5}}}",
         "supervised",
         "{\"hyperparameters\":{\"n_epochs\":16,\"batch_size\":4,\"learning_rate_multiplier\":0.5}"
         "}"},
        {",\"method\":{\"type\":\"ppo\",\"ppo\":{\"reward_model\":\"pol_1\",\"publish\":null}}",
         "ppo",
         "{\"hyperparameters\":{\"n_epochs\":16,\"batch_size\":32,\"learning_rate_multiplier\":1},"
         "\"reward_model\":\"pol_1\"}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char body[512];
        snprintf(body, sizeof body, "{\"model\":\"instruct\",\"training_file\":\"file-a\"%s}",
                 rows[i][0]);
        api_job_request r = good(body);
        EXPECT_STR(r.method, rows[i][1]);
        EXPECT_STR(r.method_json, rows[i][2]);
        EXPECT(!r.publish_json);
        api_job_request_free(&r);
    }
}

TEST(all_fields_of_a_request_are_read)
{
    api_job_request r = good("{\"model\":\"instruct@pol_0\",\"training_file\":\"file-a\","
                             "\"validation_file\":\"file-b\",\"suffix\":\"nice\",\"seed\":"
                             "9007199254740992,\"metadata\":{\"team\":\"a\",\"note\":\"\"},"
                             "\"integrations\":[],\"method\":{\"type\":\"ppo\",\"ppo\":{"
                             "\"publish\":{\"gate\":{\"max_kl_ref\":3},\"alias\":\"instruct\"}}}}");
    EXPECT_STR(r.model, "instruct@pol_0");
    EXPECT_STR(r.training_file, "file-a");
    EXPECT_STR(r.validation_file, "file-b");
    EXPECT_STR(r.suffix, "nice");
    EXPECT(r.seed == 9007199254740992);
    EXPECT_STR(r.metadata_json, "{\"team\":\"a\",\"note\":\"\"}");
    EXPECT_STR(r.method_json, PLAIN);
    EXPECT_STR(r.publish_json, "{\"alias\":\"instruct\",\"every\":5,\"weights\":\"ema\",\"gate\":{"
                               "\"max_kl_ref\":3}}");
    api_job_request_free(&r);
}

TEST(what_is_wrong_is_named)
{
    static const struct {
        const char *body, *code, *param, *message;
    } rows[] = {
        {"{}", "missing_required_parameter", "model", "model is missing"},
        {"{\"model\":\"\"}", "invalid_value", "model", "a string of 1 to 128 characters"},
        {"{\"model\":\"m\",\"epochs\":1}", "unknown_parameter", "epochs", "no such parameter"},
        {"{\"model\":\"m\",\"training_file\":\"../a\"}", "invalid_value", "training_file",
         "the id of a file, found \"../a\""},
        {"{\"model\":\"m\",\"validation_file\":7}", "invalid_value", "validation_file",
         "the id of a file, found 7"},
        {"{\"model\":\"m\",\"seed\":-1}", "invalid_value", "seed", "found -1"},
        {"{\"model\":\"m\",\"seed\":0.5}", "invalid_value", "seed", "found 0.5"},
        {"{\"model\":\"m\",\"seed\":\"1\"}", "invalid_value", "seed", "found \"1\""},
        {"{\"model\":\"m\",\"suffix\":\"\"}", "invalid_value", "suffix", "1 to 64 characters"},
        {"{\"model\":\"m\",\"metadata\":{\"a\":1}}", "invalid_value", "metadata", "found 1"},
        {"{\"model\":\"m\",\"metadata\":[]}", "invalid_value", "metadata", "found an array of 0"},
        {"{\"model\":\"m\",\"integrations\":[{\"type\":\"wandb\"}]}", "unsupported_parameter",
         "integrations", "not supported"},
        {"{\"model\":\"m\",\"method\":\"ppo\"}", "invalid_value", "method", "found \"ppo\""},
        {"{\"model\":\"m\",\"method\":{}}", "missing_required_parameter", "method.type",
         "method.type is missing"},
        {"{\"model\":\"m\",\"method\":{\"type\":1}}", "invalid_value", "method.type", "found 1"},
        {"{\"model\":\"m\",\"method\":{\"type\":\"dpo\"}}", "invalid_value", "method.type",
         "found \"dpo\""},
        {"{\"model\":\"m\",\"method\":{\"type\":\"ppo\",\"supervised\":{}}}", "unknown_parameter",
         "method.supervised", "the object of method.type alone"},
        {"{\"model\":\"m\",\"method\":{\"type\":\"ppo\",\"ppo\":[]}}", "invalid_value",
         "method.ppo", "expected an object"},
        {"{\"model\":\"m\",\"method\":{\"type\":\"ppo\",\"ppo\":{\"hyperparameters\":{\"lr\":1}}}}",
         "unknown_parameter", "method.ppo.hyperparameters.lr", "no such parameter"},
        {"{\"model\":\"m\",\"method\":{\"type\":\"ppo\"},\"hyperparameters\":{}}", "invalid_value",
         "hyperparameters", "in the method's own object"},
        {"{\"model\":\"m\",\"hyperparameters\":{\"n_epochs\":0}}", "invalid_value",
         "hyperparameters.n_epochs", "an integer at least 1, found 0"},
        {"{\"model\":\"m\",\"hyperparameters\":3}", "invalid_value", "hyperparameters",
         "expected an object, found 3"},
        {"{\"model\":\"m\",\"method\":{\"type\":\"ppo\",\"ppo\":{\"publish\":{}}}}",
         "missing_required_parameter", "method.ppo.publish.alias", "is missing"},
        {"{\"model\":\"m\",\"method\":{\"type\":\"ppo\",\"ppo\":{\"publish\":{\"alias\":\"A "
         "b\"}}}}",
         "invalid_value", "method.ppo.publish.alias", "1 to 64 of a-z 0-9 -"},
        {"{\"model\":\"m\",\"method\":{\"type\":\"ppo\",\"ppo\":{\"publish\":{\"alias\":\"a\","
         "\"gate\":{\"max_kl\":1}}}}}",
         "unknown_parameter", "method.ppo.publish.gate.max_kl", "no such parameter"},
        {"{\"model\":\"m\",\"method\":{\"type\":\"ppo\",\"ppo\":{\"publish\":{\"alias\":\"a\","
         "\"every\":0}}}}",
         "invalid_value", "method.ppo.publish.every", "found 0"},
        {"{\"model\":", "invalid_json", "", "byte"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        api_job_request r;
        api_error err;
        if (read_body(rows[i].body, &r, &err))
            FAIL("taken: %s", rows[i].body);
        EXPECT_EQ(err.status, 400);
        EXPECT_STR(err.code, rows[i].code);
        EXPECT_STR(err.param, rows[i].param);
        if (!strstr(err.message, rows[i].message))
            FAIL("\"%s\" does not say \"%s\"", err.message, rows[i].message);
    }
}

static void expect_text(buf *out, const char *want)
{
    EXPECT(!out->failed);
    EXPECT_STR(out->data, want);
    buf_free(out);
}

/* The members, and their nulls, are those of OpenAI's object; progress is ours. */
TEST(a_job_is_written_as_openais_clients_know_it)
{
    store_job job = {.id = "ftjob-1",
                     .status = STORE_JOB_RUNNING,
                     .method = "ppo",
                     .model = "instruct",
                     .training_file = "file-a",
                     .method_json = "{\"hyperparameters\":{\"kl_coef\":0.02}}",
                     .publish_json = "{\"alias\":\"instruct\"}",
                     .seed = 3,
                     .trained_tokens = 50,
                     .progress_done = 5,
                     .progress_total = 9,
                     .created_at = 1700000000};
    buf out;
    buf_init(&out, 1 << 16);
    api_job_write(&out, &job);
    expect_text(
        &out,
        "{\"id\":\"ftjob-1\",\"object\":\"fine_tuning.job\",\"organization_id\":\"\","
        "\"created_at\":1700000000,\"status\":\"running\",\"finished_at\":null,"
        "\"fine_tuned_model\":null,\"error\":null,\"result_files\":[],\"trained_tokens\":null,"
        "\"estimated_finish\":null,\"progress\":{\"done\":5,\"total\":9,\"trained_tokens\":50},"
        "\"model\":\"instruct\",\"training_file\":\"file-a\",\"validation_file\":null,\"seed\":3,"
        "\"user_provided_suffix\":null,\"metadata\":null,\"integrations\":null,"
        "\"method\":{\"type\":\"ppo\",\"ppo\":{\"hyperparameters\":{\"kl_coef\":0.02},"
        "\"publish\":{\"alias\":\"instruct\"}}},\"hyperparameters\":{\"kl_coef\":0.02}}");

    job = (store_job){.id = "ftjob-2",
                      .status = STORE_JOB_FAILED,
                      .method = "supervised",
                      .model = "pol_1",
                      .training_file = "file-a",
                      .validation_file = "file-b",
                      .method_json = "{}",
                      .publish_json = "{\"alias\":\"a\"}",
                      .suffix = "s",
                      .metadata_json = "{\"k\":\"v\"}",
                      .fine_tuned_model = "pol_2",
                      .error_code = "not_finite",
                      .error_message = "step 3",
                      .trained_tokens = 7,
                      .finished_at = 1700000009};
    buf_init(&out, 1 << 16);
    api_job_write(&out, &job);
    expect_text(
        &out,
        "{\"id\":\"ftjob-2\",\"object\":\"fine_tuning.job\",\"organization_id\":\"\","
        "\"created_at\":0,\"status\":\"failed\",\"finished_at\":1700000009,"
        "\"fine_tuned_model\":\"pol_2\",\"error\":{\"code\":\"not_finite\",\"message\":\"step 3\","
        "\"param\":null},\"result_files\":[],\"trained_tokens\":7,\"estimated_finish\":null,"
        "\"progress\":{\"done\":0,\"total\":0,\"trained_tokens\":7},\"model\":\"pol_1\","
        "\"training_file\":\"file-a\",\"validation_file\":\"file-b\",\"seed\":0,"
        "\"user_provided_suffix\":\"s\",\"metadata\":{\"k\":\"v\"},\"integrations\":null,"
        "\"method\":{\"type\":\"supervised\",\"supervised\":{\"publish\":{\"alias\":\"a\"}}},"
        "\"hyperparameters\":{}}");
}

TEST(a_checkpoint_is_written_as_openais_clients_know_it)
{
    const store_checkpoint row = {.id = "ftckpt-1",
                                  .job = "ftjob-1",
                                  .policy = "pol_1",
                                  .metrics_json = "{\"kl_ref\":1}",
                                  .step = 5,
                                  .created_at = 1700000000};
    buf out;
    buf_init(&out, 1 << 16);
    api_checkpoint_write(&out, &row);
    expect_text(&out, "{\"id\":\"ftckpt-1\",\"object\":\"fine_tuning.job.checkpoint\","
                      "\"created_at\":1700000000,\"fine_tuning_job_id\":\"ftjob-1\","
                      "\"fine_tuned_model_checkpoint\":\"pol_1\",\"step_number\":5,"
                      "\"metrics\":{\"kl_ref\":1}}");
}

TEST(metrics_become_columns_with_null_where_a_row_lacks_one)
{
    const store_metrics_row rows[] = {
        {1, "{\"loss\":2.5,\"lr\":0.001}"}, {2, "{\"loss\":null}"}, {5, "{\"kl\":0.1,\"loss\":1}"}};
    buf out;
    buf_init(&out, 1 << 16);
    EXPECT(api_job_metrics_write(&out, rows, 3, true));
    expect_text(&out, "{\"columns\":{\"step\":[1,2,5],\"loss\":[2.5,null,1],"
                      "\"lr\":[0.001,null,null],\"kl\":[null,null,0.1]},\"has_more\":true}");
    buf_init(&out, 1 << 16);
    EXPECT(api_job_metrics_write(&out, rows, 0, false));
    expect_text(&out, "{\"columns\":{\"step\":[]},\"has_more\":false}");
}
