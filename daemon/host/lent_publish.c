/* A job's weights become a policy. */
#include "host/lent.h"

#include "api/json_out.h"
#include "api/publish_spec.h"
#include "base/limits.h"
#include "base/random.h"
#include "host/train_job.h"
#include "host/job_tell.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { GATES = 4 };

typedef struct publish_call {
    instructd_job *job;
    const instructd_publish *publish;
    char *id, *err;
} publish_call;

/* ---- gates ---- */

static double measured(const instructd_publish *p, const char *name)
{
    for (uint32_t i = 0; i < p->n_measured; i++)
        if (strcmp(p->measured[i].name, name) == 0)
            return p->measured[i].value;
    return NAN;
}

/* A bound that the job gave must have been measured. One that it left to us (its preset) holds
 * for what the plugin measured. */
static size_t make_gates(const publish_spec *spec, const instructd_publish *p,
                         publish_gate out[GATES])
{
    const struct {
        const char *name, *measured;
        double given, preset;
    } gates[GATES] = {{"min_rm_delta", "rm_delta", spec->min_rm_delta, 0},
                      {"max_kl_ref", "kl_ref", spec->max_kl_ref, 10},
                      {"max_lm_loss_rise", "lm_loss_rise", spec->max_lm_loss_rise, 0.05},
                      {"max_seconds", "seconds", spec->max_seconds, 60}};
    size_t n = 0;
    for (int i = 0; i < GATES; i++) {
        double found = measured(p, gates[i].measured);
        if (isnan(gates[i].given) && isnan(found))
            continue;
        out[n++] = (publish_gate){.name = gates[i].name,
                                  .bound = isnan(gates[i].given) ? gates[i].preset : gates[i].given,
                                  .measured = found};
    }
    return n;
}

/* An alias moves only if the request named it. */
static int read_spec(const publish_call *c, publish_spec *spec)
{
    const char *json = c->job->row.publish_json;
    *spec = (publish_spec){.alias = ""};
    if (!c->publish->alias)
        return INSTRUCTD_OK;
    if (json && publish_spec_read(json, spec) && strcmp(spec->alias, c->publish->alias) == 0)
        return INSTRUCTD_OK;
    return train_job_fail(c->err, INSTRUCTD_E_INVALID,
                          "publish: alias: expected %.64s, as the job says, found %.64s",
                          spec->alias[0] ? spec->alias : "none", c->publish->alias);
}

/* ---- what is noted afterwards ---- */

static void write_metrics(buf *out, const instructd_publish *p)
{
    buf_putc(out, '{');
    for (uint32_t i = 0; i < p->n_measured; i++) {
        if (i)
            buf_putc(out, ',');
        json_cstring(out, p->measured[i].name);
        buf_putc(out, ':');
        json_double(out, p->measured[i].value);
    }
    buf_putc(out, '}');
}

static bool note_checkpoint(const publish_call *c, error_text *err)
{
    buf json;
    buf_init(&json, LIMIT_STORE_METRICS_BYTES);
    write_metrics(&json, c->publish);
    char id[sizeof "ftckpt-" + 24] = "ftckpt-";
    random_hex(id + strlen(id), 12);
    store_checkpoint row = {.id = id,
                            .job = c->job->row.id,
                            .policy = c->id,
                            .step = c->publish->step,
                            .metrics_json = json.failed ? "{}" : json.data,
                            .created_at = time(NULL)};
    store_status status = store_checkpoint_insert(c->job->rooms->store, &row, err);
    buf_free(&json);
    return status == STORE_OK;
}

/* The first policy that moves no alias is the job's result; without one, the last that did. */
static bool note_result(const publish_call *c, error_text *err)
{
    instructd_job *job = c->job;
    if (job->has_result)
        return true;
    job->has_result = !c->publish->alias;
    return store_job_result(job->rooms->store, job->row.id, c->id, err) == STORE_OK;
}

