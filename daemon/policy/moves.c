/* Aliases: what they point at, and moving them. */
#include "policy/recover.h"
#include "policy/state.h"

#include "base/alias_name.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- the table ---- */

/* Under the mutex. */
static known_alias *find_alias(publisher *p, const char *name)
{
    for (size_t i = 0; i < p->n_aliases; i++)
        if (strcmp(p->aliases[i].file.name, name) == 0)
            return &p->aliases[i];
    return NULL;
}

void publisher_enter_alias(publisher *p, const alias_file *f, uint64_t last_number)
{
    pthread_mutex_lock(&p->mutex);
    known_alias *a = find_alias(p, f->name);
    if (!a && p->n_aliases < PUBLISHER_ALIASES)
        a = &p->aliases[p->n_aliases++];
    if (a)
        *a = (known_alias){*f, last_number};
    pthread_mutex_unlock(&p->mutex);
}

/* A copy of the alias, or false. */
static bool copy_alias(publisher *p, const char *name, known_alias *out)
{
    pthread_mutex_lock(&p->mutex);
    const known_alias *a = find_alias(p, name);
    if (a)
        *out = *a;
    pthread_mutex_unlock(&p->mutex);
    return a != NULL;
}

bool publisher_lookup_alias(publisher *p, const char *name, alias_version *current,
                            alias_version *previous)
{
    known_alias a;
    if (!copy_alias(p, name, &a) || !a.file.n)
        return false;
    *current = a.file.list[0];
    if (previous)
        *previous = a.file.n > 1 ? a.file.list[1] : (alias_version){0};
    return true;
}

static void fill_state(alias_state *out, const alias_file *f)
{
    *out = (alias_state){.version = f->list[0].number,
                         .recompute = f->list[0].recompute,
                         .updated_at = f->list[0].at};
    memcpy(out->name, f->name, sizeof out->name);
    memcpy(out->policy, f->list[0].policy, sizeof out->policy);
    memcpy(out->updated_by, f->list[0].by, sizeof out->updated_by);
    if (f->n > 1)
        memcpy(out->previous, f->list[1].policy, sizeof out->previous);
}

bool publisher_alias(publisher *p, const char *name, alias_state *out)
{
    known_alias a;
    if (!copy_alias(p, name, &a))
        return false;
    fill_state(out, &a.file);
    return true;
}

size_t publisher_aliases(publisher *p, alias_state *out, size_t cap)
{
    pthread_mutex_lock(&p->mutex);
    const size_t n = p->n_aliases;
    for (size_t i = 0; i < n && i < cap; i++)
        fill_state(&out[i], &p->aliases[i].file);
    pthread_mutex_unlock(&p->mutex);
    return n;
}

bool publisher_is_current(publisher *p, const char *id)
{
    bool current = false;
    pthread_mutex_lock(&p->mutex);
    for (size_t i = 0; i < p->n_aliases; i++)
        current |= strcmp(p->aliases[i].file.list[0].policy, id) == 0;
    pthread_mutex_unlock(&p->mutex);
    return current;
}

/* ---- whether a move may be ---- */

/* Does the alias stand where the caller believes? *now is what it is (n 0: it does not exist). */
static publish_result check_version(publisher *p, const publish_move *m, known_alias *now,
                                    error_text *err)
{
    const bool exists = copy_alias(p, m->alias, now);
    if (!exists) {
        *now = (known_alias){0};
        snprintf(now->file.name, sizeof now->file.name, "%s", m->alias);
        if (m->expected_version == PUBLISH_CREATE)
            return PUBLISH_OK;
        error_text_set(err, "alias %s: there is none of this name", m->alias);
        return PUBLISH_NOT_FOUND;
    }
    if (m->expected_version == PUBLISH_CREATE) {
        error_text_set(err, "alias %s exists, at version %" PRIu64, m->alias,
                       now->file.list[0].number);
        return PUBLISH_EXISTS;
    }
    if (m->expected_version == PUBLISH_ANY_VERSION ||
        (uint64_t)m->expected_version == now->file.list[0].number)
        return PUBLISH_OK;
    error_text_set(err, "alias %s is at version %" PRIu64 ", not %" PRId64, m->alias,
                   now->file.list[0].number, m->expected_version);
    return PUBLISH_STALE;
}

