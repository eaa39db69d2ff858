#include "api/score_exchange.h"

#include "api/fields.h"
#include "api/json_out.h"
#include "api/strict_json.h"

void score_request_write(buf *out, const char *prompt, const char *const *completions, size_t n)
{
    JSON_LIT(out, "{\"prompt\":");
    json_cstring(out, prompt);
    JSON_LIT(out, ",\"completions\":[");
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_putc(out, ',');
        json_cstring(out, completions[i]);
    }
    JSON_LIT(out, "]}");
}

/* strict_json_parse has refused numbers that are not finite. */
static bool read_scores(const cJSON *list, size_t n, double *scores, error_text *err)
{
    char found[64];
    const cJSON *score;
    size_t i = 0;
    if (!cJSON_IsArray(list) || (size_t)cJSON_GetArraySize(list) != n) {
        field_describe(list, found);
        return error_text_set(err, "\"scores\": expected an array of %zu, found %s", n,
                              list ? found : "nothing");
    }
    cJSON_ArrayForEach(score, list)
    {
        field_describe(score, found);
        if (!cJSON_IsNumber(score))
            return error_text_set(err, "\"scores\"[%zu]: expected a number, found %s", i, found);
        scores[i++] = score->valuedouble;
    }
    return true;
}

bool score_reply_read(const char *body, size_t len, size_t n, double *scores, error_text *err)
{
    api_error why;
    cJSON *root = strict_json_parse(body, len, &why);
    if (!root)
        return error_text_set(err, "%s", why.message);
    bool good = read_scores(cJSON_GetObjectItemCaseSensitive(root, "scores"), n, scores, err);
    cJSON_Delete(root);
    return good;
}
