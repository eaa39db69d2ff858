#include "rlhf/language.h"
#include "rlhf/methods.h"
#include "rlhf/publish.h"

#include <math.h>

typedef struct sft {
    language language;
    scorer scorer; /* open if the job names a reward model */
    const example *held_out;
    size_t n_held_out;
} sft;

static job_code load_data(sft *s, const job *j, eng_error *err)
{
    language *l = &s->language;
    course *c = &l->course;
    job_code code =
        course_load(c, &l->train, "training_file", j->training_file, DATA_SUPERVISED, err);
    if (code == INSTRUCTD_OK && j->validation_file)
        code =
            course_load(c, &l->valid, "validation_file", j->validation_file, DATA_SUPERVISED, err);
    if (code == INSTRUCTD_OK && j->names.pretrain)
        code = course_load(c, &l->mix, "pretrain", j->names.pretrain, DATA_PRETRAIN, err);
    if (code == INSTRUCTD_OK)
        s->n_held_out = hold_out(&l->mix, &s->held_out);
    return code;
}

/* How long a trial's completion may be: with its prompt it must fit a micro-batch, and those are
 * made for what is learnt. */
static uint32_t trial_tokens(const course *c, const example_set *prompts)
{
    const uint32_t most = c->micro.max_tokens;
    const uint32_t room = most > prompts->longest_prompt ? most - prompts->longest_prompt : 1;
    return room < c->limits.response ? room : c->limits.response;
}

/* The result, measured on the validation prompts (or the training ones) before the alias moves. */
static job_code publish(sft *s, const job *j, eng_error *err)
{
    language *l = &s->language;
    course *c = &l->course;
    const example_set *prompts = l->valid.n ? &l->valid : &l->train;
    gate g = {.job = j,
              .pass = {&j->host, c->tape, &c->micro},
              .scorer = j->names.reward_model ? &s->scorer : NULL,
              .prompts = prompts,
              .held_out = s->held_out,
              .n_held_out = s->n_held_out,
              .max_tokens = trial_tokens(c, prompts),
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
    sft s = {0};
    language *l = &s.language;
    job_code code = language_open(l, j, err);
    if (code == INSTRUCTD_OK)
        code = load_data(&s, j, err);
    if (code == INSTRUCTD_OK && j->names.reward_model)
        code = scorer_open(&s.scorer, j, eng_net_tokenizer(l->course.trainer.net),
                           l->course.limits.prompt + l->course.limits.response, err);
    if (code == INSTRUCTD_OK) {
        l->mix_fraction = j->numbers.pretrain_fraction;
        l->scorer = j->names.reward_model && j->numbers.select_by_rm_score ? &s.scorer : NULL;
        code = language_run(l, err);
    }
    if (code == INSTRUCTD_OK)
        code = publish(&s, j, err);
    scorer_free(&s.scorer);
    language_free(l);
    return code;
}
