#include "api/jobs.h"

#include "api/json_out.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

/* Text that is JSON already, or null. */
static void put_json(buf *out, const char *json)
{
    buf_puts(out, json ? json : "null");
}

static void put_error(buf *out, const store_job *job)
{
    if (!job->error_code) {
        JSON_LIT(out, "null");
        return;
    }
    JSON_LIT(out, "{\"code\":");
    json_cstring(out, job->error_code);
    JSON_LIT(out, ",\"message\":");
    json_cstring(out, job->error_message);
    JSON_LIT(out, ",\"param\":");
    json_cstring(out, job->error_param);
    buf_putc(out, '}');
}

/* {"type":"ppo","ppo":{...}}, with "publish" back where the request had it. */
static void put_method(buf *out, const store_job *job)
{
    size_t len = strlen(job->method_json);
    JSON_LIT(out, "{\"type\":");
    json_cstring(out, job->method);
    buf_putc(out, ',');
    json_cstring(out, job->method);
    buf_putc(out, ':');
    buf_append(out, job->method_json, len - 1); /* without its closing brace */
    if (job->publish_json) {
        buf_puts(out, len > 2 ? ",\"publish\":" : "\"publish\":");
        buf_puts(out, job->publish_json);
    }
    JSON_LIT(out, "}}");
}

static void put_hyperparameters(buf *out, const store_job *job)
{
    cJSON *method = cJSON_Parse(job->method_json);
    char *text =
        cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(method, "hyperparameters"));
    buf_puts(out, text ? text : "{}");
    free(text);
    cJSON_Delete(method);
}

static void put_results(buf *out, const store_job *job)
{
    JSON_LIT(out, ",\"finished_at\":");
    if (job->finished_at)
        json_int(out, job->finished_at);
    else
        JSON_LIT(out, "null");
    JSON_LIT(out, ",\"fine_tuned_model\":");
    json_cstring(out, job->fine_tuned_model);
    JSON_LIT(out, ",\"error\":");
    put_error(out, job);
    JSON_LIT(out, ",\"result_files\":[],\"trained_tokens\":");
    if (job->finished_at) /* null while it runs, as OpenAI has it; `progress` tells it then */
        json_uint(out, job->trained_tokens);
    else
        JSON_LIT(out, "null");
    JSON_LIT(out, ",\"estimated_finish\":null,\"progress\":{\"done\":");
    json_uint(out, job->progress_done);
    JSON_LIT(out, ",\"total\":");
    json_uint(out, job->progress_total);
    JSON_LIT(out, ",\"trained_tokens\":");
    json_uint(out, job->trained_tokens);
    buf_putc(out, '}');
}

static void put_request(buf *out, const store_job *job)
{
    JSON_LIT(out, ",\"model\":");
    json_cstring(out, job->model);
    JSON_LIT(out, ",\"training_file\":");
    json_cstring(out, job->training_file);
    JSON_LIT(out, ",\"validation_file\":");
    json_cstring(out, job->validation_file);
    JSON_LIT(out, ",\"seed\":");
    json_uint(out, job->seed);
    JSON_LIT(out, ",\"user_provided_suffix\":");
    json_cstring(out, job->suffix);
    JSON_LIT(out, ",\"metadata\":");
    put_json(out, job->metadata_json);
    JSON_LIT(out, ",\"integrations\":null,\"method\":");
    put_method(out, job);
    JSON_LIT(out, ",\"hyperparameters\":");
    put_hyperparameters(out, job);
}

void api_job_write(buf *out, const store_job *job)
{
    JSON_LIT(out, "{\"id\":");
    json_cstring(out, job->id);
    JSON_LIT(out, ",\"object\":\"fine_tuning.job\",\"organization_id\":\"\",\"created_at\":");
    json_int(out, job->created_at);
    JSON_LIT(out, ",\"status\":");
    json_cstring(out, store_job_status_text(job->status));
    put_results(out, job);
    put_request(out, job);
    buf_putc(out, '}');
}

void api_checkpoint_write(buf *out, const store_checkpoint *row)
{
    JSON_LIT(out, "{\"id\":");
    json_cstring(out, row->id);
    JSON_LIT(out, ",\"object\":\"fine_tuning.job.checkpoint\",\"created_at\":");
    json_int(out, row->created_at);
    JSON_LIT(out, ",\"fine_tuning_job_id\":");
    json_cstring(out, row->job);
    JSON_LIT(out, ",\"fine_tuned_model_checkpoint\":");
    json_cstring(out, row->policy);
    JSON_LIT(out, ",\"step_number\":");
    json_uint(out, row->step);
    JSON_LIT(out, ",\"metrics\":");
    put_json(out, row->metrics_json);
    buf_putc(out, '}');
}

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
