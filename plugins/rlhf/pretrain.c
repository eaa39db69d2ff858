#include "rlhf/course.h"
#include "rlhf/methods.h"
#include "rlhf/publish.h"

#include <math.h>

job_code pretrain_run(const job *j, eng_error *err)
{
    course c;
    job_code code = course_open(&c, j, err);
    if (code == INSTRUCTD_OK)
        code = course_load(&c, &c.train, "training_file", j->training_file, DATA_PRETRAIN, err);
    if (code == INSTRUCTD_OK && j->validation_file)
        code = course_load(&c, &c.valid, "validation_file", j->validation_file, DATA_PRETRAIN, err);
    if (code == INSTRUCTD_OK)
        code = course_run(&c, err);
    const publish_order result = {.net = c.trainer.net,
                                  .stage = "pretrained",
                                  .kl_coef = NAN,
                                  .ptx_coef = NAN,
                                  .step = c.state.step};
    if (code == INSTRUCTD_OK)
        code = publish_result(j, &result, err);
    course_free(&c);
    return code;
}
