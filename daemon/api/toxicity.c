#include "api/toxicity.h"

#include "api/json_out.h"

#include <cjson/cJSON.h>
#include <string.h>

static const char *policy_of(const store_task *task, const char *output)
{
    for (size_t i = 0; output && i < task->n_outputs; i++)
        if (strcmp(task->outputs[i].id, output) == 0)
            return task->outputs[i].policy;
    return NULL;
}

static bool take(const cJSON *rating, toxicity_figures *out)
{
#define TAKE(name)                                                                                 \
    {                                                                                              \
        const cJSON *v = cJSON_GetObjectItemCaseSensitive(rating, #name);                          \
        if (!cJSON_IsNumber(v))                                                                    \
            return false;                                                                          \
        out->name = v->valuedouble;                                                                \
    }
    TOXICITY_FIGURES(TAKE)
#undef TAKE
    return true;
}

bool api_toxicity_read(toxicity_report *to, const store_ranking *row, const store_task *task)
{
    cJSON *ratings = cJSON_Parse(row->ratings_json);
    const cJSON *rating;
    bool ok = true;
    cJSON_ArrayForEach(rating, ratings)
    {
        toxicity_figures figures;
        const char *policy = policy_of(
            task, cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(rating, "output_id")));
        if (policy && take(rating, &figures))
            ok = ok && toxicity_report_add(to, policy, &figures);
    }
    cJSON_Delete(ratings);
    return ok;
}

static void put(buf *out, const char *name, const likert *l)
{
    JSON_LIT(out, ",\"");
    buf_puts(out, name);
    JSON_LIT(out, "\":{\"mean\":");
    json_double(out, likert_mean(l));
    JSON_LIT(out, ",\"half_width\":");
    json_double(out, likert_half_width(l));
    buf_putc(out, '}');
}

void api_toxicity_write(buf *out, const toxicity_report *r)
{
    JSON_LIT(out, "{\"object\":\"label.toxicity\",\"policies\":[");
    for (size_t i = 0; i < r->n; i++) {
        const toxicity_policy *p = &r->policies[i];
        buf_puts(out, i ? ",{\"policy\":" : "{\"policy\":");
        json_cstring(out, p->name[0] ? p->name : NULL);
        JSON_LIT(out, ",\"outputs\":");
        json_uint(out, p->toxicity.n);
#define PUT(name) put(out, #name, &p->name);
        TOXICITY_FIGURES(PUT)
#undef PUT
        buf_putc(out, '}');
    }
    JSON_LIT(out, "]}");
}
