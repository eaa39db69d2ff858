/* The small numbers of a running job, written to a checkpoint's state.json and read back exactly.
 *
 * Threads: any, one at a time. */
#ifndef RLHF_STATE_H
#define RLHF_STATE_H

#include "base/json.h"
#include "formats/text_out.h"
#include "rlhf/guard.h"
#include "rlhf/host.h"

#include <stddef.h>
#include <stdint.h>

typedef enum state_kind {
    STATE_COUNT /* uint64_t below 2^53 */,
    STATE_NUMBER /* double */
} state_kind;

typedef struct state_field {
    const char *name; /* distinct within a state */
    state_kind kind;
    void *at;   /* n of them */
    uint32_t n; /* >= 1 */
} state_field;

/* The fields of a guard, for a state that has several: `names` are GUARD_FIELDS strings. */
enum { GUARD_FIELDS = 5 };
void state_guard_fields(state_field out[GUARD_FIELDS], const char *const names[GUARD_FIELDS],
                        guard *g);

/* Members of an object, with commas between them; NaN and infinity become null (NaN when read). */
void state_put(eng__text *out, const state_field *fields, size_t n);
/* INSTRUCTD_E_INVALID names the member that is missing or wrong. */
ENG_MUST_CHECK job_code state_get(const eng_json *object, const state_field *fields, size_t n,
                                  eng_error *err);

#endif
