#include "part_options.h"

#include "daemon.h"
#include "engine.h"

#include <string.h>

/* A gap between tokens that a reader does not see. */
enum { BUSY_STEP_NS = 30 * 1000 * 1000 };

/* Where serving leaves cores free there is time to spare already. */
uint32_t part_spare_percent(const config *c)
{
    return c->threads && c->threads < eng_cpu_count() ? 0 : c->train_share;
}

static eng_serve_type serve_type(config_weights weights)
{
    switch (weights) {
    case CONFIG_WEIGHTS_F32:
        return ENG_SERVE_F32;
    case CONFIG_WEIGHTS_BF16:
        return ENG_SERVE_BF16;
    case CONFIG_WEIGHTS_Q8_0:
        return ENG_SERVE_Q8_0;
    case CONFIG_WEIGHTS_FILE:
        break;
    }
    return ENG_SERVE_AS_FILE;
}

static eng_serve_type published_type(config_publish type)
{
    switch (type) {
    case CONFIG_PUBLISH_F32:
        return ENG_SERVE_F32;
    case CONFIG_PUBLISH_BF16:
        return ENG_SERVE_BF16;
    case CONFIG_PUBLISH_Q8_0:
        return ENG_SERVE_Q8_0;
    case CONFIG_PUBLISH_AUTO:
        break;
    }
    return ENG_SERVE_AS_FILE;
}

publisher_options part_publisher_options(const config *c)
{
    return (publisher_options){.data_dir = c->data_dir,
                               .base_model = c->model,
                               .base_alias = c->alias,
                               .reset_alias = c->reset_alias,
                               .base = {.serve_type = serve_type(c->weights),
                                        .n_threads = c->threads,
                                        .kernels = c->kernels},
                               .published_type = published_type(c->publish_type),
                               .max_resident = c->max_resident,
                               .max_bytes = c->policy_bytes,
                               .code_rev = INSTRUCTD_VERSION};
}

sched_options part_scheduler_options(const config *c, spare_time *spare, right_of_way *way)
{
    return (sched_options){.runtime = {.n_threads = c->threads,
                                       .kv_bytes = c->kv_bytes,
                                       .kv_f32 = c->kv_type == CONFIG_KV_F32},
                           .kv_auto = c->kv_type == CONFIG_KV_AUTO,
                           .max_running = c->max_running,
                           .prefill_budget = c->prefill_budget,
                           .busy_step_ns = BUSY_STEP_NS,
                           .max_queued = c->max_queued,
                           .spare = spare,
                           .way = way};
}

const char *part_sampler_dtype(const config *c)
{
    static const char *const names[] = {[CONFIG_PUBLISH_F32] = "f32",
                                        [CONFIG_PUBLISH_BF16] = "bf16",
                                        [CONFIG_PUBLISH_Q8_0] = "q8_0"};
    eng_model_facts facts;
    eng_error err;
    config_publish type = c->publish_type;
    if (type == CONFIG_PUBLISH_AUTO) {
        bool f32 = eng_model_inspect(&facts, c->model, serve_type(c->weights), &err) == ENG_OK &&
                   strcmp(facts.dtype, "f32") == 0;
        type = f32 ? CONFIG_PUBLISH_F32 : CONFIG_PUBLISH_Q8_0;
    }
    return type == CONFIG_PUBLISH_F32 && c->kv_type == CONFIG_KV_F16 ? "f16" : names[type];
}