static void tell_published(const publish_call *c)
{
    buf data;
    buf_init(&data, LIMIT_JOB_EVENT_BYTES);
    JSON_LIT(&data, "{\"policy\":");
    json_cstring(&data, c->id);
    JSON_LIT(&data, ",\"alias\":");
    json_cstring(&data, c->publish->alias);
    JSON_LIT(&data, ",\"step\":");
    json_uint(&data, c->publish->step);
    buf_putc(&data, '}');
    if (c->publish->alias)
        job_tell(c->job->rooms, c->job->row.id, "info", data.data, "Step %llu: published %s as %s",
                 (unsigned long long)c->publish->step, c->id, c->publish->alias);
    else
        job_tell(c->job->rooms, c->job->row.id, "info", data.data, "Step %llu: kept as %s",
                 (unsigned long long)c->publish->step, c->id);
    buf_free(&data);
}

/* The policy is there and serves; what the store could not take is told, and no more. */
static void note(const publish_call *c)
{
    error_text err;
    if (!note_checkpoint(c, &err) || !note_result(c, &err))
        job_tell(c->job->rooms, c->job->row.id, "warn", NULL, "%s was not noted: %.300s", c->id,
                 err.text);
    tell_published(c);
}

/* ---- the call ---- */

/* What was measured, for the manifest: without the clock, or a seeded rerun would have another id.
 */
static size_t make_figures(const instructd_publish *p, publish_gate *out)
{
    size_t n = 0;
    for (uint32_t i = 0; i < p->n_measured; i++)
        if (strcmp(p->measured[i].name, "seconds") != 0)
            out[n++] =
                (publish_gate){.name = p->measured[i].name, .measured = p->measured[i].value};
    return n;
}

static publish_result publish_weights_of(const publish_call *c, const publish_spec *spec,
                                         const publish_weights *weights, error_text *err)
{
    const instructd_publish *p = c->publish;
    const instructd_job *job = c->job;
    publish_gate gates[GATES];
    publish_gate *figures = calloc(p->n_measured + 1, sizeof *figures);
    if (!figures) {
        error_text_set(err, "out of memory");
        return PUBLISH_NO_MEMORY;
    }
    const publish_request request = {.weights = *weights,
                                     .stage = p->stage,
                                     .alias = p->alias,
                                     .parent = p->parent,
                                     .job = job->row.id,
                                     .reward_model = p->reward_model,
                                     .datasets = (const char *const *)job->digests,
                                     .n_datasets = job->n_digests,
                                     .kl_coef = p->kl_coef,
                                     .ptx_coef = p->ptx_coef,
                                     .seed = job->row.seed,
                                     .gates = gates,
                                     .n_gates = p->alias ? make_gates(spec, p, gates) : 0,
                                     .metrics = figures,
                                     .n_metrics = make_figures(p, figures),
                                     .actor = job->row.id};
    publish_result result = publisher_publish(job->rooms->publisher, &request, c->id, err);
    free(figures);
    return result;
}

static int do_publish(void *arg)
{
    const publish_call *c = arg;
    publish_spec spec;
    publish_weights weights;
    error_text why;
    if (c->job->checking)
        return train_job_fail(c->err, INSTRUCTD_E_UNSUPPORTED,
                              "publishing belongs to run, not to check");
    int rc = read_spec(c, &spec);
    if (rc != INSTRUCTD_OK)
        return rc;
    if (!train_job_weights(&c->publish->weights, &weights))
        return train_job_fail(c->err, INSTRUCTD_E_NOMEM, "out of memory");
    publish_result result = publish_weights_of(c, &spec, &weights, &why);
    train_job_weights_free(&weights);
    if (result == PUBLISH_OK) {
        note(c);
        return INSTRUCTD_OK;
    }
    rc = train_job_code_of(result);
    if (rc == INSTRUCTD_E_REFUSED && c->publish->alias) /* the rest is told by who gets it */
        job_tell(c->job->rooms, c->job->row.id, "warn", NULL, "Step %llu: not published: %.400s",
                 (unsigned long long)c->publish->step, why.text);
    return train_job_fail(c->err, rc, "%.400s", why.text);
}

static int publish(instructd_job *job, const instructd_publish *p, char *id, char *err)
{
    publish_call c = {job, p, id, err};
    return train_job_call(job, do_publish, &c, err);
}

void lent_publish(instructd_host *abi)
{
    abi->publish = publish;
}
