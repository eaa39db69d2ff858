/* GET /v1/models and /v1/models/{name}. */
#include "api/text.h"

#include "api/json_out.h"
#include "api/list.h"
#include "api/model_name.h"

#include <stdlib.h>
#include <string.h>

static void put_model(buf *out, const char *id, const policy *p, const eng_model *model)
{
    JSON_LIT(out, "{\"id\":");
    json_cstring(out, id);
    JSON_LIT(out, ",\"object\":\"model\",\"created\":");
    json_int(out, policy_created(p));
    JSON_LIT(out, ",\"owned_by\":\"instructd\",\"policy\":");
    json_cstring(out, policy_id(p));
    JSON_LIT(out, ",\"stage\":");
    json_cstring(out, policy_stage(p));
    JSON_LIT(out, ",\"max_model_len\":");
    json_uint(out, eng_model_config(model)->n_ctx);
    buf_putc(out, '}');
}

/* All aliases, in a list that the caller frees with aliases_free; NULL: memory is out. */
static policy_alias_view *aliases_take(policy_registry *registry, size_t *n)
{
    size_t cap = 64;
    for (;;) {
        policy_alias_view *list = calloc(cap, sizeof *list);
        if (!list)
            return NULL;
        *n = policy_registry_aliases(registry, list, cap);
        if (*n <= cap)
            return list;
        for (size_t i = 0; i < cap; i++)
            policy_unref(list[i].policy);
        free(list);
        cap = *n;
    }
}

static void aliases_free(policy_alias_view *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        policy_unref(list[i].policy);
    free(list);
}

/* The index behind the alias `after`. */
static bool read_after(const char *after, const policy_alias_view *list, size_t n, size_t *start,
                       api_error *err)
{
    *start = 0;
    if (!after)
        return true;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(list[i].name, after) == 0) {
            *start = i + 1;
            return true;
        }
    }
    return api_invalid(err, "invalid_value", "after", "after: there is no model of that id");
}

bool api_models_page(policy_registry *registry, const char *limit, const char *after, buf *out,
                     api_error *err)
{
    size_t n, start;
    uint32_t count;
    policy_alias_view *list = aliases_take(registry, &n);
    if (!list)
        return api_no_memory(err);
    bool done = list_limit_read(limit, &count, err) && read_after(after, list, n, &start, err);
    if (done) {
        size_t end = n - start > count ? start + count : n;
        list_begin(out);
        for (size_t i = start; i < end; i++) {
            list_next(out, i - start);
            put_model(out, list[i].name, list[i].policy, policy_model(list[i].policy));
        }
        list_end(out, end < n);
        done = !out->failed || api_no_memory(err);
    }
    aliases_free(list, n);
    return done;
}

bool api_model_get(policy_registry *registry, const char *name, buf *out, api_error *err)
{
    policy *p;
    char label[96];
    if (!api_resolve(registry, name, &p, label, err))
        return false;
    put_model(out, name ? name : label, p, policy_model(p));
    policy_unref(p);
    return !out->failed || api_no_memory(err);
}
