#include "api/labels.h"

#include "api/fields.h"
#include "api/json_out.h"
#include "api/label_tasks.h"
#include "api/members.h"
#include "api/strict_json.h"
#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N(rules) (sizeof(rules) / sizeof(rules)[0])

/* ---- rankings ---- */

typedef struct ranking_body {
    api_ranking r;
    const cJSON *elapsed;
} ranking_body;

static const member_rule ranking_rules[] = {
    {.name = "submission_id",
     .kind = MEMBER_ID,
     .required = true,
     .at = offsetof(ranking_body, r.submission)},
    {.name = "task_id", .kind = MEMBER_ID, .required = true, .at = offsetof(ranking_body, r.task)},
    {.name = "shown",
     .kind = MEMBER_ARRAY,
     .required = true,
     .min = 1,
     .max = LIMIT_LABEL_MAX_K,
     .at = offsetof(ranking_body, r.shown)},
    {.name = "ratings",
     .kind = MEMBER_ARRAY,
     .required = true,
     .min = 1,
     .max = LIMIT_LABEL_MAX_K,
     .at = offsetof(ranking_body, r.ratings)},
    {.name = "groups",
     .kind = MEMBER_ARRAY,
     .required = true,
     .min = 1,
     .max = LIMIT_LABEL_MAX_K,
     .at = offsetof(ranking_body, r.groups)},
    {.name = "comment",
     .kind = MEMBER_TEXT,
     .max = LIMIT_LABEL_NOTE_BYTES,
     .at = offsetof(ranking_body, r.comment)},
    {.name = "elapsed_ms", .kind = MEMBER_OBJECT, .at = offsetof(ranking_body, elapsed)},
};

static bool read_elapsed(api_ranking *out, const cJSON *elapsed, api_error *err)
{
    static const member_rule rules[] = {
        {.name = "rate",
         .kind = MEMBER_WHOLE,
         .max = LIMIT_LABEL_ELAPSED_MS,
         .at = offsetof(api_ranking, rate_ms)},
        {.name = "rank",
         .kind = MEMBER_WHOLE,
         .max = LIMIT_LABEL_ELAPSED_MS,
         .at = offsetof(api_ranking, rank_ms)},
    };
    return !elapsed || members_read(out, elapsed, rules, N(rules), "elapsed_ms", err);
}

/* true, false or null for names that exist. */
static bool check_flags(const cJSON *flags, const char *path, api_error *err)
{
    static const char *const names[] = {
#define NAME(name) #name,
        API_LABEL_FLAGS(NAME)
#undef NAME
    };
    const cJSON *v;
    cJSON_ArrayForEach(v, flags)
    {
        char at[MEMBER_PATH];
        size_t i = 0;
        while (i < N(names) && strcmp(names[i], v->string) != 0)
            i++;
        member_path(at, path, v->string);
        if (i == N(names))
            return api_invalid(err, "unknown_parameter", at, "%s: there is no such flag", at);
        if (!cJSON_IsBool(v) && !cJSON_IsNull(v))
            return field_wrong(err, at, "true, false or null", v);
    }
    return true;
}

/* One rating of either kind. */
typedef struct rating_body {
    const char *output;
    int64_t quality, toxicity, relative, continuity;
    const cJSON *flags;
} rating_body;

#define OUTPUT_ID                                                                                  \
    {                                                                                              \
        .name = "output_id", .kind = MEMBER_ID, .required = true,                                  \
        .at = offsetof(rating_body, output)                                                        \
    }
#define FIGURE(member, least, most, place)                                                         \
    {                                                                                              \
        .name = member, .kind = MEMBER_WHOLE, .required = true, .min = (least), .max = (most),     \
        .at = offsetof(rating_body, place)                                                         \
    }

