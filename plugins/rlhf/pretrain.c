#include "rlhf/language.h"
#include "rlhf/methods.h"
#include "rlhf/publish.h"

#include <math.h>

job_code pretrain_run(const job *j, eng_error *err)
{
    language l;
    job_code code = language_open(&l, j, err);
    if (code == INSTRUCTD_OK)
        code =
            course_load(&l.course, &l.train, "training_file", j->training_file, DATA_PRETRAIN, err);
    if (code == INSTRUCTD_OK && j->validation_file)
        code = course_load(&l.course, &l.valid, "validation_file", j->validation_file,
                           DATA_PRETRAIN, err);
    if (code == INSTRUCTD_OK)
        code = language_run(&l, err);
    const publish_order result = {.net = l.course.trainer.net,
                                  .stage = "pretrained",
                                  .kl_coef = NAN,
                                  .ptx_coef = NAN,
                                  .step = l.course.state.step};
    if (code == INSTRUCTD_OK)
        code = publish_result(j, &result, err);
    language_free(&l);
    return code;
}
