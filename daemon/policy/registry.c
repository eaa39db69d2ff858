/* Aliases and resident policies behind one mutex, and the thread that gives memory back. */
#include "policy/policy.h"

#include "base/clock.h"
#include "base/limits.h"
#include "policy/resident.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_ALIASES = 16, MAX_RESIDENTS = 64, MAX_SPARES = 2, LABEL_BYTES = 96 };

typedef struct alias {
    char name[LIMIT_NAME_BYTES + 1];
    policy *policy, *previous; /* residents; previous may be NULL */
    bool follows;              /* its requests move with it */
} alias;

/* A policy in memory that a name can find. The registry holds one reference to it. */
typedef struct resident {
    policy *policy;
    bool spare, held;
    uint16_t aliases; /* bit i: was once alias i's */
} resident;

struct policy_registry {
    pthread_mutex_t mutex;
    pthread_cond_t work;               /* something is to be given back, or the end */
    pthread_cond_t changed;            /* something was given back */
    alias aliases[MAX_ALIASES];        /* (m) in order of creation; the first is the default */
    size_t n_aliases;                  /* (m) */
    resident residents[MAX_RESIDENTS]; /* (m) oldest first */
    size_t n_residents;                /* (m) */
    policy *leaving;                   /* (m) references of the registry's, to be dropped */
    size_t leaving_bytes;              /* (m) of those and of the one being dropped */
    uint64_t change;                   /* (m) */
    bool quit;                         /* (m) */
    pthread_t reaper;                  /* (i) */
};

/* ---- under the mutex ---- */

static alias *find_alias(policy_registry *r, const char *name, size_t len)
{
    for (size_t i = 0; i < r->n_aliases; i++)
        if (strlen(r->aliases[i].name) == len && memcmp(r->aliases[i].name, name, len) == 0)
            return &r->aliases[i];
    return NULL;
}

static resident *find_resident(policy_registry *r, const char *id)
{
    for (size_t i = 0; i < r->n_residents; i++)
        if (strcmp(r->residents[i].policy->id, id) == 0)
            return &r->residents[i];
    return NULL;
}

/* The resident of p's id, p itself if there was none. NULL: no room, nothing changed. */
static resident *take_in(policy_registry *r, policy *p)
{
    resident *there = find_resident(r, p->id);
    if (there || r->n_residents == MAX_RESIDENTS)
        return there;
    atomic_store(&p->owner, r);
    r->residents[r->n_residents] = (resident){.policy = policy_ref(p)};
    return &r->residents[r->n_residents++];
}

/* Nobody but the registry has a reference, so nobody can take one but through the mutex. */
static bool in_use(const resident *e)
{
    return e->held || atomic_load(&e->policy->refs) > 1;
}

typedef enum naming { UNNAMED, PREVIOUS, CURRENT } naming;

static naming naming_of(const policy_registry *r, const policy *p)
{
    naming n = UNNAMED;
    for (size_t i = 0; i < r->n_aliases; i++) {
        if (r->aliases[i].policy == p)
            return CURRENT;
        if (r->aliases[i].previous == p)
            n = PREVIOUS;
    }
    return n;
}

/* From now on no name finds it; the reaper drops the registry's reference. */
static void move_out(policy_registry *r, resident *e)
{
    policy *p = e->policy;
    for (size_t i = 0; i < r->n_aliases; i++)
        if (r->aliases[i].previous == p)
            r->aliases[i].previous = NULL;
    p->next = r->leaving;
    r->leaving = p;
    r->leaving_bytes += eng_model_bytes(p->model);
    r->n_residents--;
    memmove(e, e + 1, (size_t)(&r->residents[r->n_residents] - e) * sizeof *e);
    pthread_cond_signal(&r->work);
}

static void settle(policy_registry *r)
{
    for (size_t i = r->n_residents; i > 0; i--) {
        resident *e = &r->residents[i - 1];
        if (!e->spare && !in_use(e) && naming_of(r, e->policy) == UNNAMED)
            move_out(r, e);
    }
}

void registry_settle(policy_registry *r)
{
    pthread_mutex_lock(&r->mutex);
    settle(r);
    pthread_mutex_unlock(&r->mutex);
}

/* ---- birth and end ---- */

/* Gives memory back off everybody's path: unmapping a model takes longer than a step. */
static void *reaper_main(void *arg)
{
    policy_registry *r = arg;
    pthread_mutex_lock(&r->mutex);
    while (r->leaving || !r->quit) {
        policy *p = r->leaving;
        if (!p) {
            pthread_cond_wait(&r->work, &r->mutex);
            continue;
        }
        r->leaving = p->next;
        pthread_mutex_unlock(&r->mutex);
        const size_t bytes = eng_model_bytes(p->model);
        policy_destroy(p);
        pthread_mutex_lock(&r->mutex);
        r->leaving_bytes -= bytes;
        r->change++;
        pthread_cond_broadcast(&r->changed);
    }
    pthread_mutex_unlock(&r->mutex);
    return NULL;
}

