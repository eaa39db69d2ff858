#include "progress.h"

#include "http.h"
#include "utf8.h"

#include <string.h>
#include <sys/ioctl.h>

enum { LINE_MAX_BYTES = 4096, BAR_PLACES = 20, DEFAULT_COLUMNS = 80 };
static const double min_pause_s = 0.1;

void progress_init(progress_line *p, terminal *t)
{
    *p = (progress_line){.t = t};
}

static size_t columns_of(const terminal *t)
{
    struct winsize size;
    bool known = ioctl(fileno(t->file), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return known ? size.ws_col : DEFAULT_COLUMNS;
}

/* Bytes of the longest beginning of a sanitised line that fits in `columns`. */
static size_t fitting_bytes(const char *line, size_t columns)
{
    size_t at = 0, len = strlen(line), used = 0;
    while (at < len) {
        char one[8] = "";
        uint32_t point;
        int n = utf8_decode((const unsigned char *)line + at, len - at, &point);
        size_t step = n > 0 ? (size_t)n : 1;
        memcpy(one, line + at, step);
        used += terminal_width(one);
        if (used > columns)
            break;
        at += step;
    }
    return at;
}

void progress_draw(progress_line *p, const char *line)
{
    double now_s = clock_s();
    if (!p->t->redraws || (p->shown && now_s - p->drawn_s < min_pause_s))
        return;
    text clean;
    text_init(&clean, LINE_MAX_BYTES);
    sanitize_line(line, &clean);
    const char *shown = text_str(&clean);
    /* The last column stays free: a full line makes some terminals wrap. */
    int bytes = (int)fitting_bytes(shown, columns_of(p->t) - 1);
    terminal_printf(p->t, "\r\033[K%.*s", bytes, shown);
    fflush(p->t->file);
    text_free(&clean);
    p->drawn_s = now_s;
    p->shown = true;
}

void progress_clear(progress_line *p)
{
    if (!p->shown)
        return;
    terminal_printf(p->t, "\r\033[K");
    fflush(p->t->file);
    p->shown = false;
}

void progress_bar(text *out, double share, int width)
{
    int full = (int)(share * width + 0.5);
    text_puts(out, "[");
    for (int i = 0; i < width; i++)
        text_puts(out, i < full ? "#" : " ");
    text_puts(out, "]");
}

void progress_bytes(text *out, uint64_t bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1024;
        unit++;
    }
    text_printf(out, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

void progress_duration(text *out, double seconds)
{
    long whole = (long)(seconds + 0.5);
    if (whole >= 3600)
        text_printf(out, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
    else
        text_printf(out, "%ld:%02ld", whole / 60, whole % 60);
}

void progress_transfer(progress_line *p, const char *name, uint64_t done, uint64_t total)
{
    text line;
    double share = total ? (double)done / (double)total : 0;
    text_init(&line, LINE_MAX_BYTES);
    text_printf(&line, "%s  ", name);
    progress_bar(&line, share, BAR_PLACES);
    text_printf(&line, " %3.0f%%  ", 100 * share);
    progress_bytes(&line, done);
    text_puts(&line, " of ");
    progress_bytes(&line, total);
    progress_draw(p, text_str(&line));
    text_free(&line);
}
