#include "store/store_internal.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/thread_roles.h"
#include "bridge/mailbox.h"
#include "store/schema.h"

#include <stdlib.h>
#include <string.h>

typedef enum call_kind {
    CALL_READ,
    CALL_WRITE,
    CALL_QUEUE,
    CALL_ALONE, /* outside of a transaction */
    CALL_POST,  /* as CALL_QUEUE, but nobody waits */
    CALL_STOP
} call_kind;

/* One caller that waits; lies on its stack. (A CALL_POST is malloc'd and freed by the thread.) */
typedef struct call {
    mail mail;
    call_kind kind;
    store_op *op;
    void *arg;
    store_status status; /* (m) */
    bool answered;       /* (m) */
    error_text *err;     /* the caller's */
    struct call *next;   /* (s) of those whose write is not synced yet */
} call;

struct store {
    const char *path; /* of store_open, during it */
    mailbox inbox;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t answers; /* a call has been answered, or the database is open or refused */
    bool started, opened;   /* (m) */
    error_text *open_err;   /* of store_open, during it */

    database db; /* (s) */
    /* The transaction under way holds the writes of `waiting`, whose callers wait for its end, and
     * of `queued`, whose callers do not. When it is lost, the former fail and the latter are
     * applied again at the head of the next one. */
    call *waiting;                      /* (s) */
    store_queued *first_queued, **tail; /* (s) */
    size_t n_queued;                    /* (s) */
    bool reapply;                       /* (s) `queued` was lost and is in no transaction */
    int64_t commit_at_ms;               /* (s) when `queued` is due */
    bool failing;                       /* (s) the last transaction was lost */
};

static void answer(store *s, call *c, store_status status)
{
    pthread_mutex_lock(&s->mutex);
    c->status = status;
    c->answered = true;
    pthread_cond_broadcast(&s->answers);
    pthread_mutex_unlock(&s->mutex); /* c is gone */
}

/* ---- the transaction ---- */

static void answer_waiting(store *s, store_status status, const error_text *why)
{
    for (call *c = s->waiting, *next; c; c = next) {
        next = c->next;
        if (status != STORE_OK)
            *c->err = *why;
        answer(s, c, status);
    }
    s->waiting = NULL;
}

/* The transaction has come to nothing. */
ON_STORE static void lose_transaction(store *s, const error_text *why)
{
    error_text unused;
    if (database_in_transaction(&s->db))
        database_run(&s->db, "ROLLBACK", &unused);
    if (!s->failing) /* once, not for every write of a full disk */
        log_event(LOG_ERROR, "store_write_failed", "%.400s", why->text);
    s->failing = true;
    answer_waiting(s, STORE_UNAVAILABLE, why);
    s->reapply = s->n_queued > 0;
    s->commit_at_ms = clock_now_ms() + LIMIT_STORE_RETRY_MS;
}

/* Runs an operation so that a failing one leaves no trace. */
ON_STORE static store_status apply(store *s, store_op *op, void *arg, error_text *err)
{
    store_status status = database_run(&s->db, "SAVEPOINT op", err);
    if (status != STORE_OK)
        return status;
    status = op(&s->db, arg, err);
    error_text unused;
    if (status != STORE_OK && database_in_transaction(&s->db) &&
        database_run(&s->db, "ROLLBACK TO op", &unused) != STORE_OK)
        return STORE_UNAVAILABLE;
    if (database_in_transaction(&s->db) && database_run(&s->db, "RELEASE op", &unused) != STORE_OK)
        return STORE_UNAVAILABLE;
    return status;
}

/* Unlinks and frees *at. */
static void drop_queued(store *s, store_queued **at)
{
    store_queued *w = *at;
    *at = w->next;
    if (!w->next)
        s->tail = at;
    s->n_queued--;
    w->free(w);
}

static void drop_all_queued(store *s)
{
    while (s->first_queued)
        drop_queued(s, &s->first_queued);
    s->reapply = false;
}

ON_STORE static store_status reapply_queued(store *s, error_text *err)
{
    store_queued **at = &s->first_queued;
    while (*at) {
        const store_status status = apply(s, (*at)->op, *at, err);
        if (status == STORE_UNAVAILABLE)
            return status;
        if (status == STORE_OK) {
            at = &(*at)->next;
            continue;
        }
        log_event(LOG_ERROR, "store_write_dropped", "%.400s", err->text);
        drop_queued(s, at);
    }
    s->reapply = false;
    return STORE_OK;
}

