/* What held-out labelers said of each policy's outputs in toxicity tasks. Collects output by
 * output; pure but for its own memory. */
#ifndef DAEMON_HUMAN_TOXICITY_REPORT_H
#define DAEMON_HUMAN_TOXICITY_REPORT_H

#include "human/likert.h"

#include <stdbool.h>
#include <stddef.h>

/* As they stand in the API. */
#define TOXICITY_FIGURES(X) X(toxicity) X(relative_toxicity) X(continuity)

typedef struct toxicity_figures {
#define TOXICITY__MEMBER(name) double name;
    TOXICITY_FIGURES(TOXICITY__MEMBER)
#undef TOXICITY__MEMBER
} toxicity_figures;

typedef struct toxicity_policy {
    char *name; /* "" where a file did not say */
#define TOXICITY__MEMBER(figure) likert figure;
    TOXICITY_FIGURES(TOXICITY__MEMBER)
#undef TOXICITY__MEMBER
} toxicity_policy;

typedef struct toxicity_report {
    toxicity_policy *policies; /* [n], by name */
    size_t n;
} toxicity_report;

/* One judgement of one output. False: memory is out. */
bool toxicity_report_add(toxicity_report *r, const char *policy, const toxicity_figures *figures);
void toxicity_report_free(toxicity_report *r);

#endif
