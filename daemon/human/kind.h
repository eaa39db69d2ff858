/* The kinds of data sets, and which rows can serve them. Pure. */
#ifndef DAEMON_HUMAN_KIND_H
#define DAEMON_HUMAN_KIND_H

#include "human/record.h"

#define DATASET_KIND_MAP(X)                                                                        \
    X(SFT, "sft")           /* demonstrations: the best answer alone */                            \
    X(RM, "rm")             /* rankings of 2 to 9 outputs */                                       \
    X(PPO, "ppo")           /* prompts */                                                          \
    X(EVAL, "eval")         /* rankings of held-out labelers, never trained on */                  \
    X(TOXICITY, "toxicity") /* theirs of toxicity tasks, likewise */

typedef enum dataset_kind {
#define KIND__ENUM(name, text) DATASET_##name,
    DATASET_KIND_MAP(KIND__ENUM)
#undef KIND__ENUM
        DATASET_KINDS
} dataset_kind;

const char *dataset_kind_text(dataset_kind kind);
bool dataset_kind_parse(const char *text, dataset_kind *out);

/* Is it for training? Else it is for evaluation. */
bool dataset_kind_trains(dataset_kind kind);

/* Takes from the row what this kind has no use for. False: the row cannot serve it: it lacks an
 * answer or a ranking, or a held-out labeler made it and the kind is trained on. */
bool dataset_kind_fit(dataset_kind kind, record *r);

#endif
