/* Files, models and the job's own directory, by ids: a plugin learns where things lie from here
 * alone. */
#include "host/lent.h"

#include "base/data_files.h"
#include "host/train_job.h"
#include "host/job_dirs.h"
#include "host/job_models.h"

#include <stdlib.h>
#include <string.h>

/* ---- files ---- */

typedef struct file_call {
    instructd_job *job;
    const char *id;
    char *err;
    int fd;
} file_call;

/* The lineage of what the job publishes names what it has read. */
static void note_digest(instructd_job *job, const char *sha256)
{
    for (size_t i = 0; i < job->n_digests; i++)
        if (strcmp(job->digests[i], sha256) == 0)
            return;
    char *copy = job->n_digests < JOB_DIGESTS ? strdup(sha256) : NULL;
    if (copy)
        job->digests[job->n_digests++] = copy;
}

static int do_file_open(void *arg)
{
    file_call *c = arg;
    store_file file;
    error_text err;
    store_status status = store_file_get(c->job->rooms->store, c->id, &file, &err);
    if (status != STORE_OK)
        return train_job_fail(c->err,
                              status == STORE_NOT_FOUND ? INSTRUCTD_E_NOT_FOUND : INSTRUCTD_E_IO,
                              "file %.64s: %.300s", c->id, err.text);
    c->fd = data_file_open(c->job->rooms->data_dir, c->id, &err);
    if (c->fd >= 0)
        note_digest(c->job, file.sha256);
    store_file_free(&file);
    return c->fd >= 0 ? INSTRUCTD_OK : train_job_fail(c->err, INSTRUCTD_E_IO, "%.400s", err.text);
}

static int file_open(instructd_job *job, const char *file_id, char *err)
{
    file_call c = {job, file_id ? file_id : "", err, -1};
    return train_job_call(job, do_file_open, &c, err) == INSTRUCTD_OK ? c.fd : -1;
}

/* ---- models ---- */

typedef struct model_call {
    instructd_job *job;
    const char *name;
    char *out; /* an id, or a path of cap bytes */
    size_t cap;
    char *err;
} model_call;

/* Keeps the policy on disk while the job lives, and says where it lies. */
static int hold(const instructd_job *job, const char *id, char *path, size_t cap, char *err)
{
    error_text why;
    publish_result result = job_holds_need(job->holds, job->row.id, id, path, cap, &why);
    return result == PUBLISH_OK
               ? INSTRUCTD_OK
               : train_job_fail(err, train_job_code_of(result), "%.400s", why.text);
}

static int do_policy_resolve(void *arg)
{
    const model_call *c = arg;
    const jobs_options *rooms = c->job->rooms;
    char path[4096];
    error_text why;
    publish_result result =
        job_model_resolve(rooms->registry, rooms->publisher, c->name, c->out, &why);
    if (result != PUBLISH_OK)
        return train_job_fail(c->err, train_job_code_of(result), "%.400s", why.text);
    return hold(c->job, c->out, path, sizeof path, c->err);
}

static int policy_resolve_name(instructd_job *job, const char *name, char *id, char *err)
{
    model_call c = {job, name ? name : "", id, INSTRUCTD_POLICY_ID_BYTES, err};
    return train_job_call(job, do_policy_resolve, &c, err);
}

static int do_policy_path(void *arg)
{
    const model_call *c = arg;
    return hold(c->job, c->name, c->out, c->cap, c->err);
}

static int policy_path(instructd_job *job, const char *id, char *path, size_t cap, char *err)
{
    model_call c = {job, id ? id : "", path, cap, err};
    return train_job_call(job, do_policy_path, &c, err);
}

static int do_policy_release(void *arg)
{
    const model_call *c = arg;
    if (strcmp(c->name, c->job->row.model_policy) != 0)
        job_holds_let_go(c->job->holds, c->job->row.id, c->name);
    return INSTRUCTD_OK;
}

static void policy_release(instructd_job *job, const char *id)
{
    model_call c = {job, id ? id : "", NULL, 0, NULL};
    train_job_call(job, do_policy_release, &c, NULL);
}

/* ---- checkpoints ---- */

static int do_checkpoint_dir(void *arg)
{
    const model_call *c = arg;
    error_text why;
    return job_dir_make(c->job->rooms->data_dir, c->job->row.id, c->out, c->cap, &why)
               ? INSTRUCTD_OK
               : train_job_fail(c->err, INSTRUCTD_E_IO, "%.400s", why.text);
}

static int checkpoint_dir(instructd_job *job, char *path, size_t cap, char *err)
{
    model_call c = {job, NULL, path, cap, err};
    return train_job_call(job, do_checkpoint_dir, &c, err);
}

void lent_data(instructd_host *abi)
{
    abi->file_open = file_open;
    abi->policy_resolve = policy_resolve_name;
    abi->policy_path = policy_path;
    abi->checkpoint_dir = checkpoint_dir;
    abi->policy_release = policy_release;
}