policy_registry *policy_registry_create(void)
{
    policy_registry *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    pthread_mutex_init(&r->mutex, NULL);
    pthread_cond_init(&r->work, NULL);
    clock_cond_init(&r->changed);
    if (pthread_create(&r->reaper, NULL, reaper_main, r) == 0)
        return r;
    pthread_cond_destroy(&r->changed);
    pthread_cond_destroy(&r->work);
    pthread_mutex_destroy(&r->mutex);
    free(r);
    return NULL;
}

void policy_registry_free(policy_registry *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->mutex);
    r->quit = true;
    pthread_cond_signal(&r->work);
    pthread_mutex_unlock(&r->mutex);
    pthread_join(r->reaper, NULL);
    for (size_t i = 0; i < r->n_residents; i++) {
        atomic_store(&r->residents[i].policy->owner, NULL);
        policy_unref(r->residents[i].policy);
    }
    pthread_cond_destroy(&r->changed);
    pthread_cond_destroy(&r->work);
    pthread_mutex_destroy(&r->mutex);
    free(r);
}

/* ---- names ---- */

/* Under the mutex: what `name` means. A found policy is not yet referenced. */
static policy_lookup look_up(policy_registry *r, const char *name, policy **out,
                             char label[LABEL_BYTES])
{
    if (!r->n_aliases)
        return POLICY_NOT_READY;
    if (!name)
        name = r->aliases[0].name;
    const char *at = strchr(name, '@'), *id = at ? at + 1 : name;
    const bool pinned = policy_id_valid(id);
    const resident *e = pinned ? find_resident(r, id) : NULL;
    if (pinned && !at) {
        *out = e ? e->policy : NULL;
        snprintf(label, LABEL_BYTES, "%s", name);
        return e ? POLICY_FOUND : POLICY_NOT_RESIDENT;
    }
    const alias *a = find_alias(r, name, at ? (size_t)(at - name) : strlen(name));
    if (!a || (at && !pinned))
        return POLICY_NO_MODEL;
    if (at && !e)
        return POLICY_NOT_RESIDENT;
    *out = at ? e->policy : a->policy;
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

bool policy_registry_follows(policy_registry *r, const char *name)
{
    pthread_mutex_lock(&r->mutex);
    const alias *a = name           ? find_alias(r, name, strlen(name))
                     : r->n_aliases ? &r->aliases[0]
                                    : NULL;
    const bool follows = a && a->follows;
    pthread_mutex_unlock(&r->mutex);
    return follows;
}

void policy_registry_set_follows(policy_registry *r, const char *name, bool follows)
{
    pthread_mutex_lock(&r->mutex);
    alias *a = find_alias(r, name, strlen(name));
    if (a)
        a->follows = follows;
    pthread_mutex_unlock(&r->mutex);
}

/* Under the mutex. */
static eng_status point(policy_registry *r, const char *name, policy *p, policy *previous,
                        eng_error *err)
{
    alias *a = find_alias(r, name, strlen(name));
    const size_t at = a ? (size_t)(a - r->aliases) : r->n_aliases;
    if (at == MAX_ALIASES)
        return eng_fail(err, ENG_FULL, "alias %s: %d aliases exist, the most there may be", name,
                        MAX_ALIASES);
    resident *current = take_in(r, p);
    if (!current)
        return eng_fail(err, ENG_FULL,
                        "policy %s: %d policies are in memory, the most there may be", p->id,
                        MAX_RESIDENTS);
    resident *before = previous ? take_in(r, previous) : NULL;
    if (!a) {
        a = &r->aliases[r->n_aliases++];
        snprintf(a->name, sizeof a->name, "%s", name);
    }
    current->aliases |= (uint16_t)(1u << at);
    current->spare = false; /* from here on the alias says how long they stay */
    if (before)
        before->spare = false;
    a->policy = current->policy;
    a->previous = before && before != current ? before->policy : NULL;
    settle(r);
    return ENG_OK;
}

eng_status policy_registry_point(policy_registry *r, const char *name, policy *p, policy *previous,
                                 eng_error *err)
{
    pthread_mutex_lock(&r->mutex);
    eng_status st = point(r, name, p, previous, err);
    pthread_mutex_unlock(&r->mutex);
    return st;
}

eng_status policy_registry_load(policy_registry *r, const char *name, const char *path,
                                const eng_model_options *options, eng_error *err)
{
    eng_model *model;
    eng_status st = eng_model_open(&model, path, options, err);
    if (st != ENG_OK)
        return st;
    policy *p = policy_create(model, NULL, "pretrained", (int64_t)time(NULL));
    if (!p)
        return eng_fail(err, ENG_NOMEM, "policy: out of memory");
    st = policy_registry_point(r, name, p, NULL, err);
    policy_unref(p);
    return st;
}

/* ---- memory ---- */

/* The oldest spare ones go; the newest and those in use stay. */
static void bound_spares(policy_registry *r)
{
    size_t n = 0;
    for (size_t i = r->n_residents; i > 0; i--) {
        resident *e = &r->residents[i - 1];
        n += e->spare;
        if (e->spare && n > MAX_SPARES && !in_use(e) && naming_of(r, e->policy) == UNNAMED)
            move_out(r, e);
    }
}

bool policy_registry_add(policy_registry *r, policy *p, policy_keep keep)
{
    pthread_mutex_lock(&r->mutex);
    resident *e = take_in(r, p);
    const bool added = e != NULL;
    if (added && keep == POLICY_HELD)
        e->held = true;
    else if (added)
        e->spare = naming_of(r, e->policy) == UNNAMED;
    bound_spares(r);
    pthread_mutex_unlock(&r->mutex);
    return added;
}

void policy_registry_release(policy_registry *r, const char *id)
{
    pthread_mutex_lock(&r->mutex);
    resident *e = find_resident(r, id);
    if (e)
        e->held = false;
    settle(r);
    pthread_mutex_unlock(&r->mutex);
}

policy *policy_registry_find(policy_registry *r, const char *id)
{
    pthread_mutex_lock(&r->mutex);
    const resident *e = find_resident(r, id);
    policy *p = e ? policy_ref(e->policy) : NULL;
    pthread_mutex_unlock(&r->mutex);
    return p;
}

policy_room policy_registry_room(policy_registry *r, const char *name)
{
    pthread_mutex_lock(&r->mutex);
    const alias *a = name ? find_alias(r, name, strlen(name)) : NULL;
    const unsigned bit = a ? 1u << (a - r->aliases) : 0;
    policy_room room = {.bytes = r->leaving_bytes, .change = r->change};
    for (size_t i = 0; i < r->n_residents; i++) {
        room.bytes += eng_model_bytes(r->residents[i].policy->model);
        room.n_of += (r->residents[i].aliases & bit) != 0;
    }
    pthread_mutex_unlock(&r->mutex);
    return room;
}

bool policy_registry_evict(policy_registry *r)
{
    resident *victim = NULL;
    pthread_mutex_lock(&r->mutex);
    for (size_t i = 0; i < r->n_residents; i++) {
        resident *e = &r->residents[i];
        const naming n = naming_of(r, e->policy);
        if (in_use(e) || n == CURRENT)
            continue;
        if (!victim || (n == UNNAMED && naming_of(r, victim->policy) == PREVIOUS))
            victim = e;
    }
    if (victim)
        move_out(r, victim);
    pthread_mutex_unlock(&r->mutex);
    return victim != NULL;
}

bool policy_registry_drop(policy_registry *r, const char *id)
{
    pthread_mutex_lock(&r->mutex);
    resident *e = find_resident(r, id);
    const bool free_to_go = !e || (!in_use(e) && naming_of(r, e->policy) != CURRENT);
    if (e && free_to_go)
        move_out(r, e);
    pthread_mutex_unlock(&r->mutex);
    return free_to_go;
}

void policy_registry_wait(policy_registry *r, uint64_t change, uint32_t ms)
{
    const struct timespec until = clock_in_ms(ms);
    pthread_mutex_lock(&r->mutex);
    while (r->change == change && pthread_cond_timedwait(&r->changed, &r->mutex, &until) == 0)
        ;
    pthread_mutex_unlock(&r->mutex);
}

/* ---- metrics ---- */

void policy_registry_metrics(policy_registry *r, buf *out)
{
    buf_puts(out, "# HELP instructd_policy_info Which policy each alias points at.\n"
                  "# TYPE instructd_policy_info gauge\n");
    pthread_mutex_lock(&r->mutex);
    for (size_t i = 0; i < r->n_aliases; i++)
        buf_printf(out, "instructd_policy_info{alias=\"%s\",policy=\"%s\"} 1\n", r->aliases[i].name,
                   r->aliases[i].policy->id);
    buf_puts(out, "# HELP instructd_policy_requests_total Requests by the policy that they were "
                  "admitted with.\n# TYPE instructd_policy_requests_total counter\n");
    for (size_t i = 0; i < r->n_residents; i++)
        buf_printf(out, "instructd_policy_requests_total{policy=\"%s\"} %llu\n",
                   r->residents[i].policy->id,
                   (unsigned long long)atomic_load(&r->residents[i].policy->requests));
    pthread_mutex_unlock(&r->mutex);
}
