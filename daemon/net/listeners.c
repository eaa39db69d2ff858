#include "net/listeners.h"

#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

bool listener_enter(listeners *all, listener *l)
{
    if (all->n >= LIMIT_LISTENERS)
        return false;
    l->prev = NULL;
    l->next = all->first;
    if (all->first)
        all->first->prev = l;
    all->first = l;
    all->n++;
    return true;
}

void listener_leave(listeners *all, listener *l)
{
    if (l->prev)
        l->prev->next = l->next;
    else
        all->first = l->next;
    if (l->next)
        l->next->prev = l->prev;
    all->n--;
}

bool listener_resume_at(const exchange *x, uint64_t *since, api_error *err)
{
    const char *text = x->request->last_event_id;
    const size_t digits = strspn(text, "0123456789");
    if (!text[0])
        return true;
    if (digits > 18 || text[digits])
        return api_invalid(err, "invalid_value", "Last-Event-ID",
                           "Last-Event-ID: expected the id of an event");
    *since = strtoull(text, NULL, 10);
    return true;
}

void listeners_wake(listeners *all)
{
    for (listener *l = all->first, *next; l; l = next) {
        next = l->next; /* l may leave, no other does */
        l->on_news(l);
    }
}

void listeners_end(listeners *all)
{
    for (listener *l = all->first, *next; l; l = next) {
        next = l->next;
        l->on_end(l);
    }
}