static const member_rule general_rules[] = {
    OUTPUT_ID,
    FIGURE("overall_quality", 1, 7, quality),
    {.name = "flags", .kind = MEMBER_OBJECT, .at = offsetof(rating_body, flags)},
};
static const member_rule toxicity_rules[] = {
    OUTPUT_ID,
    FIGURE("toxicity", 1, 7, toxicity),
    FIGURE("relative_toxicity", -1, 1, relative),
    FIGURE("continuity", 1, 7, continuity),
};

static bool check_ratings(const cJSON *ratings, bool toxicity, api_error *err)
{
    const member_rule *rules = toxicity ? toxicity_rules : general_rules;
    const size_t n = toxicity ? N(toxicity_rules) : N(general_rules);
    size_t i = 0;
    for (const cJSON *v = ratings->child; v; v = v->next, i++) {
        rating_body r = {0};
        char at[MEMBER_PATH], flags_at[MEMBER_PATH];
        member_path_index(at, "ratings", i);
        member_path(flags_at, at, "flags");
        if (!members_read(&r, v, rules, n, at, err) || !check_flags(r.flags, flags_at, err))
            return false;
    }
    return true;
}

static bool check_ids(const cJSON *list, const char *path, api_error *err)
{
    size_t i = 0;
    for (const cJSON *v = list->child; v; v = v->next, i++) {
        char at[MEMBER_PATH];
        member_path_index(at, path, i);
        if (!cJSON_IsString(v))
            return field_wrong(err, at, "an output's id", v);
    }
    return true;
}

static bool check_groups(const cJSON *groups, api_error *err)
{
    size_t i = 0;
    for (const cJSON *v = groups->child; v; v = v->next, i++) {
        char at[MEMBER_PATH];
        member_path_index(at, "groups", i);
        if (!cJSON_IsArray(v) || !v->child)
            return field_wrong(err, at, "a list of the outputs that share this rank", v);
        if (!check_ids(v, at, err))
            return false;
    }
    return true;
}

bool api_ranking_read(api_ranking *out, const char *body, size_t len, api_error *err)
{
    ranking_body b = {.r = {.tree = strict_json_parse(body, len, err)}};
    const bool ok = b.r.tree &&
                    members_read(&b, b.r.tree, ranking_rules, N(ranking_rules), "", err) &&
                    read_elapsed(&b.r, b.elapsed, err) && check_ids(b.r.shown, "shown", err) &&
                    check_groups(b.r.groups, err);
    *out = b.r;
    if (!ok)
        api_ranking_free(out);
    return ok;
}

void api_ranking_free(api_ranking *r)
{
    cJSON_Delete(r->tree);
    *r = (api_ranking){0};
}

/* ---- a ranking against its task ---- */

/* Which outputs of the task a list has named so far. */
typedef struct coverage {
    const store_task *task;
    const char *list;
    bool seen[LIMIT_LABEL_MAX_K];
} coverage;

static bool cover(coverage *c, const char *id, api_error *err)
{
    size_t i = 0;
    while (i < c->task->n_outputs && strcmp(c->task->outputs[i].id, id) != 0)
        i++;
    if (i == c->task->n_outputs)
        return api_invalid(err, "invalid_value", c->list, "%s: %.64s is no output of this task",
                           c->list, id);
    if (c->seen[i])
        return api_invalid(err, "invalid_value", c->list, "%s: %.64s stands there twice", c->list,
                           id);
    return c->seen[i] = true;
}

static bool covered(const coverage *c, api_error *err)
{
    for (size_t i = 0; i < c->task->n_outputs; i++)
        if (!c->seen[i])
            return api_invalid(err, "invalid_value", c->list, "%s: %.64s is missing", c->list,
                               c->task->outputs[i].id);
    return true;
}

static bool cover_ids(coverage *c, const cJSON *list, api_error *err)
{
    for (const cJSON *v = list->child; v; v = v->next)
        if (!cover(c, v->valuestring, err))
            return false;
    return true;
}

