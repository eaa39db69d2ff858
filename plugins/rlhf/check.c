#include "rlhf/check.h"

#include "engine.h"
#include "rlhf/dataset.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PARAM_BYTES = 64 };

/* ---- files ---- */

static job_code read_all(const job_host *host, int fd, data_format format, bool trains,
                         eng_error *err)
{
    data_reader *reader;
    const data_row *row;
    uint64_t rows = 0;
    job_code code = data_open(&reader, fd, format, err);
    while (code == INSTRUCTD_OK && (code = data_next(reader, &row, err)) == INSTRUCTD_OK && row) {
        rows++;
        code = host_go_on(host, err);
        if (code == INSTRUCTD_OK && trains && row->held_out)
            code = code_fail(err, INSTRUCTD_E_INVALID,
                             "line %llu: role: a held-out labeler's row, which judges and never "
                             "trains",
                             (unsigned long long)row->line);
    }
    data_close(reader);
    if (code == INSTRUCTD_OK && rows == 0)
        return code_fail(err, INSTRUCTD_E_INVALID, "holds no rows");
    return code;
}

static job_code check_file(const job *j, const char *field, const char *file, data_format format,
                           char *param, eng_error *err)
{
    int fd;
    eng_error why;
    if (!file)
        return INSTRUCTD_OK;
    job_code code = host_file_open(&j->host, file, &fd, &why);
    if (code == INSTRUCTD_OK) {
        code = read_all(&j->host, fd, format, strcmp(field, "validation_file") != 0, &why);
        close(fd);
    }
    if (code == INSTRUCTD_OK)
        return code;
    snprintf(param, PARAM_BYTES, "%s", field);
    return code_fail(err, code, "%s %.64s: %.400s", field, file, why.text);
}

static job_code check_files(const job *j, char *param, eng_error *err)
{
    static const data_format formats[] = {DATA_PRETRAIN, DATA_SUPERVISED, DATA_REWARD_MODEL,
                                          DATA_PPO};
    data_format format = formats[j->method];
    const char *main_field = j->names.prompts ? "prompts" : "training_file";
    job_code code = check_file(j, main_field, job_main_file(j), format, param, err);
    if (code == INSTRUCTD_OK)
        code = check_file(j, "validation_file", j->validation_file, format, param, err);
    if (code == INSTRUCTD_OK)
        code = check_file(j, "pretrain", j->names.pretrain, DATA_PRETRAIN, param, err);
    if (code == INSTRUCTD_OK)
        code = check_file(j, "center", j->names.center, DATA_SUPERVISED, param, err);
    return code;
}

/* ---- models ---- */

typedef enum wanted_head { HEAD_LM, HEAD_SCORE, HEAD_EITHER } wanted_head;

static job_code check_head(const host_policy *policy, wanted_head wanted, eng_error *err)
{
    eng_model_facts facts;
    eng_status status = eng_model_inspect(&facts, policy->path, ENG_SERVE_F32, err);
    if (status != ENG_OK)
        return code_of(status);
    if (wanted == HEAD_SCORE && !facts.scored)
        return code_fail(err, INSTRUCTD_E_INVALID, "expected a reward model, found no score head");
    if (wanted == HEAD_LM && facts.scored)
        return code_fail(err, INSTRUCTD_E_INVALID,
                         "expected a language model, found a reward model");
    return INSTRUCTD_OK;
}

static job_code check_model(const job *j, const char *field, const char *name, wanted_head wanted,
                            char *param, eng_error *err)
{
    host_policy policy;
    eng_error why;
    if (!name)
        return INSTRUCTD_OK;
    job_code code = host_policy_find(&j->host, name, &policy, &why);
    if (code == INSTRUCTD_OK)
        code = check_head(&policy, wanted, &why);
    if (code == INSTRUCTD_OK)
        return code;
    snprintf(param, PARAM_BYTES, "%s", field);
    return code_fail(err, code, "%s %.100s: %.380s", field, name, why.text);
}

static job_code check_staleness(const job *j, char *param, eng_error *err)
{
    if (j->method != JOB_PPO || !j->numbers.max_staleness || host_draws_beside(&j->host))
        return INSTRUCTD_OK;
    snprintf(param, PARAM_BYTES, "max_staleness");
    return code_fail(err, INSTRUCTD_E_UNSUPPORTED,
                     "max_staleness 1: this daemon cannot draw while a job computes");
}

job_code job_check(const job *j, char *param, eng_error *err)
{
    wanted_head base = j->method == JOB_REWARD_MODEL ? HEAD_EITHER : HEAD_LM;
    job_code code = check_model(j, "model", j->model, base, param, err);
    if (code == INSTRUCTD_OK)
        code = check_model(j, "reference", j->names.reference, HEAD_LM, param, err);
    if (code == INSTRUCTD_OK && !job_reward_endpoint(j))
        code = check_model(j, "reward_model", j->names.reward_model, HEAD_SCORE, param, err);
    if (code == INSTRUCTD_OK)
        code = check_staleness(j, param, err);
    return code == INSTRUCTD_OK ? check_files(j, param, err) : code;
}
