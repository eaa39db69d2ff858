/* Aliases and resident policies behind one mutex. */
#include "policy/policy.h"

#include "base/limits.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_ALIASES = 16, HEX = 16, LABEL_BYTES = 96 };

struct policy {
    atomic_uint refs;
    char id[POLICY_ID_CHARS + 1]; /* (i) "pol_" + 16 hex */
    eng_model *model;             /* (i) a reference */
    const char *stage;            /* (i) static */
    int64_t created;              /* (i) */
};

typedef struct alias {
    char name[LIMIT_NAME_BYTES + 1];
    policy *policy; /* a reference */
} alias;

struct policy_registry {
    pthread_mutex_t mutex;
    alias aliases[MAX_ALIASES]; /* (m) in order of creation; the first is the default */
    size_t n_aliases;           /* (m) */
};

/* ---- a policy ---- */

static policy *policy_create(eng_model *model)
{
    policy *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    atomic_init(&p->refs, 1);
    snprintf(p->id, sizeof p->id, "pol_%.16s", eng_model_digest(model));
    p->model = model;
    p->stage = "pretrained";
    p->created = (int64_t)time(NULL);
    return p;
}

policy *policy_ref(policy *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void policy_unref(policy *p)
{
    if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
        return;
    eng_model_unref(p->model);
    free(p);
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

/* ---- the registry ---- */

policy_registry *policy_registry_create(void)
{
    policy_registry *r = calloc(1, sizeof *r);
    if (r && pthread_mutex_init(&r->mutex, NULL) != 0) {
        free(r);
        return NULL;
    }
    return r;
}

void policy_registry_free(policy_registry *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n_aliases; i++)
        policy_unref(r->aliases[i].policy);
    pthread_mutex_destroy(&r->mutex);
    free(r);
}

/* The alias of this name, or NULL. The mutex is held. */
static alias *find_alias(policy_registry *r, const char *name, size_t len)
{
    for (size_t i = 0; i < r->n_aliases; i++)
        if (strlen(r->aliases[i].name) == len && memcmp(r->aliases[i].name, name, len) == 0)
            return &r->aliases[i];
    return NULL;
}

/* Points the alias at p, whose reference it takes over. */
static eng_status set_alias(policy_registry *r, const char *name, policy *p, eng_error *err)
{
    policy *before = NULL;
    eng_status st = ENG_OK;
    pthread_mutex_lock(&r->mutex);
    alias *a = find_alias(r, name, strlen(name));
    if (!a && r->n_aliases == MAX_ALIASES) {
        st = eng_fail(err, ENG_FULL, "alias %s: %d aliases exist, the most there may be", name,
                      MAX_ALIASES);
        before = p;
    } else {
        if (!a) {
            a = &r->aliases[r->n_aliases++];
            snprintf(a->name, sizeof a->name, "%s", name);
        }
        before = a->policy;
        a->policy = p;
    }
    pthread_mutex_unlock(&r->mutex);
    policy_unref(before);
    return st;
}

eng_status policy_registry_load(policy_registry *r, const char *name, const char *path,
                                const eng_model_options *options, eng_error *err)
{
    eng_model *model;
    eng_status st = eng_model_open(&model, path, options, err);
    if (st != ENG_OK)
        return st;
    policy *p = policy_create(model);
    if (!p) {
        eng_model_unref(model);
        return eng_fail(err, ENG_NOMEM, "policy: out of memory");
    }
    return set_alias(r, name, p, err);
}

/* "pol_" and 16 lower-case hex digits, to the end. */
static bool is_policy_id(const char *s)
{
    return strncmp(s, "pol_", 4) == 0 && strspn(s + 4, "0123456789abcdef") == HEX &&
           strlen(s) == POLICY_ID_CHARS;
}

/* The resident policy with this id, or NULL. The mutex is held. */
static policy *find_resident(policy_registry *r, const char *id)
{
    for (size_t i = 0; i < r->n_aliases; i++)
        if (strcmp(r->aliases[i].policy->id, id) == 0)
            return r->aliases[i].policy;
    return NULL;
}

/* Under the mutex: what `name` means. A found policy is not yet referenced. */
static policy_lookup look_up(policy_registry *r, const char *name, policy **out,
                             char label[LABEL_BYTES])
{
    if (!r->n_aliases)
        return POLICY_NOT_READY;
    if (!name)
        name = r->aliases[0].name;
    if (is_policy_id(name)) {
        *out = find_resident(r, name);
        snprintf(label, LABEL_BYTES, "%s", name);
        return *out ? POLICY_FOUND : POLICY_NOT_RESIDENT;
    }
    const char *at = strchr(name, '@');
    const alias *a = find_alias(r, name, at ? (size_t)(at - name) : strlen(name));
    if (!a || (at && !is_policy_id(at + 1)))
        return POLICY_NO_MODEL;
    *out = at ? find_resident(r, at + 1) : a->policy;
    if (!*out)
        return POLICY_NOT_RESIDENT;
    snprintf(label, LABEL_BYTES, "%s@%s", a->name, (*out)->id);
    return POLICY_FOUND;
}

policy_lookup policy_resolve(policy_registry *r, const char *name, policy **out,
                             char label[LABEL_BYTES])
{
    pthread_mutex_lock(&r->mutex);
    policy_lookup found = look_up(r, name, out, label);
    if (found == POLICY_FOUND)
        policy_ref(*out);
    pthread_mutex_unlock(&r->mutex);
    return found;
}

size_t policy_registry_aliases(policy_registry *r, policy_alias_view *out, size_t cap)
{
    pthread_mutex_lock(&r->mutex);
    size_t n = r->n_aliases;
    for (size_t i = 0; i < n && i < cap; i++) {
        memcpy(out[i].name, r->aliases[i].name, sizeof out[i].name);
        out[i].policy = policy_ref(r->aliases[i].policy);
    }
    pthread_mutex_unlock(&r->mutex);
    return n;
}

bool policy_registry_ready(policy_registry *r)
{
    pthread_mutex_lock(&r->mutex);
    bool ready = r->n_aliases > 0;
    pthread_mutex_unlock(&r->mutex);
    return ready;
}
