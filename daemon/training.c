#include "training.h"

#include "host/host_table.h"
#include "host/reward_http.h"
#include "host/rollout.h"

#include <limits.h>
#include <stdlib.h>

struct training {
    host_table *lent; /* to plugins */
    plugin_host *plugins;
    reward_endpoints *rewards;
    rollout_source *rollouts;
    jobs *jobs;
};

/* Foreign code runs from here on. */
static bool load_plugins(training *t, const char *directory, error_text *err)
{
    char beside[PATH_MAX];
    if (!directory && plugin_host_default_directory(beside, sizeof beside))
        directory = beside;
    return plugin_host_open(&t->plugins, directory, host_table_abi(t->lent), err);
}

training *training_open(const training_options *o, error_text *err)
{
    training *t = calloc(1, sizeof *t);
    if (!t) {
        error_text_set(err, "out of memory");
        return NULL;
    }
    t->rewards = reward_endpoints_create(o->rewards, o->n_rewards, NULL, err);
    t->lent = t->rewards
                  ? host_table_create(o->threads, o->spare, o->version, o->sampler_dtype, err)
                  : NULL;
    if (t->lent && load_plugins(t, o->plugin_dir, err))
        return t;
    training_free(t);
    return NULL;
}

bool training_start(training *t, const jobs_options *rooms, const sched_options *rollouts,
                    error_text *err)
{
    jobs_options all = *rooms;
    t->rollouts = rollout_source_create(rooms->registry, rollouts);
    if (!t->rollouts)
        return error_text_set(err, "rollouts: out of memory");
    all.plugins = t->plugins;
    all.lent = host_table_abi(t->lent);
    all.rollouts = t->rollouts;
    all.spare = rollouts->spare;
    all.rewards = t->rewards;
    return jobs_start(&t->jobs, &all, err);
}

plugin_host *training_plugins(const training *t)
{
    return t->plugins;
}

jobs *training_jobs(const training *t)
{
    return t->jobs;
}

void training_ask_stop(training *t)
{
    if (!t)
        return;
    jobs_ask_stop(t->jobs);
    plugin_host_ask_stop(t->plugins);
}

bool training_has_left(training *t)
{
    return !t || (jobs_have_left(t->jobs) && !plugin_host_is_stuck(t->plugins));
}

bool training_free(training *t)
{
    if (!t)
        return true;
    if (!jobs_free(t->jobs) || plugin_host_is_stuck(t->plugins))
        return false;
    rollout_source_free(t->rollouts);
    plugin_host_free(t->plugins);
    host_table_free(t->lent);
    reward_endpoints_free(t->rewards);
    free(t);
    return true;
}
