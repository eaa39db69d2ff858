#include "net/work_line.h"

#include "base/limits.h"
#include "base/thread_prompt.h"

#include <stddef.h>
#include <stdlib.h>

static void on_work(uv_work_t *uv)
{
    thread_be_prompt();
    work *w = (work *)(void *)uv;
    w->run(w);
}

/* ---- places ---- */

static bool has_place(const work_line *l, work_kind kind)
{
    const uint32_t manage = l->at_work[WORK_SHORT] + l->at_work[WORK_LONG];
    return kind == WORK_BODY || (manage < LIMIT_MANAGE_JOBS &&
                                 (kind == WORK_SHORT || l->at_work[WORK_LONG] < LIMIT_LONG_JOBS));
}

static void on_work_done(uv_work_t *uv, int status);

static void begin(work *w)
{
    w->line->at_work[w->kind]++;
    if (uv_queue_work(w->line->loop, &w->uv, on_work, on_work_done) < 0)
        abort(); /* it refuses only who brings no function */
}

/* ---- the line ---- */

static void stand_in(work_line *l, work *w)
{
    w->next = NULL;
    if (l->last)
        l->last->next = w;
    else
        l->first = w;
    l->last = w;
}

static void leave(work_line *l, work *before, const work *w)
{
    *(before ? &before->next : &l->first) = w->next;
    if (l->last == w)
        l->last = before;
}

/* One that leaves makes no place: who stands there goes on waiting. */
static bool leave_if_there(work_line *l, const work *w)
{
    work *before = NULL, *at = l->first;
    for (; at && at != w; at = at->next)
        before = at;
    if (at)
        leave(l, before, at);
    return at != NULL;
}

static void call_in(work_line *l)
{
    for (work *before = NULL, *at = l->first, *next; at; at = next) {
        next = at->next;
        if (has_place(l, at->kind)) {
            leave(l, before, at);
            begin(at);
        } else {
            before = at;
        }
    }
}

/* ---- on the loop ---- */

static void on_work_done(uv_work_t *uv, int status)
{
    (void)status; /* who cancels knows it */
    assert_on_loop();
    work *w = (work *)(void *)uv;
    work_line *l = w->line;
    l->at_work[w->kind]--;
    call_in(l); /* before w, should it start again */
    w->done(w);
}

void work_start(work_line *l, work *w)
{
    _Static_assert(offsetof(work, uv) == 0, "on_work casts");
    w->line = l;
    if (has_place(l, w->kind))
        begin(w);
    else
        stand_in(l, w);
}

bool work_cancel(work *w)
{
    if (leave_if_there(w->line, w))
        return true;
    uv_cancel((uv_req_t *)&w->uv); /* if it has not begun */
    return false;
}
