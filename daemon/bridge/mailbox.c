#include "bridge/mailbox.h"

#include "base/clock.h"

#include <time.h>

bool mailbox_init(mailbox *box, size_t limit, void (*ring)(void *arg), void *ring_arg)
{
    *box = (mailbox){.limit = limit, .ring = ring, .ring_arg = ring_arg};
    bool ok = clock_cond_init(&box->arrived) == 0;
    if (ok && pthread_mutex_init(&box->mutex, NULL) != 0) {
        pthread_cond_destroy(&box->arrived);
        ok = false;
    }
    return ok;
}

void mailbox_destroy(mailbox *box)
{
    pthread_mutex_destroy(&box->mutex);
    pthread_cond_destroy(&box->arrived);
}

bool mailbox_post(mailbox *box, mail *chain)
{
    size_t n = 1;
    mail *last = chain;
    for (; last->next; last = last->next)
        n++;
    pthread_mutex_lock(&box->mutex);
    const bool fits = n <= box->limit - box->count;
    const bool first = fits && box->count == 0;
    if (fits) {
        if (box->tail)
            box->tail->next = chain;
        else
            box->head = chain;
        box->tail = last;
        box->count += n;
        pthread_cond_signal(&box->arrived);
    }
    pthread_mutex_unlock(&box->mutex);
    if (first && box->ring)
        box->ring(box->ring_arg);
    return fits;
}

mail *mailbox_take(mailbox *box)
{
    pthread_mutex_lock(&box->mutex);
    mail *all = box->head;
    box->head = box->tail = NULL;
    box->count = 0;
    pthread_mutex_unlock(&box->mutex);
    return all;
}

bool mailbox_wait(mailbox *box, int timeout_ms)
{
    const struct timespec until = clock_in_ms(timeout_ms > 0 ? timeout_ms : 0);
    pthread_mutex_lock(&box->mutex);
    int failed = 0;
    while (!box->count && !failed)
        failed = timeout_ms < 0 ? pthread_cond_wait(&box->arrived, &box->mutex)
                                : pthread_cond_timedwait(&box->arrived, &box->mutex, &until);
    bool there = box->count > 0;
    pthread_mutex_unlock(&box->mutex);
    return there;
}

size_t mailbox_count(mailbox *box)
{
    pthread_mutex_lock(&box->mutex);
    size_t n = box->count;
    pthread_mutex_unlock(&box->mutex);
    return n;
}
