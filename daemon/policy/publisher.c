/* The publisher's birth and end. */
#include "policy/base_digest.h"
#include "policy/state.h"
#include "policy/recover.h"

#include "formats/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DEFAULT_RESIDENT = 3 };

static bool copy_options(publisher *p, const publisher_options *o)
{
    p->data_dir = strdup(o->data_dir);
    p->base_model = strdup(o->base_model);
    p->base_alias = strdup(o->base_alias);
    p->code_rev = o->code_rev ? strdup(o->code_rev) : NULL;
    p->base_options = p->published_options = o->base;
    p->published_options.serve_type = o->published_type;
    p->max_resident = o->max_resident ? o->max_resident : DEFAULT_RESIDENT;
    p->max_bytes = o->max_bytes;
    p->moved = o->moved;
    p->moved_arg = o->moved_arg;
    p->spare = o->spare;
    return p->data_dir && p->base_model && p->base_alias && (p->code_rev || !o->code_rev);
}

/* A directory of ours tells its stage; a "base" one is a pretrained model like any other. */
static void learn_stage(publisher *p)
{
    eng_error ignored;
    char stage[POLICY_STAGE_BYTES];
    snprintf(p->base_stage, sizeof p->base_stage, "pretrained");
    if (eng_checkpoint_stage(p->base_model, stage, sizeof stage, &ignored) == ENG_OK &&
        strcmp(stage, "base") != 0)
        memcpy(p->base_stage, stage, sizeof p->base_stage);
}

static eng_status learn_base(publisher *p, eng_error *err)
{
    struct stat st;
    eng_status status = eng_model_inspect(&p->base, p->base_model, p->base_options.serve_type, err);
    if (status == ENG_OK)
        status = base_digest(p->data_dir, p->base_model, p->base_digest, err);
    if (status != ENG_OK)
        return status;
    p->base_options.digest = p->base_digest;
    snprintf(p->base_id, sizeof p->base_id, "pol_%.16s", p->base_digest);
    p->base_time = stat(p->base_model, &st) == 0 ? (int64_t)st.st_mtim.tv_sec : 0;
    learn_stage(p);
    if (p->published_options.serve_type == ENG_SERVE_AS_FILE)
        p->published_options.serve_type =
            strcmp(p->base.dtype, "f32") == 0 ? ENG_SERVE_F32 : ENG_SERVE_Q8_0;
    return ENG_OK;
}

static eng_status open_versions(publisher *p, eng_error *err)
{
    error_text why;
    return versions_open(&p->versions, p->data_dir, &why)
               ? ENG_OK
               : eng_fail(err, ENG_IO, "%.480s", why.text);
}

/* Of the worker. */
static void idle(void *arg)
{
    publisher *p = arg;
    if (!p->warm)
        publisher_warm_previous(p);
    p->warm = true;
    publisher_collect(p);
}

void publisher_run(publisher *p, void (*fn)(void *arg), void *arg)
{
    if (p->worker)
        worker_run(p->worker, fn, arg);
    else
        fn(arg);
}

eng_status publisher_open(publisher **out, const publisher_options *options,
                          policy_registry *registry, store *rows, events *bus, metrics *counters,
                          eng_error *err)
{
    publisher *p = calloc(1, sizeof *p);
    if (!p)
        return eng_fail(err, ENG_NOMEM, "publisher: out of memory");
    p->registry = registry;
    p->store = rows;
    p->events = bus;
    p->metrics = counters;
    pthread_mutex_init(&p->moving, NULL);
    pthread_mutex_init(&p->mutex, NULL);
    eng_status st =
        copy_options(p, options) ? ENG_OK : eng_fail(err, ENG_NOMEM, "publisher: out of memory");
    if (st == ENG_OK)
        st = learn_base(p, err);
    if (st == ENG_OK)
        st = open_versions(p, err);
    if (st == ENG_OK)
        st = publisher_recover(p, options->reset_alias, err);
    if (st == ENG_OK && !(p->worker = worker_start(idle, p, p->spare)))
        st = eng_fail(err, ENG_NOMEM, "publisher: the system refuses a thread");
    if (st != ENG_OK) {
        publisher_free(p);
        return st;
    }
    worker_kick(p->worker);
    *out = p;
    return ENG_OK;
}

void publisher_free(publisher *p)
{
    if (!p)
        return;
    worker_stop(p->worker);
    versions_free(p->versions);
    pthread_mutex_destroy(&p->mutex);
    pthread_mutex_destroy(&p->moving);
    free(p->code_rev);
    free(p->base_alias);
    free(p->base_model);
    free(p->data_dir);
    free(p);
}