static publish_result choose_target(publisher *p, const publish_move *m, const known_alias *now,
                                    char id[POLICY_ID_CHARS + 1], error_text *err)
{
    if (!now->file.n && publisher_aliases(p, NULL, 0) == PUBLISHER_ALIASES) {
        error_text_set(err, "alias %s: %d aliases exist, the most there may be", m->alias,
                       PUBLISHER_ALIASES);
        return PUBLISH_INVALID;
    }
    const char *target = m->policy ? m->policy : now->file.n > 1 ? now->file.list[1].policy : NULL;
    if (!target) {
        error_text_set(err, "alias %s: it has no previous policy", m->alias);
        return PUBLISH_NOT_FOUND;
    }
    if (!policy_id_valid(target)) {
        error_text_set(err, "policy %.64s: expected pol_ and 16 hexadecimal digits", target);
        return PUBLISH_INVALID;
    }
    memcpy(id, target, POLICY_ID_CHARS + 1);
    return PUBLISH_OK;
}

bool publisher_alias_takes(publisher *p, const char *name, bool scores)
{
    alias_version now;
    const bool judges = strcmp(name, ALIAS_NAME_REWARD) == 0;
    if (!publisher_lookup_alias(p, name, &now, NULL))
        return scores || !judges;
    policy *from = policy_registry_find(p->registry, now.policy);
    const bool same = !from || eng_model_has_score(policy_model(from)) == scores;
    policy_unref(from);
    return same || (scores && judges);
}

publish_result publisher_check_head(publisher *p, const char *alias, const eng_model *to,
                                    error_text *err)
{
    const bool scores = eng_model_has_score(to);
    if (publisher_alias_takes(p, alias, scores))
        return PUBLISH_OK;
    error_text_set(err, "alias %s is for a model that %s, this one %s", alias,
                   scores ? "writes" : "scores", scores ? "scores" : "writes");
    return PUBLISH_INVALID;
}

/* A reference to the policy, if need be and may be from disk. */
static publish_result take_target(publisher *p, const publish_move *m, const char *id, policy **to,
                                  error_text *err)
{
    if (!m->at_once)
        return publisher_bring_in(p, id, m->alias, to, err);
    *to = policy_registry_find(p->registry, id);
    return *to ? PUBLISH_OK : PUBLISH_LATER;
}

/* ---- the move ---- */

/* Words of a line are separated by spaces. */
static void copy_actor(char out[ALIAS_BY_BYTES], const char *actor)
{
    size_t n = 0;
    for (; actor && actor[n] && n + 1 < ALIAS_BY_BYTES; n++)
        out[n] = actor[n] > ' ' && actor[n] < 127 ? actor[n] : '_';
    out[n] = 0;
    if (!n)
        snprintf(out, ALIAS_BY_BYTES, "unknown");
}

static alias_version next_version(const publisher *p, const publish_move *m, const known_alias *now,
                                  const char *id)
{
    alias_version v = {.number = now->last_number + 1,
                       .base = strcmp(id, p->base_id) == 0,
                       .recompute = m->recompute,
                       .at = (int64_t)time(NULL)};
    if (m->keep_in_flight)
        v.recompute = now->file.n && now->file.list[0].recompute;
    memcpy(v.policy, id, sizeof v.policy);
    copy_actor(v.by, m->actor);
    return v;
}

/* After a failed write the disk may have either file; the old lines go back if they can. The number
 * is never used again, so that versions only grow whatever a restart finds. */
static void take_back(publisher *p, const known_alias *now, uint64_t number)
{
    error_text ignored;
    if (!now->file.n) {
        versions_remove_alias(p->versions, now->file.name);
        return;
    }
    versions_write_alias(p->versions, &now->file, &ignored);
    publisher_enter_alias(p, &now->file, number);
}

static void note_move(publisher *p, const char *alias, const alias_version *v, const char *previous,
                      const char *reason)
{
    publisher_note_move(p, alias, v, previous, reason, false);
    publisher_note_state(p, v->policy, NULL, "active", NULL);
    if (previous && !publisher_is_current(p, previous))
        publisher_note_state(p, previous, NULL, "retired", NULL);
}

