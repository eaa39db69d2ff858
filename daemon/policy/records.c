/* Rows and events about policies and aliases, and what the API tells of them. */
#include "policy/state.h"

#include "base/log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MAX_MANIFEST_BYTES = 64 * 1024 * 1024 };

/* ---- rows and events ---- */

/* What a store that is away misses is added at the next start. */
static void warn_unwritten(const char *what, const char *of, const error_text *err)
{
    log_event(LOG_WARN, "audit_behind", "row=%s of=%s error=\"%s\"", what, of, err->text);
}

/* Ids, stages and states need no escapes. */
static void tell_state(publisher *p, const char *id, const char *stage, const char *state)
{
    char json[256];
    if (!p->events)
        return;
    snprintf(json, sizeof json, "{\"id\":\"%s\",\"stage\":\"%s\",\"state\":\"%s\"}", id, stage,
             state);
    events_publish(p->events, TOPIC_POLICY, "policy.state", id, json);
}

static int64_t time_of(const publisher *p, const char *id)
{
    const int64_t t = strcmp(id, p->base_id) == 0 ? p->base_time : versions_time(p->versions, id);
    return t ? t : (int64_t)time(NULL);
}

void publisher_note_state(publisher *p, const char *id, const char *stage, const char *state,
                          const char *job)
{
    store_policy old = {0};
    error_text err;
    if (!p->store)
        return;
    worker_waits(p->worker);
    const bool known = store_policy_get(p->store, id, &old, &err) == STORE_OK;
    if (known && strcmp(state, "validated") == 0 && strcmp(old.state, "active") == 0)
        state = "active"; /* the same weights once more: the policy went on serving meanwhile */
    const char *old_stage = known ? old.stage : "pretrained";
    const store_policy row = {.id = (char *)(uintptr_t)id,
                              .stage = (char *)(uintptr_t)(stage ? stage : old_stage),
                              .state = (char *)(uintptr_t)state,
                              .job = (char *)(uintptr_t)(job ? job : old.job),
                              .created_at = known ? old.created_at : time_of(p, id)};
    const bool same = known && strcmp(old.state, state) == 0 && strcmp(old.stage, row.stage) == 0;
    if (!same && store_policy_put(p->store, &row, &err) != STORE_OK)
        warn_unwritten("policy", id, &err);
    if (!same)
        tell_state(p, id, row.stage, state);
    if (known)
        store_policy_free(&old);
}

static void tell_move(publisher *p, const char *alias, const alias_version *v, const char *previous)
{
    char json[512];
    if (!p->events)
        return;
    snprintf(json, sizeof json,
             "{\"name\":\"%s\",\"policy\":\"%s\",\"previous\":%s%s%s,\"version\":%" PRIu64
             ",\"in_flight\":\"%s\",\"updated_at\":%" PRId64 "}",
             alias, v->policy, previous ? "\"" : "", previous ? previous : "null",
             previous ? "\"" : "", v->number, v->recompute ? "recompute" : "pin", v->at);
    events_publish(p->events, TOPIC_ALIAS, "alias.moved", alias, json);
}

void publisher_note_move(publisher *p, const char *alias, const alias_version *v,
                         const char *previous, const char *reason, bool late)
{
    error_text err;
    const store_move row = {.alias = (char *)(uintptr_t)alias,
                            .policy = (char *)(uintptr_t)v->policy,
                            .previous = (char *)(uintptr_t)previous,
                            .in_flight = v->recompute ? "recompute" : "pin",
                            .reason = (char *)(uintptr_t)reason,
                            .updated_by = (char *)(uintptr_t)v->by,
                            .version = v->number,
                            .updated_at = v->at};
    worker_waits(p->worker);
    if (p->store && store_move_put(p->store, &row, &err) != STORE_OK)
        warn_unwritten("move", alias, &err);
    if (late)
        return;
    log_event(LOG_INFO, "alias_moved", "alias=%s version=%" PRIu64 " policy=%s by=%s", alias,
              v->number, v->policy, v->by);
    tell_move(p, alias, v, previous);
}

/* ---- what the API tells ---- */

