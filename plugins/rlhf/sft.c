#include "rlhf/course.h"
#include "rlhf/methods.h"
#include "rlhf/publish.h"

#include <math.h>

static job_code load_data(course *c, const job *j, eng_error *err)
{
    job_code code =
        course_load(c, &c->train, "training_file", j->training_file, DATA_SUPERVISED, err);
    if (code == INSTRUCTD_OK && j->validation_file)
        code =
            course_load(c, &c->valid, "validation_file", j->validation_file, DATA_SUPERVISED, err);
    if (code == INSTRUCTD_OK && j->names.pretrain)
        code = course_load(c, &c->mix, "pretrain", j->names.pretrain, DATA_PRETRAIN, err);
    return code;
}

/* The result, measured on the validation prompts (or the training ones) before the alias moves. */
static job_code publish(course *c, const job *j, scorer *s, const example *held_out,
                        size_t n_held_out, eng_error *err)
{
    gate g = {.job = j,
              .pass = {&j->host, c->tape, &c->micro},
              .scorer = s,
              .prompts = c->valid.n ? &c->valid : &c->train,
              .held_out = held_out,
              .n_held_out = n_held_out,
              .max_tokens = c->limits.response,
              .current_reward = NAN,
              .current_loss = NAN};
    const publish_order result = {.net = c->trainer.net,
                                  .stage = "sft",
                                  .gate = &g,
                                  .kl_coef = NAN,
                                  .ptx_coef = NAN,
                                  .step = c->state.step};
    return publish_result(j, &result, err);
}

job_code supervised_run(const job *j, eng_error *err)
{
    course c;
    scorer s = {0};
    const example *held_out = NULL;
    size_t n_held_out = 0;
    job_code code = course_open(&c, j, err);
    if (code == INSTRUCTD_OK)
        code = load_data(&c, j, err);
    if (code == INSTRUCTD_OK && j->names.reward_model)
        code = scorer_open(&s, j, eng_net_tokenizer(c.trainer.net),
                           c.limits.prompt + c.limits.response, err);
    if (code == INSTRUCTD_OK) {
        n_held_out = hold_out(&c.mix, &held_out);
        c.mix_fraction = j->numbers.pretrain_fraction;
        c.scorer = j->names.reward_model && j->numbers.select_by_rm_score ? &s : NULL;
        code = course_run(&c, err);
    }
    if (code == INSTRUCTD_OK)
        code = publish(&c, j, j->names.reward_model ? &s : NULL, held_out, n_held_out, err);
    scorer_free(&s);
    course_free(&c);
    return code;
}
