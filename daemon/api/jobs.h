/* Training jobs and methods as JSON, in the shapes of OpenAI's fine-tuning API. Pure functions.
 *
 *   {"model":"instruct","training_file":"file-a","method":{"type":"ppo","ppo":{
 *     "hyperparameters":{"kl_coef":0.02},"reward_model":"pol_...",
 *     "publish":{"alias":"instruct"}}}} */
#ifndef DAEMON_API_JOBS_H
#define DAEMON_API_JOBS_H

#include "api/error.h"
#include "store/store.h"

struct schema;

/* A request to make a job. All strings are malloc'd or NULL. */
typedef struct api_job_request {
    char *model, *method;                  /* never NULL */
    char *training_file, *validation_file; /* ids, well formed */
    char *method_json;                     /* normal form (schema.h), without "publish" */
    char *publish_json;                    /* normal form (publish_spec.h) */
    char *suffix, *metadata_json;
    uint64_t seed;
} api_job_request;

/* The schema of a method, or NULL if there is no such method. */
typedef const struct schema *api_find_method(void *arg, const char *type);

/* Reads and checks a body of POST /v1/fine_tuning/jobs: every field known, the method's object as
 * its schema says. Without `method` it is "supervised", and the numbers may then stand in a
 * `hyperparameters` of the body, as OpenAI's API once had it. Whether files and models exist is not
 * asked here. False: *err, and out holds nothing. */
bool api_job_read(const char *body, size_t len, api_find_method *find, void *arg,
                  api_job_request *out, api_error *err);
void api_job_request_free(api_job_request *r);

void api_job_write(buf *out, const store_job *job);               /* fine_tuning.job */
void api_checkpoint_write(buf *out, const store_checkpoint *row); /* fine_tuning.job.checkpoint */
/* {"columns":{"step":[...],"loss":[...]},"has_more"}: a column for each name that any row has, null
 * where a row lacks it. False: memory is out. */
bool api_job_metrics_write(buf *out, const store_metrics_row *rows, size_t n, bool more);
/* {"type","plugin","schema"}; the schema goes out as the plugin wrote it. */
void api_method_write(buf *out, const char *type, const char *plugin, const char *schema_json);

#endif
