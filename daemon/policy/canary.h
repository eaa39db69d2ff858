/* The canary: a model is run before anybody is served by it. */
#ifndef DAEMON_POLICY_CANARY_H
#define DAEMON_POLICY_CANARY_H

#include "engine.h"

/* Runs a few fixed prompts and the tokens that follow them greedily through a runtime of its own.
 * ENG_INVALID: a row's logits (or the score) are not finite, or all logits are equal; err says
 * after which prompt. ENG_NOMEM otherwise. Blocks for as long as that takes, on the calling thread
 * alone. [any] */
ENG_MUST_CHECK eng_status canary_run(eng_model *model, eng_error *err);

#endif
