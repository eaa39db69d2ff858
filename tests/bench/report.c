#include "report.h"

#include <math.h>

static void put_text(report *r, const char *text)
{
    fputc('"', r->out);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(r->out, "\\%c", *c);
        else if (*c < 0x20)
            fprintf(r->out, "\\u%04x", *c);
        else
            fputc(*c, r->out);
    }
    fputc('"', r->out);
}

/* Comma, new line and key: everything in front of a value. */
static void lead(report *r, const char *key)
{
    bool *filled = &r->filled[r->depth - 1];
    fputs(*filled ? ",\n" : "\n", r->out);
    *filled = true;
    fprintf(r->out, "%*s", (int)(2 * r->depth), "");
    if (key) {
        put_text(r, key);
        fputs(": ", r->out);
    }
}

static void open_value(report *r, char bracket)
{
    fputc(bracket, r->out);
    if (r->depth < REPORT_MAX_DEPTH)
        r->filled[r->depth++] = false;
}

static void close_value(report *r, char bracket)
{
    bool filled = r->filled[--r->depth];
    if (filled)
        fprintf(r->out, "\n%*s", (int)(2 * r->depth), "");
    fputc(bracket, r->out);
}

void report_begin(report *r, FILE *out)
{
    *r = (report){.out = out};
    open_value(r, '{');
}

void report_end(report *r)
{
    close_value(r, '}');
    fputc('\n', r->out);
    fflush(r->out);
}

void report_object(report *r, const char *key)
{
    lead(r, key);
    open_value(r, '{');
}

void report_array(report *r, const char *key)
{
    lead(r, key);
    open_value(r, '[');
}

void report_close_object(report *r)
{
    close_value(r, '}');
}

void report_close_array(report *r)
{
    close_value(r, ']');
}

void report_number(report *r, const char *key, double value)
{
    lead(r, key);
    if (isfinite(value))
        fprintf(r->out, "%.6g", value);
    else
        fputs("null", r->out);
}

void report_count(report *r, const char *key, uint64_t value)
{
    lead(r, key);
    fprintf(r->out, "%llu", (unsigned long long)value);
}

void report_bool(report *r, const char *key, bool value)
{
    lead(r, key);
    fputs(value ? "true" : "false", r->out);
}

void report_string(report *r, const char *key, const char *value)
{
    lead(r, key);
    if (value)
        put_text(r, value);
    else
        fputs("null", r->out);
}

void report_spread(report *r, series *s)
{
    if (!s->n)
        return;
    series_sort(s);
    report_number(r, "median", series_median(s));
    report_number(r, "min", s->values[0]);
    report_number(r, "max", s->values[s->n - 1]);
    report_count(r, "rounds", s->n);
}

void report_quantiles(report *r, const char *key, series *s, double scale)
{
    if (!s->n) {
        report_string(r, key, NULL);
        return;
    }
    series_sort(s);
    report_object(r, key);
    report_number(r, "p50", scale * series_quantile(s, 0.50));
    report_number(r, "p99", scale * series_quantile(s, 0.99));
    report_number(r, "mean", scale * series_mean(s));
    report_number(r, "min", scale * s->values[0]);
    report_number(r, "max", scale * s->values[s->n - 1]);
    report_count(r, "samples", s->n);
    report_close_object(r);
}