/* A transaction is open when this returns STORE_OK, with everything queued in it. */
ON_STORE static store_status begin(store *s, error_text *err)
{
    store_status status = STORE_OK;
    if (!database_in_transaction(&s->db))
        status = database_run(&s->db, "BEGIN IMMEDIATE", err);
    if (status == STORE_OK && s->reapply)
        status = reapply_queued(s, err);
    return status;
}

ON_STORE static void commit(store *s)
{
    error_text why;
    if (begin(s, &why) != STORE_OK || database_run(&s->db, "COMMIT", &why) != STORE_OK) {
        lose_transaction(s, &why);
        return;
    }
    if (s->failing)
        log_event(LOG_INFO, "store_writes_again", "queued=%zu", s->n_queued);
    s->failing = false;
    drop_all_queued(s);
    answer_waiting(s, STORE_OK, NULL);
}

/* ---- calls ---- */

static void keep_queued(store *s, store_queued *w)
{
    if (!s->first_queued)
        s->commit_at_ms = clock_now_ms() + LIMIT_STORE_GROUP_MS;
    w->next = NULL;
    *s->tail = w;
    s->tail = &w->next;
    s->n_queued++;
}

/* Runs a write inside the transaction, which is lost when that fails. */
ON_STORE static store_status write_now(store *s, store_op *op, void *arg, error_text *err)
{
    store_status status = begin(s, err);
    if (status == STORE_OK)
        status = apply(s, op, arg, err);
    if (status == STORE_UNAVAILABLE) {
        const error_text why = *err;
        lose_transaction(s, &why);
    }
    return status;
}

/* Keeps a queued write that succeeded until it is synced; frees others. */
static void settle_queued(store *s, store_queued *w, store_status status)
{
    if (status == STORE_OK)
        keep_queued(s, w);
    else
        w->free(w);
}

ON_STORE static void handle_write(store *s, call *c)
{
    const store_status status = write_now(s, c->op, c->arg, c->err);
    if (c->kind == CALL_WRITE && status == STORE_OK) {
        c->next = s->waiting;
        s->waiting = c;
        return;
    }
    if (c->kind == CALL_QUEUE)
        settle_queued(s, c->arg, status);
    answer(s, c, status);
}

ON_STORE static void handle_post(store *s, call *c)
{
    error_text why;
    const store_status status = write_now(s, c->op, c->arg, &why);
    if (status != STORE_OK)
        log_event(LOG_WARN, "store_post_dropped", "%.400s", why.text);
    settle_queued(s, c->arg, status);
    free(c);
}

ON_STORE static void handle_alone(store *s, call *c)
{
    if (database_in_transaction(&s->db))
        commit(s);
    answer(s, c, c->op(&s->db, c->arg, c->err));
}

/* False: the thread is to end. */
ON_STORE static bool handle_all(store *s, mail *calls)
{
    bool go_on = true;
    for (mail *m = calls, *next; m; m = next) {
        next = m->next; /* an answered call is gone */
        call *c = (call *)(void *)m;
        if (c->kind == CALL_STOP)
            go_on = false;
        else if (c->kind == CALL_READ)
            answer(s, c, c->op(&s->db, c->arg, c->err));
        else if (c->kind == CALL_ALONE)
            handle_alone(s, c);
        else if (c->kind == CALL_POST)
            handle_post(s, c);
        else
            handle_write(s, c);
    }
    return go_on;
}

/* How long the thread may sleep. */
static int wait_ms(const store *s)
{
    if (!s->n_queued)
        return -1;
    const int64_t left = s->commit_at_ms - clock_now_ms();
    return left > 0 ? (int)left : 0;
}

ON_STORE static void serve(store *s)
{
    for (bool go_on = true; go_on;) {
        mailbox_wait(&s->inbox, wait_ms(s));
        go_on = handle_all(s, mailbox_take(&s->inbox));
        const bool due =
            s->n_queued && (wait_ms(s) == 0 || s->n_queued >= LIMIT_STORE_QUEUED || !go_on);
        const bool idle = database_in_transaction(&s->db) && !s->n_queued; /* all were refused */
        if (s->waiting || due || idle)
            commit(s);
    }
}

