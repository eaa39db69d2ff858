#include "api/agreement.h"

#include "api/json_out.h"

static void put(buf *out, const char *name, double v)
{
    buf_putc(out, '"');
    buf_puts(out, name);
    buf_puts(out, "\":");
    json_double(out, v);
}

static void put_sums(buf *out, const agreement *a)
{
    put(out, "agreement", agreement_value(a->strict));
    buf_putc(out, ',');
    put(out, "with_ties", agreement_value(a->lenient));
    JSON_LIT(out, ",\"pairs\":");
    json_uint(out, (uint64_t)a->strict.pairs);
}

/* Without its closing brace, for what else belongs to it. */
static void open_figure(buf *out, const report_figure *f)
{
    buf_putc(out, '{');
    put_sums(out, &f->sum);
    buf_putc(out, ',');
    put(out, "low", f->interval.low);
    buf_putc(out, ',');
    put(out, "high", f->interval.high);
    JSON_LIT(out, ",\"tasks\":");
    json_uint(out, f->tasks);
}

static void put_labeler(buf *out, const report_labeler *l)
{
    const double gold = agreement_value(l->gold.sum.strict);
    JSON_LIT(out, "{\"labeler\":");
    json_cstring(out, l->name);
    JSON_LIT(out, ",\"role\":");
    json_cstring(out, l->role);
    JSON_LIT(out, ",\"labels\":");
    json_uint(out, l->labels);
    JSON_LIT(out, ",\"others\":");
    open_figure(out, &l->others);
    JSON_LIT(out, "},\"gold\":");
    open_figure(out, &l->gold);
    buf_putc(out, ',');
    put(out, "flags", agreement_value(l->flags));
    JSON_LIT(out, ",\"alarm\":");
    json_bool(out, gold < AGREEMENT_GOLD_LEAST);
    JSON_LIT(out, "}}");
}

static void put_week(buf *out, const report_week *w)
{
    JSON_LIT(out, "{\"begins_at\":");
    json_int(out, w->begins_at);
    buf_putc(out, ',');
    put_sums(out, &w->sum);
    buf_putc(out, '}');
}

void api_agreement_write(buf *out, const char *kind, const char *mode, const agreement_report *r)
{
    size_t n;
    JSON_LIT(out, "{\"object\":\"label.agreement\",\"kind\":");
    json_cstring(out, kind);
    JSON_LIT(out, ",\"criterion_mode\":");
    json_cstring(out, mode);
    JSON_LIT(out, ",\"overall\":");
    open_figure(out, agreement_report_overall(r));
    JSON_LIT(out, "},\"labelers\":[");
    const report_labeler *labelers = agreement_report_labelers(r, &n);
    for (size_t i = 0; i < n; i++) {
        buf_puts(out, i ? "," : "");
        put_labeler(out, &labelers[i]);
    }
    JSON_LIT(out, "],\"weeks\":[");
    const report_week *weeks = agreement_report_weeks(r, &n);
    for (size_t i = 0; i < n; i++) {
        buf_puts(out, i ? "," : "");
        put_week(out, &weeks[i]);
    }
    JSON_LIT(out, "]}");
}
