/* Rows of the store as rows of a data set. Pure: structs in, records out; strings are copied to the
 * list's arena. A row that cannot be read as what it should be (a conversation without the user's
 * last word) is FATE_UNFIT: it must not keep a data set from being made. False with *err: memory is
 * out. */
#ifndef DAEMON_HUMAN_GATHER_H
#define DAEMON_HUMAN_GATHER_H

#include "base/error_text.h"
#include "human/record.h"
#include "store/store_human.h"

bool gather_prompt(record_list *to, eng_arena *arena, const store_prompt *p, error_text *err);
/* owner: who typed the prompt that it answers; "" when the labeler did. A labeler is no user whose
 * rows are capped: their work is what the training is for. */
bool gather_demonstration(record_list *to, eng_arena *arena, const store_demonstration *d,
                          const char *owner, error_text *err);
bool gather_ranking(record_list *to, eng_arena *arena, const store_ranking *r,
                    const store_task *task, error_text *err);

#endif
