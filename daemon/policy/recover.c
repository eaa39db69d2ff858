#include "policy/recover.h"

#include "base/log.h"
#include "formats/checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- what the audit knows ---- */

/* The rows of the newest versions of an alias; the caller frees them with free_moves. */
static size_t newest_moves(publisher *p, const char *alias, store_move **rows)
{
    error_text err;
    bool more;
    size_t n = 0;
    const store_page page = {.after = "", .limit = ALIAS_VERSIONS};
    *rows = NULL;
    if (p->store && store_move_list(p->store, alias, page, rows, &n, &more, &err) != STORE_OK)
        return 0;
    return n;
}

static void free_moves(store_move *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        store_move_free(&rows[i]);
    free(rows);
}

/* A crash between the alias file and its row leaves the row out. */
static void add_missing_moves(publisher *p, const alias_file *f)
{
    store_move *rows;
    const size_t n = newest_moves(p, f->name, &rows);
    for (size_t i = 0; i < f->n; i++) {
        const alias_version *v = &f->list[i];
        const char *previous = i + 1 < f->n ? f->list[i + 1].policy : NULL;
        bool there = n && v->number < rows[n - 1].version; /* older than what was read: long told */
        for (size_t k = 0; k < n; k++)
            there |= rows[k].version == v->number;
        if (!there)
            publisher_note_move(p, f->name, v, previous, NULL, true);
    }
    free_moves(rows, n);
}

/* Lines that the file lost, as far as the audit tells them. */
static void add_lost_lines(publisher *p, alias_file *f)
{
    store_move *rows;
    char fallen[POLICY_ID_CHARS + 1];
    const size_t n = f->lost || !f->n ? newest_moves(p, f->name, &rows) : 0;
    for (size_t i = n; i > 0; i--) {
        const store_move *m = &rows[i - 1];
        alias_version v = {.number = m->version,
                           .base = strcmp(m->policy, p->base_id) == 0,
                           .recompute = strcmp(m->in_flight, "recompute") == 0,
                           .at = m->updated_at};
        if (!policy_id_valid(m->policy) || (f->n && v.number <= f->list[0].number))
            continue;
        memcpy(v.policy, m->policy, sizeof v.policy);
        snprintf(v.by, sizeof v.by, "%s", m->updated_by);
        alias_file_push(f, &v, fallen);
        f->lost = true;
    }
    if (n)
        free_moves(rows, n);
}

/* Also past a newest line that was lost. */
uint64_t publisher_last_number(publisher *p, const alias_file *f)
{
    store_move *rows;
    const size_t n = newest_moves(p, f->name, &rows);
    uint64_t last = f->n ? f->list[0].number : 0;
    if (n && rows[0].version > last)
        last = rows[0].version;
    free_moves(rows, n);
    return last + f->lost;
}

/* ---- one alias ---- */

typedef struct recovery {
    publisher *p;
    alias_file file;
    bool is_default, reset;
    size_t served;  /* the line that serves; == file.n: none, the base model does */
    policy *policy; /* that serves */
    error_text why; /* the last line that was tried does not */
} recovery;

/* The model that a line was made for is gone: another --model is given now. */
static bool is_old_base(const recovery *r, const alias_version *v)
{
    return v->base && strcmp(v->policy, r->p->base_id) != 0;
}

static publish_result load_line(recovery *r, size_t i)
{
    const alias_version *v = &r->file.list[i];
    error_text why;
    publish_result result = PUBLISH_NOT_FOUND;
    if (is_old_base(r, v))
        error_text_set(&why, "policy %s: the base model is another one now", v->policy);
    else
        result = publisher_bring_in(r->p, v->policy, NULL, &r->policy, &why);
    if (result == PUBLISH_OK)
        return result;
    r->why = why;
    if (result != PUBLISH_NOT_FOUND || !is_old_base(r, v))
        log_event(LOG_WARN, "version_passed_over", "alias=%s version=%" PRIu64 " error=\"%s\"",
                  r->file.name, v->number, why.text);
    return result;
}

/* Of another shape than --model: what was asked for and what was published cannot both be. */
static eng_status refuse_shape(const recovery *r, eng_error *err)
{
    return eng_fail(err, ENG_INVALID,
                    "alias %s serves the published policy %s: %.220s. Start with the model that it "
                    "grew from, or with another --data-dir or --alias, or serve --model with "
                    "--reset-alias",
                    r->file.name, r->file.list[r->served].policy, r->why.text);
}

/* A reset looks at the newest line alone, and only if that is the base model already. */
static size_t lines_to_try(const recovery *r)
{
    if (!r->reset)
        return r->file.n;
    return r->file.n && strcmp(r->file.list[0].policy, r->p->base_id) == 0;
}

/* Finds what serves: the newest line that can be, else the base model for the default alias. */
static eng_status choose(recovery *r, eng_error *err)
{
    publish_result result = PUBLISH_NOT_FOUND;
    const size_t n = lines_to_try(r);
    for (r->served = 0; r->served < n; r->served++) {
        result = load_line(r, r->served);
        if (result == PUBLISH_OK)
            return ENG_OK;
        if (result == PUBLISH_INVALID && r->is_default)
            return refuse_shape(r, err);
        if (result == PUBLISH_NO_MEMORY && r->is_default)
            return eng_fail(err, ENG_NOMEM, "policy %s: %.400s", r->file.list[r->served].policy,
                            r->why.text);
        if (r->is_default && is_old_base(r, &r->file.list[r->served]))
            break; /* nothing was published since: the operator has chosen another model */
    }
    r->served = r->file.n;
    if (!r->is_default)
        return ENG_OK;
    result = publisher_bring_in(r->p, r->p->base_id, NULL, &r->policy, &r->why);
    if (result != PUBLISH_OK)
        return eng_fail(err, result == PUBLISH_NO_MEMORY ? ENG_NOMEM : ENG_INVALID, "%.480s",
                        r->why.text);
    return ENG_OK;
}