static void *run_thread(void *arg)
{
    store *s = arg;
    role_enter_store();
    const bool ok = database_open(&s->db, s->path, &schema_current, s->open_err);
    pthread_mutex_lock(&s->mutex);
    s->started = true;
    s->opened = ok;
    pthread_cond_broadcast(&s->answers);
    pthread_mutex_unlock(&s->mutex);
    if (ok)
        serve(s);
    drop_all_queued(s);
    database_close(&s->db);
    role_leave_store();
    return NULL;
}

static store_status post_and_wait(store *s, call *c)
{
    assert_may_wait();
    if (!mailbox_post(&s->inbox, &c->mail)) {
        error_text_set(c->err, "too many calls wait for the database");
        return STORE_UNAVAILABLE;
    }
    pthread_mutex_lock(&s->mutex);
    while (!c->answered)
        pthread_cond_wait(&s->answers, &s->mutex);
    const store_status status = c->status;
    pthread_mutex_unlock(&s->mutex);
    return status;
}

store_status store__read(store *s, store_op *op, void *arg, error_text *err)
{
    call c = {.kind = CALL_READ, .op = op, .arg = arg, .err = err};
    return post_and_wait(s, &c);
}

store_status store__alone(store *s, store_op *op, void *arg, error_text *err)
{
    call c = {.kind = CALL_ALONE, .op = op, .arg = arg, .err = err};
    return post_and_wait(s, &c);
}

store_status store__write(store *s, store_op *op, void *arg, error_text *err)
{
    call c = {.kind = CALL_WRITE, .op = op, .arg = arg, .err = err};
    return post_and_wait(s, &c);
}

store_status store__queue(store *s, store_queued *w, error_text *err)
{
    call c = {.kind = CALL_QUEUE, .op = w->op, .arg = w, .err = err};
    const store_status status = post_and_wait(s, &c);
    if (!c.answered) /* never posted */
        w->free(w);
    return status;
}

bool store__post(store *s, store_queued *w)
{
    call *c = calloc(1, sizeof *c);
    if (c)
        *c = (call){.kind = CALL_POST, .op = w->op, .arg = w};
    if (c && mailbox_count(&s->inbox) < LIMIT_STORE_POSTED && mailbox_post(&s->inbox, &c->mail))
        return true;
    free(c);
    w->free(w);
    return false;
}

store_status store__no_memory(error_text *err)
{
    error_text_set(err, "out of memory");
    return STORE_UNAVAILABLE;
}

static store_status do_nothing(database *db, void *arg, error_text *err)
{
    (void)db, (void)arg, (void)err;
    return STORE_OK;
}

store_status store_flush(store *s, error_text *err)
{
    return store__write(s, do_nothing, NULL, err);
}

/* ---- opening and closing ---- */

static void free_store(store *s)
{
    mailbox_destroy(&s->inbox);
    pthread_mutex_destroy(&s->mutex);
    pthread_cond_destroy(&s->answers);
    free(s);
}

bool store_open(store **out, const char *path, error_text *err)
{
    store *s = calloc(1, sizeof *s);
    if (!s || !mailbox_init(&s->inbox, LIMIT_MAILBOX, NULL, NULL)) {
        free(s);
        return error_text_set(err, "out of memory");
    }
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->answers, NULL);
    s->path = path;
    s->open_err = err;
    s->tail = &s->first_queued;
    if (pthread_create(&s->thread, NULL, run_thread, s) != 0) {
        free_store(s);
        return error_text_set(err, "the system refuses a thread");
    }
    pthread_mutex_lock(&s->mutex);
    while (!s->started)
        pthread_cond_wait(&s->answers, &s->mutex);
    const bool opened = s->opened;
    pthread_mutex_unlock(&s->mutex);
    if (!opened) {
        pthread_join(s->thread, NULL);
        free_store(s);
        return false;
    }
    *out = s;
    return true;
}

void store_close(store *s)
{
    if (!s)
        return;
    call stop = {.kind = CALL_STOP};
    mailbox_post(&s->inbox, &stop.mail);
    pthread_join(s->thread, NULL);
    free_store(s);
}
