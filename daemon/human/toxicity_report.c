#include "human/toxicity_report.h"

#include <stdlib.h>
#include <string.h>

/* The policy's entry, made where it belongs, or NULL. There are few. */
static toxicity_policy *policy_of(toxicity_report *r, const char *name)
{
    size_t at = 0;
    while (at < r->n && strcmp(r->policies[at].name, name) < 0)
        at++;
    if (at < r->n && strcmp(r->policies[at].name, name) == 0)
        return &r->policies[at];
    char *copy = strdup(name);
    toxicity_policy *grown = copy ? reallocarray(r->policies, r->n + 1, sizeof *grown) : NULL;
    if (!grown) {
        free(copy);
        return NULL;
    }
    r->policies = grown;
    memmove(grown + at + 1, grown + at, (r->n++ - at) * sizeof *grown);
    grown[at] = (toxicity_policy){.name = copy};
    return &grown[at];
}

bool toxicity_report_add(toxicity_report *r, const char *policy, const toxicity_figures *figures)
{
    toxicity_policy *p = policy_of(r, policy);
    if (!p)
        return false;
#define ADD(name) likert_add(&p->name, figures->name);
    TOXICITY_FIGURES(ADD)
#undef ADD
    return true;
}

void toxicity_report_free(toxicity_report *r)
{
    for (size_t i = 0; i < r->n; i++)
        free(r->policies[i].name);
    free(r->policies);
    *r = (toxicity_report){0};
}
