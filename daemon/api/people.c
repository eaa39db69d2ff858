#include "api/people.h"

#include "api/json_out.h"
#include "api/members.h"
#include "api/strict_json.h"

#include <string.h>

#define N(rules) (sizeof(rules) / sizeof(rules)[0])

/* ---- me ---- */

static void write_scopes(buf *out, unsigned scope)
{
    size_t at = 0;
    const char *name, *between = "";
    buf_putc(out, '[');
    while ((name = key_scope_next(scope, &at))) {
        buf_puts(out, between);
        json_cstring(out, name);
        between = ",";
    }
    buf_putc(out, ']');
}

static void write_notice(buf *out, const api_notice *n)
{
    const bool chosen = n->consent && n->consent->notice == n->version;
    JSON_LIT(out, "{\"version\":");
    json_uint(out, n->version);
    JSON_LIT(out, ",\"text\":");
    json_cstring(out, n->text);
    JSON_LIT(out, ",\"due\":");
    json_bool(out, !chosen);
    JSON_LIT(out, ",\"choice\":");
    json_cstring(out, !chosen ? NULL : n->consent->share ? "share" : "decline");
    buf_putc(out, '}');
}

void api_me_write(buf *out, const key_info *key, const api_notice *notice)
{
    const bool known = key->user[0] != 0;
    JSON_LIT(out, "{\"object\":\"me\",\"user\":");
    json_cstring(out, known ? key->user : NULL);
    JSON_LIT(out, ",\"role\":");
    json_cstring(out, known ? key_role_text(key->role) : NULL);
    JSON_LIT(out, ",\"scopes\":");
    write_scopes(out, key->scope);
    JSON_LIT(out, ",\"notice\":");
    if (notice)
        write_notice(out, notice);
    else
        JSON_LIT(out, "null");
    buf_putc(out, '}');
}

bool api_consent_read(api_consent *out, const char *body, size_t len, api_error *err)
{
    typedef struct consent_body {
        int64_t version;
        const char *choice;
    } consent_body;
    consent_body b;
    static const member_rule rules[] = {
        {.name = "notice_version",
         .kind = MEMBER_WHOLE,
         .required = true,
         .min = 1,
         .max = 1e9,
         .at = offsetof(consent_body, version)},
        {.name = "choice",
         .kind = MEMBER_CHOICE,
         .required = true,
         .choices = "share|decline",

         .at = offsetof(consent_body, choice)},
    };
    cJSON *root = strict_json_parse(body, len, err);
    const bool ok = root && members_read(&b, root, rules, N(rules), "", err);
    if (ok)
        *out = (api_consent){(uint32_t)b.version, strcmp(b.choice, "share") == 0};
    cJSON_Delete(root);
    return ok;
}

void api_erasure_write(buf *out, const store_erasure *e)
{
    const struct {
        const char *name;
        uint64_t n;
    } counts[] = {
        {"prompts", e->prompts},   {"tasks", e->tasks}, {"demonstrations", e->demonstrations},
        {"rankings", e->rankings}, {"skips", e->skips}, {"votes", e->votes}};
    JSON_LIT(out, "{\"object\":\"me.data\",\"deleted\":{");
    for (size_t i = 0; i < N(counts); i++) {
        buf_puts(out, i ? "," : "");
        json_cstring(out, counts[i].name);
        buf_putc(out, ':');
        json_uint(out, counts[i].n);
    }
    JSON_LIT(out, "},\"stale_datasets\":");
    json_uint(out, e->datasets);
    buf_putc(out, '}');
}

/* ---- votes ---- */

static bool read_side(const char **out, const cJSON *side, const char *name, api_error *err)
{
    static const member_rule rules[] = {
        {.name = "request_id", .kind = MEMBER_ID, .required = true}};
    return members_read(out, side, rules, N(rules), name, err);
}

bool api_vote_read(api_vote *out, const char *body, size_t len, api_error *err)
{
    typedef struct vote_body {
        const cJSON *left, *right;
        const char *vote, *shown_left;
        bool blind;
    } vote_body;
    static const member_rule rules[] = {
        {.name = "left", .kind = MEMBER_OBJECT, .required = true, .at = offsetof(vote_body, left)},
        {.name = "right",
         .kind = MEMBER_OBJECT,
         .required = true,
         .at = offsetof(vote_body, right)},
        {.name = "vote",
         .kind = MEMBER_CHOICE,
         .required = true,
         .choices = "a|b|tie|both_bad",
         .at = offsetof(vote_body, vote)},
        {.name = "blind", .kind = MEMBER_BOOL, .required = true, .at = offsetof(vote_body, blind)},
        {.name = "shown_left",
         .kind = MEMBER_CHOICE,
         .required = true,
         .choices = "a|b",
         .at = offsetof(vote_body, shown_left)},
    };
    vote_body b = {0};
    *out = (api_vote){.tree = strict_json_parse(body, len, err)};
    bool ok = out->tree && members_read(&b, out->tree, rules, N(rules), "", err) &&
              read_side(&out->left, b.left, "left", err) &&
              read_side(&out->right, b.right, "right", err);
    if (ok && strcmp(out->left, out->right) == 0)
        ok = api_invalid(err, "invalid_value", "right.request_id",
                         "right.request_id: expected another request than left's");
    if (!ok) {
        api_vote_free(out);
        return false;
    }
    out->vote = b.vote;
    out->shown_left = b.shown_left;
    out->blind = b.blind;
    return true;
}

void api_vote_free(api_vote *v)
{
    cJSON_Delete(v->tree);
    *v = (api_vote){0};
}

/* "instruct@pol_..." -> instruct; a policy that was asked for by its id has no alias. */
static void write_side(buf *out, const char *policy, const char *model)
{
    const char *at = strchr(model, '@');
    JSON_LIT(out, "{\"policy\":");
    json_cstring(out, policy);
    JSON_LIT(out, ",\"alias\":");
    if (at)
        json_string(out, model, (size_t)(at - model));
    else
        JSON_LIT(out, "null");
    buf_putc(out, '}');
}

void api_vote_write(buf *out, const store_vote *v)
{
    JSON_LIT(out, "{\"id\":");
    json_cstring(out, v->id);
    JSON_LIT(out, ",\"object\":\"vote\",\"vote\":");
    json_cstring(out, v->vote);
    JSON_LIT(out, ",\"left\":");
    write_side(out, v->left_policy, v->left_model);
    JSON_LIT(out, ",\"right\":");
    write_side(out, v->right_policy, v->right_model);
    buf_putc(out, '}');
}