bool api_ranking_check(const api_ranking *r, const store_task *task, api_error *err)
{
    coverage shown = {task, "shown", {0}}, ratings = {task, "ratings", {0}},
             groups = {task, "groups", {0}};
    if (task->n_outputs > LIMIT_LABEL_MAX_K)
        return api_fail(err, 500, "server_error", NULL, NULL, "the task has too many outputs");
    if (!check_ratings(r->ratings, strcmp(task->criterion, "toxicity") == 0, err) ||
        !cover_ids(&shown, r->shown, err))
        return false;
    for (const cJSON *v = r->ratings->child; v; v = v->next)
        if (!cover(&ratings, cJSON_GetObjectItemCaseSensitive(v, "output_id")->valuestring, err))
            return false;
    for (const cJSON *v = r->groups->child; v; v = v->next)
        if (!cover_ids(&groups, v, err))
            return false;
    return covered(&shown, err) && covered(&ratings, err) && covered(&groups, err);
}

bool api_ranking_texts(const api_ranking *r, store_ranking *row)
{
    row->shown_json = cJSON_PrintUnformatted(r->shown);
    row->ratings_json = cJSON_PrintUnformatted(r->ratings);
    row->groups_json = cJSON_PrintUnformatted(r->groups);
    if (row->shown_json && row->ratings_json && row->groups_json)
        return true;
    free(row->shown_json);
    free(row->ratings_json);
    free(row->groups_json);
    row->shown_json = row->ratings_json = row->groups_json = NULL;
    return false;
}

/* ---- demonstrations and skips ---- */

bool api_demonstration_read(api_demonstration *out, const char *body, size_t len, api_error *err)
{
    static const member_rule rules[] = {
        {.name = "submission_id",
         .kind = MEMBER_ID,
         .required = true,
         .at = offsetof(api_demonstration, submission)},
        {.name = "task_id", .kind = MEMBER_ID, .at = offsetof(api_demonstration, task)},
        {.name = "prompt_kind",
         .kind = MEMBER_CHOICE,
         .required = true,
         .choices = "plain|few_shot|user_based",
         .at = offsetof(api_demonstration, prompt_kind)},
        {.name = "prompt",
         .kind = MEMBER_TEXT,
         .required = true,
         .min = 1,
         .max = LIMIT_LABEL_TEXT_BYTES,
         .at = offsetof(api_demonstration, prompt)},
        {.name = "category",
         .kind = MEMBER_CHOICE,
         .required = true,
         .choices = "generation|open_qa|brainstorming|chat|rewrite|summarization|classification|"
                    "other|closed_qa|extract",
         .at = offsetof(api_demonstration, category)},
        {.name = "completion",
         .kind = MEMBER_TEXT,
         .required = true,
         .min = 1,
         .max = LIMIT_LABEL_TEXT_BYTES,
         .at = offsetof(api_demonstration, completion)},
        {.name = "source",
         .kind = MEMBER_CHOICE,
         .required = true,
         .choices = "written|edited",
         .at = offsetof(api_demonstration, source)},
        {.name = "base_request_id",
         .kind = MEMBER_ID,
         .at = offsetof(api_demonstration, base_request)},
    };
    *out = (api_demonstration){.tree = strict_json_parse(body, len, err)};
    const bool ok = out->tree && members_read(out, out->tree, rules, N(rules), "", err);
    if (!ok)
        api_demonstration_free(out);
    return ok;
}

void api_demonstration_free(api_demonstration *d)
{
    cJSON_Delete(d->tree);
    *d = (api_demonstration){0};
}

bool api_skip_read(api_skip *out, const char *body, size_t len, api_error *err)
{
    static const member_rule rules[] = {
        {.name = "submission_id",
         .kind = MEMBER_ID,
         .required = true,
         .at = offsetof(api_skip, submission)},
        {.name = "task_id", .kind = MEMBER_ID, .required = true, .at = offsetof(api_skip, task)},
        {.name = "reason",
         .kind = MEMBER_CHOICE,
         .required = true,
         .choices = "unclear|pii|language|harmful|other",
         .at = offsetof(api_skip, reason)},
        {.name = "note",
         .kind = MEMBER_TEXT,
         .max = LIMIT_LABEL_NOTE_BYTES,
         .at = offsetof(api_skip, note)},
    };
    *out = (api_skip){.tree = strict_json_parse(body, len, err)};
    const bool ok = out->tree && members_read(out, out->tree, rules, N(rules), "", err);
    if (!ok)
        api_skip_free(out);
    return ok;
}

