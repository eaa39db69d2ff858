/* A policy: a model, an id, a count of references. */
#include "policy/policy.h"

#include "policy/resident.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

policy *policy_create(eng_model *model, const char *id, const char *stage, int64_t created)
{
    policy *p = calloc(1, sizeof *p);
    if (!p) {
        eng_model_unref(model);
        return NULL;
    }
    atomic_init(&p->refs, 1);
    if (id)
        snprintf(p->id, sizeof p->id, "%s", id);
    else
        snprintf(p->id, sizeof p->id, "pol_%.16s", eng_model_digest(model));
    snprintf(p->stage, sizeof p->stage, "%s", stage);
    p->model = model;
    p->created = created;
    return p;
}

void policy_destroy(policy *p)
{
    eng_model_unref(p->model);
    free(p);
}

policy *policy_ref(policy *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void policy_unref(policy *p)
{
    if (!p)
        return;
    policy_registry *owner = atomic_load(&p->owner); /* p may be gone after the next line */
    const unsigned before = atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel);
    if (before == 1)
        policy_destroy(p);
    else if (before == 2 && owner)
        registry_settle(owner);
}

const char *policy_id(const policy *p)
{
    return p->id;
}

const char *policy_hex(const policy *p)
{
    return p->id + strlen("pol_");
}

eng_model *policy_model(const policy *p)
{
    return p->model;
}

const char *policy_stage(const policy *p)
{
    return p->stage;
}

int64_t policy_created(const policy *p)
{
    return p->created;
}

void policy_count_request(policy *p)
{
    atomic_fetch_add_explicit(&p->requests, 1, memory_order_relaxed);
}

bool policy_id_valid(const char *s)
{
    return strncmp(s, "pol_", 4) == 0 && strspn(s + 4, "0123456789abcdef") == 16 &&
           strlen(s) == POLICY_ID_CHARS;
}
