#include "display.h"

void display_init(display *d, terminal *out, bool headings)
{
    *d = (display){.out = out, .headings = headings};
}

static void print_current(display *d, const reply *r)
{
    const text *t = &r->choices[d->current].text;
    if (!d->opened && d->headings)
        terminal_printf(d->out, "[%d]\n", d->current);
    d->opened = true;
    if (t->len > d->printed)
        terminal_write(d->out, t->data + d->printed, t->len - d->printed);
    d->printed = t->len;
}

static void next_choice(display *d)
{
    terminal_end(d->out);
    d->current++;
    d->printed = 0;
    d->opened = false;
}

void display_update(display *d, const reply *r)
{
    while (d->current < r->choices_len) {
        print_current(d, r);
        if (!r->choices[d->current].finish[0])
            return;
        next_choice(d);
    }
}

void display_end(display *d, const reply *r)
{
    while (d->current < r->choices_len) {
        print_current(d, r);
        next_choice(d);
    }
}