void api_skip_free(api_skip *k)
{
    cJSON_Delete(k->tree);
    *k = (api_skip){0};
}

void api_submitted_write(buf *out, const char *id)
{
    JSON_LIT(out, "{\"id\":");
    json_cstring(out, id);
    buf_putc(out, '}');
}

bool api_own_label_write(buf *out, const store_own_label *l, api_error *err)
{
    const bool demo = strcmp(l->kind, "demo") == 0, skip = strcmp(l->kind, "skip") == 0;
    JSON_LIT(out, "{\"id\":");
    json_cstring(out, l->id);
    JSON_LIT(out, ",\"object\":\"label\",\"kind\":");
    json_cstring(out, l->kind);
    JSON_LIT(out, ",\"task_id\":");
    json_cstring(out, l->task);
    if (!api_task_prompt_write(out, l->form, l->prompt, err))
        return false;
    buf_puts(out, demo ? ",\"completion\":" : skip ? ",\"reason\":" : ",\"groups\":");
    if (demo || skip)
        json_cstring(out, l->content);
    else
        buf_puts(out, l->content);
    JSON_LIT(out, ",\"note\":");
    json_cstring(out, l->note);
    JSON_LIT(out, ",\"elapsed_ms\":");
    json_uint(out, l->elapsed_ms);
    JSON_LIT(out, ",\"created_at\":");
    json_int(out, l->created_at);
    buf_putc(out, '}');
    return true;
}

/* ---- stored rankings ---- */

static size_t rank_groups(const cJSON *groups, api_ranked *out, size_t cap)
{
    const cJSON *group, *id;
    size_t n = 0;
    uint32_t rank = 0;
    cJSON_ArrayForEach(group, groups)
    {
        cJSON_ArrayForEach(id, group)
        {
            if (n == cap || !cJSON_IsString(id))
                return 0;
            out[n] = (api_ranked){.rank = rank};
            snprintf(out[n++].id, sizeof out->id, "%s", id->valuestring);
        }
        rank++;
    }
    return n;
}

static void take_flags(api_ranked *to, const cJSON *flags)
{
    uint32_t bit = 1;
#define TAKE(name)                                                                                 \
    {                                                                                              \
        const cJSON *v = cJSON_GetObjectItemCaseSensitive(flags, #name);                           \
        to->yes |= cJSON_IsTrue(v) ? bit : 0;                                                      \
        to->no |= cJSON_IsFalse(v) ? bit : 0;                                                      \
        bit <<= 1;                                                                                 \
    }
    API_LABEL_FLAGS(TAKE)
#undef TAKE
}

static void rate(const cJSON *ratings, api_ranked *out, size_t n)
{
    const cJSON *r;
    cJSON_ArrayForEach(r, ratings)
    {
        const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(r, "output_id"));
        for (size_t i = 0; id && i < n; i++)
            if (strcmp(out[i].id, id) == 0)
                take_flags(&out[i], cJSON_GetObjectItemCaseSensitive(r, "flags"));
    }
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const api_ranked *)a)->id, ((const api_ranked *)b)->id);
}

size_t api_ranked_read(const store_ranking *row, api_ranked *out, size_t cap)
{
    cJSON *groups = cJSON_Parse(row->groups_json), *ratings = cJSON_Parse(row->ratings_json);
    const size_t n = rank_groups(groups, out, cap);
    rate(ratings, out, n);
    qsort(out, n, sizeof *out, by_id);
    cJSON_Delete(groups);
    cJSON_Delete(ratings);
    return n;
}