/* NULL when there is none or it cannot be read. */
static char *read_manifest(const char *dir)
{
    char path[VERSIONS_PATH_BYTES + 16];
    struct stat st;
    snprintf(path, sizeof path, "%s/manifest.json", dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return NULL;
    char *text = NULL;
    if (fstat(fd, &st) == 0 && st.st_size > 0 && st.st_size <= MAX_MANIFEST_BYTES)
        text = malloc((size_t)st.st_size + 1);
    const ssize_t n = text ? pread(fd, text, (size_t)st.st_size, 0) : -1;
    close(fd);
    if (n < 0) {
        free(text);
        return NULL;
    }
    text[n] = 0;
    return text;
}

static void fill_row(publisher *p, policy_record *r)
{
    store_policy row;
    error_text err;
    snprintf(r->state, sizeof r->state, "%s",
             publisher_is_current(p, r->id) ? "active" : "validated");
    r->created_at = time_of(p, r->id);
    if (!p->store || store_policy_get(p->store, r->id, &row, &err) != STORE_OK)
        return;
    snprintf(r->stage, sizeof r->stage, "%s", row.stage);
    snprintf(r->state, sizeof r->state, "%s", row.state);
    if (row.job)
        snprintf(r->job, sizeof r->job, "%s", row.job);
    r->created_at = row.created_at;
    store_policy_free(&row);
}

static void fill_base(const publisher *p, policy_record *r)
{
    struct stat st;
    r->base = true;
    memcpy(r->digest, p->base_digest, sizeof r->digest);
    snprintf(r->stage, sizeof r->stage, "%s", p->base_stage);
    snprintf(r->dtype, sizeof r->dtype, "%s", p->base.dtype);
    if (stat(p->base_model, &st) == 0 && S_ISREG(st.st_mode))
        r->bytes = (uint64_t)st.st_size;
}

publish_result publisher_record(publisher *p, const char *id, policy_record *out, error_text *err)
{
    char path[VERSIONS_PATH_BYTES];
    *out = (policy_record){.stage = "pretrained"};
    if (!publisher_locate(p, id, path)) {
        error_text_set(err, "policy %.64s: neither on disk nor the base model", id);
        return PUBLISH_NOT_FOUND;
    }
    memcpy(out->id, id, sizeof out->id);
    if (strcmp(id, p->base_id) == 0)
        fill_base(p, out);
    fill_row(p, out);
    out->manifest = read_manifest(path);
    policy *resident = policy_registry_find(p->registry, id);
    out->resident = resident != NULL;
    policy_unref(resident);
    return PUBLISH_OK;
}

void policy_record_free(policy_record *r)
{
    free(r->manifest);
    r->manifest = NULL;
}

static int newest_first(const void *a, const void *b)
{
    const policy_listing *x = a, *y = b;
    if (x->created_at != y->created_at)
        return x->created_at < y->created_at ? 1 : -1;
    return strcmp(x->id, y->id);
}

bool publisher_list(publisher *p, policy_listing **list, size_t *n)
{
    char(*ids)[POLICY_ID_CHARS + 1] = calloc(VERSIONS_MAX, sizeof *ids);
    policy_listing *rows = calloc(VERSIONS_MAX + 1, sizeof *rows);
    if (!ids || !rows) {
        free(ids);
        free(rows);
        return false;
    }
    *n = versions_list(p->versions, ids, VERSIONS_MAX);
    for (size_t i = 0; i < *n; i++) {
        memcpy(rows[i].id, ids[i], sizeof ids[i]);
        rows[i].created_at = versions_time(p->versions, ids[i]);
    }
    bool base_listed = false; /* it may lie among them */
    for (size_t i = 0; i < *n; i++)
        base_listed |= strcmp(rows[i].id, p->base_id) == 0;
    if (!base_listed) {
        rows[*n].created_at = p->base_time;
        memcpy(rows[(*n)++].id, p->base_id, sizeof p->base_id);
    }
    qsort(rows, *n, sizeof *rows, newest_first);
    free(ids);
    *list = rows;
    return true;
}
