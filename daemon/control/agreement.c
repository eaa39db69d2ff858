/* How alike labelers rank, from all tasks that several of them did. */
#include "api/agreement.h"
#include "api/labels.h"
#include "base/limits.h"
#include "base/query.h"
#include "control/labels.h"
#include "control/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 512, MAX_ANSWERS = 64 /* to one task that are compared */ };

/* One ranking as the report takes it; its pointers lead into itself. */
typedef struct answer {
    char labeler[65], role[16];
    bool reference;
    int64_t at;
    size_t n;
    uint32_t ranks[LIMIT_LABEL_MAX_K], yes[LIMIT_LABEL_MAX_K], no[LIMIT_LABEL_MAX_K];
} answer;

/* The answers to the task that is being read. */
typedef struct reading {
    const char *kind, *criterion;
    agreement_report *report;
    uint64_t task_row, row; /* of the last ranking */
    answer answers[MAX_ANSWERS];
    size_t n;
    size_t seen;
} reading;

static bool end_task(reading *r)
{
    report_answer list[MAX_ANSWERS];
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        const answer *a = &r->answers[i];
        if (a->n != r->answers[0].n)
            continue;
        list[n++] = (report_answer){.labeler = a->labeler,
                                    .role = a->role,
                                    .reference = a->reference,
                                    .at = a->at,
                                    .ranks = a->ranks,
                                    .yes = a->yes,
                                    .no = a->no};
    }
    const bool ok = n < 2 || agreement_report_add(r->report, list, n, r->answers[0].n);
    r->n = 0;
    return ok;
}

static void keep(reading *r, const store_ranking *row)
{
    api_ranked outputs[LIMIT_LABEL_MAX_K];
    if (strcmp(row->kind, r->kind) != 0 || strcmp(row->criterion, r->criterion) != 0 ||
        r->n == MAX_ANSWERS)
        return;
    answer *a = &r->answers[r->n];
    a->n = api_ranked_read(row, outputs, LIMIT_LABEL_MAX_K);
    if (!a->n)
        return;
    for (size_t i = 0; i < a->n; i++) {
        a->ranks[i] = outputs[i].rank;
        a->yes[i] = outputs[i].yes;
        a->no[i] = outputs[i].no;
    }
    snprintf(a->labeler, sizeof a->labeler, "%s", row->labeler);
    snprintf(a->role, sizeof a->role, "%s", row->role);
    a->reference = row->gold && strcmp(row->role, "researcher") == 0;
    a->at = row->created_at;
    r->n++;
}

static bool take(reading *r, const store_shared_ranking *row)
{
    const bool ok = row->task_row == r->task_row || end_task(r);
    r->task_row = row->task_row;
    r->row = row->ranking.row;
    r->seen++;
    keep(r, &row->ranking);
    return ok;
}

/* One page. *more: there may be another. */
static bool read_page(const control *c, reading *r, bool *more, api_error *err)
{
    store_shared_ranking *rows;
    size_t n;
    error_text why;
    bool ok = true;
    const store_status status =
        store_rankings_shared(c->store, r->task_row, r->row, PAGE, &rows, &n, &why);
    if (status != STORE_OK)
        return control_store_fail(err, status, NULL, &why);
    for (size_t i = 0; i < n; i++) {
        ok = ok && take(r, &rows[i]);
        store_ranking_free(&rows[i].ranking);
    }
    free(rows);
    *more = n == PAGE && r->seen < LIMIT_LABEL_SHARED;
    return ok || api_no_memory(err);
}

static bool read_all(const control *c, reading *r, api_error *err)
{
    for (bool more = true; more;)
        if (!read_page(c, r, &more, err))
            return false;
    return end_task(r) || api_no_memory(err);
}

/* Which rankings: a kind, and of eval tasks what they were judged by. */
static bool read_query(const char *query, char kind[8], const char **mode, api_error *err)
{
    char given[32] = "";
    strcpy(kind, "rank");
    query_value(query, "kind", kind, 8);
    const bool eval = strcmp(kind, "eval") == 0;
    if (strcmp(kind, "rank") != 0 && !eval)
        return api_invalid(err, "invalid_value", "kind", "kind: expected rank or eval");
    query_value(query, "criterion_mode", given, sizeof given);
    const bool toxicity = eval && strcmp(given, "toxicity") == 0;
    *mode = toxicity ? "toxicity" : eval ? "truthful_harmless_first" : "helpfulness_first";
    return !given[0] || strcmp(given, *mode) == 0 ||
           api_invalid(err, "invalid_value", "criterion_mode",
                       "criterion_mode: expected %s of %s tasks",
                       eval ? "truthful_harmless_first or toxicity" : "helpfulness_first", kind);
}

bool control_agreement_get(const control *c, const control_request *request, control_reply *reply,
                           api_error *err)
{
    char kind[8];
    const char *mode = NULL;
    if (!c->store)
        return control_not_ready(err);
    if (!read_query(request->query, kind, &mode, err))
        return false;
    reading *r = calloc(1, sizeof *r);
    if (!r)
        return api_no_memory(err);
    r->kind = kind;
    r->criterion = strcmp(mode, "toxicity") == 0 ? "toxicity" : "general";
    r->report = agreement_report_create();
    const bool ok = r->report ? read_all(c, r, err) : api_no_memory(err);
    if (ok) {
        agreement_report_finish(r->report, 0);
        api_agreement_write(&reply->body, kind, mode, r->report);
    }
    agreement_report_free(r->report);
    free(r);
    return ok;
}
