/* A bounded, one-way mailbox between two threads: lock, splice, unlock. The doorbell rings only
 * when the box goes from empty to non-empty.
 *
 * Owner: whoever called mailbox_init; every other function may be called by any thread. */
#ifndef DAEMON_BRIDGE_MAILBOX_H
#define DAEMON_BRIDGE_MAILBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first member of every message. */
typedef struct mail {
    struct mail *next;
} mail;

typedef struct mailbox {
    pthread_mutex_t mutex;
    pthread_cond_t arrived;
    mail *head, *tail;       /* (m) */
    size_t count;            /* (m) */
    size_t limit;            /* (i) */
    void (*ring)(void *arg); /* (i) may be NULL; called without the lock, by the posting thread */
    void *ring_arg;          /* (i) */
} mailbox;

/* false when the system refuses a mutex or condition. */
bool mailbox_init(mailbox *box, size_t limit, void (*ring)(void *arg), void *ring_arg);
void mailbox_destroy(mailbox *box); /* empty by then */

/* Posts a chain of messages linked by next (its last next is NULL). False: it would pass the limit,
 * and the chain still belongs to the caller. */
bool mailbox_post(mailbox *box, mail *chain);
/* Takes everything, oldest first; NULL when empty. */
mail *mailbox_take(mailbox *box);
/* Waits until a message is there (true) or timeout_ms passed (false); timeout_ms < 0: no limit. */
bool mailbox_wait(mailbox *box, int timeout_ms);
size_t mailbox_count(mailbox *box);

#endif
