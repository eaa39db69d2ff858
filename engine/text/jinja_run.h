/* What the files that run a template share: the state of one run. */
#ifndef ENG_TEXT_JINJA_RUN_H
#define ENG_TEXT_JINJA_RUN_H

#include "text/jinja_eval.h"
#include "text/jinja_value.h"

enum { ENG__RUN_MAX_BINDINGS = 1024 }; /* names set at one time, of all nested loops together */

typedef struct eng__binding {
    int64_t name;
    eng__value v;
} eng__binding;

typedef struct eng__run {
    const eng__jinja_input *input;
    eng__scratch scratch;
    eng__binding bindings[ENG__RUN_MAX_BINDINGS]; /* the inner scopes' last */
    size_t n_bindings, scope;                     /* scope: where the innermost scope starts */
    uint32_t steps;
    eng_chat_text out;
    size_t out_cap;
    eng_status status; /* the first failure; every loop looks at it */
    eng_error *err;
} eng__run;

static const eng__value eng__undefined = {.kind = ENG__VALUE_UNDEFINED};

/* Each fails the run, unless it has failed before, and returns undefined. */
eng__value eng__run_fail(eng__run *r, const eng__jinja_node *n, const char *fmt, ...)
    ENG_PRINTF(3, 4);
eng__value eng__run_fail_full(eng__run *r, const char *what);
/* The result v of a string operation, which is not ok when scratch is exhausted. */
eng__value eng__run_made(eng__run *r, bool ok, eng__value v);

/* Counts work: nodes visited, and units of text looked through. False once the run has failed or
 * went on too long. */
bool eng__run_spend(eng__run *r, size_t steps);
size_t eng__run_text_units(const eng__value *v);

eng__value eng__run_name(const eng__run *r, int64_t name);
void eng__run_bind(eng__run *r, int64_t name, eng__value v); /* in the innermost scope */

/* Undefined once the run has failed. */
eng__value eng__run_eval(eng__run *r, const eng__jinja_node *n);
eng__value eng__run_filter(eng__run *r, const eng__jinja_node *n);
eng__value eng__run_method(eng__run *r, const eng__jinja_node *n);
bool eng__run_test(eng__jinja_test test, const eng__value *v);

#endif
