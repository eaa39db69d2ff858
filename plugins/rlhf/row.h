/* One line of a data file, parsed: JSON to a data_row, or the reason why it is none.
 *
 * Threads: any. */
#ifndef RLHF_ROW_H
#define RLHF_ROW_H

#include "base/arena.h"
#include "base/json.h"
#include "rlhf/dataset.h"

/* The format an object is of by its members, DATA_ANY if of none. */
data_format row_format(const eng_json *object);

/* Fills *out (its `line` is the caller's) from an object of this format; arrays and strings live in
 * the arena and in the object. INSTRUCTD_E_INVALID names the member and tells expected and found.
 */
ENG_MUST_CHECK job_code row_read(data_row *out, data_format format, const eng_json *object,
                                 eng_arena *arena, eng_error *err);

#endif
