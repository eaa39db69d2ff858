/* A policy as the registry sees it; private to policy.c and registry.c. */
#ifndef DAEMON_POLICY_RESIDENT_H
#define DAEMON_POLICY_RESIDENT_H

#include "policy/policy.h"

#include <stdatomic.h>

struct policy {
    atomic_uint refs;
    char id[POLICY_ID_CHARS + 1];     /* (i) "pol_" + 16 hex */
    char stage[POLICY_STAGE_BYTES];   /* (i) */
    eng_model *model;                 /* (i) a reference */
    int64_t created;                  /* (i) */
    atomic_uint_least64_t requests;   /* (a) that were admitted with it */
    _Atomic(policy_registry *) owner; /* (a) whose resident it is; set once, cleared at the
                                         registry's end */
    policy *next;                     /* (m) of the registry: on its way out */
};

void policy_destroy(policy *p);
/* A holder let go and the registry's reference is the last: does anything name the policy? */
void registry_settle(policy_registry *r);

#endif
