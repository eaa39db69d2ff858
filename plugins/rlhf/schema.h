/* The fields of each method: one table from which come the JSON schema that the host checks
 * requests with, and the numbers read out of a checked request.
 *
 * Defaults are what Ouyang et al. 2022 print, and our choice where they print none.
 *
 * Threads: any. */
#ifndef RLHF_SCHEMA_H
#define RLHF_SCHEMA_H

#include "base/arena.h"
#include "base/json.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum job_method {
    JOB_PRETRAIN,
    JOB_SUPERVISED,
    JOB_REWARD_MODEL,
    JOB_PPO,
    JOB_N_METHODS
} job_method;

/* What a job is told: each method reads its own. Rates of learning are multiplied already. */
typedef struct job_numbers {
    /* every method */
    double adam_beta1, adam_beta2, adam_eps, weight_decay;
    double max_grad_norm; /* 0: no clipping */
    uint64_t max_prompt_tokens, max_response_tokens;
    double learning_rate_multiplier;
    bool bf16;           /* compute: products of rounded inputs, in every pass of the job */
    uint64_t batch_size; /* sequences; reward_model: prompts; ppo: episodes of an iteration */
    double learning_rate;
    /* all but ppo */
    uint64_t n_epochs;
    double final_lr_ratio, dropout;
    double pretrain_fraction; /* supervised: share of each batch that is pretraining text */
    bool select_by_rm_score;  /* supervised: else by validation loss */
    /* ppo */
    uint64_t episodes, minibatch_size, ppo_epochs, warmup_iterations, ptx_ratio, max_staleness;
    double value_learning_rate, kl_coef, clip_range, value_clip_range, gamma, gae_lambda;
    bool whiten_advantages, whiten_rewards;
    double missing_eos_penalty, temperature, ema_decay, ptx_coef, importance_cap;
} job_numbers;

/* The method object's other fields, NULL when absent: names of models, ids of files. */
typedef struct job_names {
    const char *preset, *reward_model, *reference, *prompts, *pretrain, *center;
} job_names;

const char *schema_method_name(job_method method); /* "supervised" */

/* The method's JSON schema, for the caller to free; NULL when memory is out. */
char *schema_json(job_method method);

/* Reads a method's object: fills both structs, the defaults of the preset or of the method where a
 * number is absent or null. Strings live as long as `object`. ENG_INVALID names the field in
 * param[64] and tells expected and found. */
ENG_MUST_CHECK eng_status schema_read(job_method method, const eng_json *object,
                                      job_numbers *numbers, job_names *names, char *param,
                                      eng_error *err);

#endif