/* `moving` is held, `to` resident: disk, then memory, then the audit. */
static publish_result move_durably(publisher *p, const publish_move *m, policy *to,
                                   alias_state *out, error_text *err)
{
    known_alias now;
    eng_error why;
    char fallen[POLICY_ID_CHARS + 1], previous[POLICY_ID_CHARS + 1] = "";
    publish_result result = check_version(p, m, &now, err);
    if (result == PUBLISH_OK)
        result = publisher_check_head(p, m->alias, policy_model(to), err);
    if (result != PUBLISH_OK)
        return result;
    worker_waits(p->worker);
    if (!now.file.n) /* one of the name may have been before, which the start left out */
        now.last_number = publisher_last_number(p, &now.file);
    const alias_version v = next_version(p, m, &now, policy_id(to));
    alias_file file = now.file;
    if (file.n)
        memcpy(previous, file.list[0].policy, sizeof previous);
    alias_file_push(&file, &v, fallen);
    if (!versions_write_alias(p->versions, &file, err)) {
        take_back(p, &now, v.number);
        return PUBLISH_UNAVAILABLE;
    }
    publisher_enter_alias(p, &file, v.number);
    policy *back = file.n > 1 ? policy_registry_find(p->registry, file.list[1].policy) : NULL;
    if (policy_registry_point(p->registry, file.name, to, back, &why) != ENG_OK)
        log_event(LOG_ERROR, "alias_not_served", "alias=%s error=\"%s\"", file.name, why.text);
    policy_unref(back);
    policy_registry_set_follows(p->registry, file.name, v.recompute);
    if (v.recompute && p->moved)
        p->moved(p->moved_arg, file.name, to); /* under the lock, so that moves are told in order */
    note_move(p, file.name, &v, previous[0] ? previous : NULL, m->reason);
    fill_state(out, &file);
    return PUBLISH_OK;
}

publish_result publisher_move(publisher *p, const publish_move *m, alias_state *out,
                              error_text *err)
{
    known_alias now;
    char id[POLICY_ID_CHARS + 1];
    policy *to;
    if (!alias_name_valid(m->alias)) {
        error_text_set(err, "alias %.80s: " ALIAS_NAME_RULE, m->alias);
        return PUBLISH_INVALID;
    }
    publish_result result = check_version(p, m, &now, err);
    if (result == PUBLISH_OK)
        result = choose_target(p, m, &now, id, err);
    if (result == PUBLISH_OK)
        result = take_target(p, m, id, &to, err);
    if (result != PUBLISH_OK)
        return result;
    pthread_mutex_lock(&p->moving);
    result = move_durably(p, m, to, out, err);
    pthread_mutex_unlock(&p->moving);
    policy_unref(to);
    if (result == PUBLISH_OK)
        worker_kick(p->worker); /* what fell out of the lines may go */
    return result;
}

/* ---- after a restart ---- */

static void warm_alias(publisher *p, const char *name)
{
    alias_version current, previous;
    eng_error ignored;
    if (!publisher_lookup_alias(p, name, &current, &previous) || !previous.number)
        return;
    publisher_warm(p, previous.policy, name);
    pthread_mutex_lock(&p->moving); /* unless the alias has moved meanwhile */
    alias_version now;
    policy *at = policy_registry_find(p->registry, current.policy);
    policy *back = policy_registry_find(p->registry, previous.policy);
    if (at && back && publisher_lookup_alias(p, name, &now, NULL) && now.number == current.number &&
        policy_registry_point(p->registry, name, at, back, &ignored) != ENG_OK)
        log_event(LOG_WARN, "not_warmed", "alias=%s error=\"%s\"", name, ignored.text);
    pthread_mutex_unlock(&p->moving);
    policy_unref(back);
    policy_unref(at);
}

void publisher_warm_previous(publisher *p)
{
    alias_state list[PUBLISHER_ALIASES];
    const size_t n = publisher_aliases(p, list, PUBLISHER_ALIASES);
    for (size_t i = 0; i < n; i++)
        warm_alias(p, list[i].name);
}
