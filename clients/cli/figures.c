#include "figures.h"

#include "json.h"
#include "progress.h"

#include <stdio.h>
#include <string.h>

enum { BAR_PLACES = 16 };

/* What the bar has room for, in this order; the rest is in the job's metrics. */
static const char *const shown[] = {"loss",     "valid_loss", "rm_accuracy", "reward",
                                    "rm_score", "kl",         "lr"};
static const char speed[] = "tokens_per_second";

static int find(const figures *f, const char *name)
{
    for (int i = 0; i < f->metrics_len; i++)
        if (strcmp(f->metrics[i].name, name) == 0)
            return i;
    return -1;
}

static void set(figures *f, const char *name, double value)
{
    int i = find(f, name);
    if (i < 0 && f->metrics_len == FIGURES_MAX)
        return;
    if (i < 0) {
        i = f->metrics_len++;
        snprintf(f->metrics[i].name, sizeof f->metrics[i].name, "%s", name);
    }
    f->metrics[i].value = value;
}

void figures_take(figures *f, const cJSON *values)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, values)
    {
        if (cJSON_IsNumber(one) && one->string)
            set(f, one->string, one->valuedouble);
    }
}

/* Steps were done now. */
static void note_steps(figures *f, double now_s)
{
    if (f->recent_len == FIGURES_RECENT)
        memmove(&f->recent[0], &f->recent[1], (size_t)--f->recent_len * sizeof f->recent[0]);
    f->recent[f->recent_len].done = f->done;
    f->recent[f->recent_len++].at_s = now_s;
}

void figures_progress(figures *f, const cJSON *job, double now_s)
{
    const cJSON *progress = cJSON_GetObjectItemCaseSensitive(job, "progress");
    double done = json_number(progress, "done", -1), total = json_number(progress, "total", -1);
    if (total == 0)
        f->from_start = true;
    if (done < 0 || total <= 0)
        return;
    const bool first = f->total <= 0;
    const double advanced = done - f->done;
    f->done = done;
    f->total = total;
    if (advanced < 0)
        f->recent_len = 0;
    else if (first ? f->from_start : advanced > 0)
        note_steps(f, now_s);
}

/* False: not enough has been seen. */
static bool time_left(const figures *f, double now_s, double *left_s)
{
    const int last = f->recent_len - 1;
    if (last < 1 || f->recent[last].at_s <= f->recent[0].at_s)
        return false;
    const double step_s =
        (f->recent[last].at_s - f->recent[0].at_s) / (f->recent[last].done - f->recent[0].done);
    const double under_way_s = now_s - f->recent[last].at_s;
    const double steps = f->total - f->done;
    *left_s = steps > 0 ? steps * step_s - (under_way_s < step_s ? under_way_s : step_s) : 0;
    return true;
}

static void put_speed_and_rest(const figures *f, double now_s, text *out)
{
    int i = find(f, speed);
    double left_s;
    if (i >= 0)
        text_printf(out, "  %.0f tokens/s", f->metrics[i].value);
    if (time_left(f, now_s, &left_s)) {
        text_puts(out, "  ");
        progress_duration(out, left_s);
        text_puts(out, " left");
    }
}

void figures_line(const figures *f, double now_s, text *out)
{
    if (f->total > 0) {
        double share = f->done < f->total ? f->done / f->total : 1;
        text_printf(out, "%3.0f%%  ", 100 * share);
        progress_bar(out, share, BAR_PLACES);
        text_printf(out, "  %.0f/%.0f", f->done, f->total);
    } else {
        text_puts(out, "running");
    }
    for (size_t s = 0; s < sizeof shown / sizeof shown[0]; s++) {
        int i = find(f, shown[s]);
        if (i >= 0)
            text_printf(out, "  %s %.4g", shown[s], f->metrics[i].value);
    }
    put_speed_and_rest(f, now_s, out);
}

/* Where a step's time went is a dozen numbers that nobody follows. */
static bool is_followed(const char *name)
{
    static const char unit[] = "_seconds";
    const size_t n = strlen(name);
    return n < strlen(unit) || strcmp(name + n - strlen(unit), unit) != 0;
}

void figures_event_line(const cJSON *values, text *out)
{
    const cJSON *one, *step = cJSON_GetObjectItemCaseSensitive(values, "step");
    if (cJSON_IsNumber(step))
        text_printf(out, "step %.0f", step->valuedouble);
    cJSON_ArrayForEach(one, values)
    {
        if (cJSON_IsNumber(one) && one->string && one != step && is_followed(one->string))
            text_printf(out, "%s%s %.6g", out->len ? "  " : "", one->string, one->valuedouble);
    }
}