static const char *reason_of(const recovery *r)
{
    if (r->reset)
        return "--reset-alias";
    if (!r->file.n && !r->file.lost)
        return "first start";
    if (r->file.n && is_old_base(r, &r->file.list[0]))
        return "another --model";
    return "the newest version could not be served";
}

/* Something else than the newest line serves: a new version says so. */
static eng_status enter_new_version(recovery *r, eng_error *err)
{
    publisher *p = r->p;
    char fallen[POLICY_ID_CHARS + 1], previous[POLICY_ID_CHARS + 1] = "";
    char path[VERSIONS_PATH_BYTES];
    error_text why;
    const char *reason = reason_of(r); /* of what the file says before the new line */
    alias_version v = {.number = publisher_last_number(p, &r->file) + 1,
                       .base = strcmp(policy_id(r->policy), p->base_id) == 0,
                       .recompute = r->file.n && r->file.list[0].recompute,
                       .at = (int64_t)time(NULL),
                       .by = "start"};
    memcpy(v.policy, policy_id(r->policy), sizeof v.policy);
    if (r->file.n)
        memcpy(previous, r->file.list[0].policy, sizeof previous);
    alias_file_push(&r->file, &v, fallen);
    if (!versions_write_alias(p->versions, &r->file, &why))
        return eng_fail(err, ENG_IO, "%.480s", why.text);
    r->file.lost = false;
    publisher_note_move(p, r->file.name, &v, previous[0] ? previous : NULL, reason, false);
    if (previous[0] && strcmp(previous, v.policy) != 0 && publisher_locate(p, previous, path))
        publisher_note_state(p, previous, NULL, "retired", NULL);
    return ENG_OK;
}

/* Lines of policies that are neither on disk nor the base model lead nowhere. */
static void drop_dead_lines(recovery *r)
{
    char path[VERSIONS_PATH_BYTES];
    size_t n = 0;
    for (size_t i = 0; i < r->file.n; i++)
        if (i == 0 || publisher_locate(r->p, r->file.list[i].policy, path))
            r->file.list[n++] = r->file.list[i];
    r->file.n = n;
}

static eng_status serve(recovery *r, eng_error *err)
{
    publisher *p = r->p;
    eng_status st = ENG_OK;
    add_missing_moves(p, &r->file);
    if (r->served > 0 || r->file.n == 0 || r->file.lost)
        st = enter_new_version(r, err);
    if (st != ENG_OK)
        return st;
    drop_dead_lines(r);
    publisher_enter_alias(p, &r->file, publisher_last_number(p, &r->file));
    st = policy_registry_point(p->registry, r->file.name, r->policy, NULL, err);
    policy_registry_set_follows(p->registry, r->file.name, r->file.list[0].recompute);
    if (st == ENG_OK)
        publisher_note_state(p, policy_id(r->policy), policy_stage(r->policy), "active", NULL);
    return st;
}

static eng_status recover_alias(publisher *p, const alias_file *file, bool is_default, bool reset,
                                eng_error *err)
{
    recovery r = {.p = p, .file = *file, .is_default = is_default, .reset = reset};
    add_lost_lines(p, &r.file);
    eng_status st = choose(&r, err);
    if (st == ENG_OK && r.policy)
        st = serve(&r, err);
    else if (st == ENG_OK)
        log_event(LOG_WARN, "alias_left_out", "alias=%s error=\"%s\"", file->name, r.why.text);
    policy_unref(r.policy);
    return st;
}

/* ---- all of them ---- */

/* Policies that a crash kept from being told of. */
static void add_missing_policies(publisher *p)
{
    policy_listing *list;
    size_t n;
    if (!p->store || !publisher_list(p, &list, &n))
        return;
    for (size_t i = 0; i < n; i++) {
        store_policy row;
        error_text err;
        eng_error ignored;
        char path[VERSIONS_PATH_BYTES], stage[POLICY_STAGE_BYTES] = "pretrained";
        const store_status status = store_policy_get(p->store, list[i].id, &row, &err);
        const bool known = status == STORE_OK && strcmp(row.state, "removed") != 0;
        if (status == STORE_OK)
            store_policy_free(&row);
        if (known || status == STORE_UNAVAILABLE || !publisher_locate(p, list[i].id, path))
            continue;
        if (strcmp(list[i].id, p->base_id) == 0)
            memcpy(stage, p->base_stage, sizeof stage);
        else if (eng_checkpoint_stage(path, stage, sizeof stage, &ignored) != ENG_OK)
            continue;
        publisher_note_state(p, list[i].id, stage, "validated", NULL);
    }
    free(list);
}

static alias_file *find_file(alias_file *files, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(files[i].name, name) == 0)
            return &files[i];
    return NULL;
}

eng_status publisher_recover(publisher *p, bool reset, eng_error *err)
{
    alias_file files[PUBLISHER_ALIASES], fresh = {0};
    const size_t n = versions_aliases(p->versions, files, PUBLISHER_ALIASES);
    const alias_file *first = find_file(files, n, p->base_alias);
    if (!first) {
        snprintf(fresh.name, sizeof fresh.name, "%s", p->base_alias);
        first = &fresh;
    }
    eng_status st = recover_alias(p, first, true, reset, err);
    for (size_t i = 0; i < n && st == ENG_OK; i++)
        if (&files[i] != first)
            st = recover_alias(p, &files[i], false, false, err);
    if (st == ENG_OK)
        add_missing_policies(p);
    if (st == ENG_OK)
        publisher_collect(p);
    return st;
}
