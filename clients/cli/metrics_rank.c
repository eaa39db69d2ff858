#include "metrics_rank.h"

#include "json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { RANKED_MAX = 64 };

bool read_win(const cJSON *row, double parts[EVAL_PARTS], char why[EVAL_WHY_ROOM])
{
    static const char *const results[] = {"loss", "tie", "win"};
    const char *result = json_string(row, "result");
    for (int i = 0; result && i < 3; i++)
        if (strcmp(result, results[i]) == 0) {
            parts[0] = i / 2.0;
            parts[1] = 1;
            return true;
        }
    snprintf(why, EVAL_WHY_ROOM, "result: expected win, tie or loss");
    return false;
}

bool read_score(const cJSON *row, double parts[EVAL_PARTS], char why[EVAL_WHY_ROOM])
{
    parts[1] = 1;
    return eval_number(row, "score", &parts[0], why);
}

bool read_flag(const cJSON *row, double parts[EVAL_PARTS], char why[EVAL_WHY_ROOM])
{
    const cJSON *flag = cJSON_GetObjectItemCaseSensitive(row, "flag");
    parts[0] = cJSON_IsTrue(flag);
    parts[1] = cJSON_IsBool(flag);
    if (flag && (cJSON_IsBool(flag) || cJSON_IsNull(flag)))
        return true;
    snprintf(why, EVAL_WHY_ROOM, "flag: expected true, false or null");
    return false;
}

bool read_tax(const cJSON *row, double parts[EVAL_PARTS], char why[EVAL_WHY_ROOM])
{
    double before, after;
    if (!eval_number(row, "pretrained", &before, why) || !eval_number(row, "policy", &after, why))
        return false;
    parts[0] = before - after;
    parts[1] = 1;
    return true;
}

/* ---- rankings ---- */

typedef struct ranked {
    const char *id[RANKED_MAX];
    int rank[RANKED_MAX]; /* 0 is the best; equal is a tie */
    int n;
} ranked;

static bool read_groups(const cJSON *row, const char *name, ranked *out, char why[EVAL_WHY_ROOM])
{
    const cJSON *groups = cJSON_GetObjectItemCaseSensitive(row, name), *group, *id;
    int rank = 0;
    out->n = 0;
    cJSON_ArrayForEach(group, groups)
    {
        cJSON_ArrayForEach(id, group)
        {
            if (!cJSON_IsString(id) || out->n == RANKED_MAX)
                goto wrong;
            out->id[out->n] = id->valuestring;
            out->rank[out->n++] = rank;
        }
        rank++;
    }
    if (cJSON_IsArray(groups) && out->n > 0)
        return true;
wrong:
    snprintf(why, EVAL_WHY_ROOM, "%s: expected lists of ids, best first, %d at most", name,
             RANKED_MAX);
    return false;
}

static int find(const ranked *r, const char *id)
{
    for (int i = 0; i < r->n; i++)
        if (strcmp(r->id[i], id) == 0)
            return i;
    return -1;
}

static int sign(int x)
{
    return (x > 0) - (x < 0);
}

bool read_agreement(const cJSON *row, double parts[EVAL_PARTS], char why[EVAL_WHY_ROOM])
{
    ranked a, b;
    int place[RANKED_MAX];
    if (!read_groups(row, "a", &a, why) || !read_groups(row, "b", &b, why))
        return false;
    for (int i = 0; i < a.n; i++)
        if ((place[i] = find(&b, a.id[i])) < 0 || a.n != b.n) {
            snprintf(why, EVAL_WHY_ROOM, "b: expected the outputs of a, each once");
            return false;
        }
    for (int i = 0; i < a.n; i++)
        for (int j = i + 1; j < a.n; j++) {
            const int in_a = sign(a.rank[i] - a.rank[j]);
            const int in_b = sign(b.rank[place[i]] - b.rank[place[j]]);
            const bool untied = in_a && in_b;
            parts[0] += untied && in_a == in_b;
            parts[1] += untied;
            parts[2] += untied || (!in_a && !in_b) ? in_a == in_b : 0.5;
            parts[3] += 1;
        }
    return true;
}

static const char *text_of(const cJSON *outputs, const char *id)
{
    const cJSON *o;
    cJSON_ArrayForEach(o, outputs)
    {
        const char *own = json_string(o, "id");
        if (own && strcmp(own, id) == 0)
            return json_string(o, "text");
    }
    return NULL;
}

/* -log sigmoid(x), for any x. */
static double loss_of(double lead)
{
    return lead > 0 ? log1p(exp(-lead)) : log1p(exp(lead)) - lead;
}

static void count_pair(const ranked *r, const double *score, const cJSON *outputs, int better,
                       int worse, double parts[EVAL_PARTS])
{
    const double lead = score[better] - score[worse];
    const char *long_one = text_of(outputs, r->id[better]);
    const char *other = text_of(outputs, r->id[worse]);
    parts[0] += lead > 0;
    parts[1] += 1;
    parts[2] += loss_of(lead);
    parts[3] += 1;
    if (long_one && other) {
        parts[4] += strlen(long_one) > strlen(other);
        parts[5] += 1;
    }
}

bool read_scored_ranking(const cJSON *row, double parts[EVAL_PARTS], char why[EVAL_WHY_ROOM])
{
    ranked r;
    double score[RANKED_MAX];
    const cJSON *scores = cJSON_GetObjectItemCaseSensitive(row, "scores");
    const cJSON *outputs = cJSON_GetObjectItemCaseSensitive(row, "outputs");
    if (!read_groups(row, "groups", &r, why))
        return false;
    for (int i = 0; i < r.n; i++) {
        const cJSON *v = cJSON_GetObjectItemCaseSensitive(scores, r.id[i]);
        if (!cJSON_IsNumber(v)) {
            snprintf(why, EVAL_WHY_ROOM, "scores.%.40s: expected a number", r.id[i]);
            return false;
        }
        score[i] = v->valuedouble;
    }
    for (int i = 0; i < r.n; i++)
        for (int j = i + 1; j < r.n; j++)
            if (r.rank[i] < r.rank[j])
                count_pair(&r, score, outputs, i, j, parts);
    return true;
}
