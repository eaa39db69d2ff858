#include "host/plugin_look.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "host/job_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct plugin_look {
    plugin_look_options o; /* (i) */
    pthread_mutex_t mutex;
    pthread_cond_t done;
    size_t given_up; /* (m) looks that have not returned */
    bool stopping;   /* (m) */
};

/* Whoever of the two is last, the asker or the thread, frees it. */
typedef struct look {
    plugin_look *of; /* not touched any more once a look that was given up has counted down */
    pthread_t thread;
    int fd;                       /* the look's own, with an offset of its own */
    instructd_file_report report; /* the thread's until done */
    int rc;
    bool done, given_up; /* (m) */
} look;

/* ---- the thread ---- */

static void *look_main(void *arg)
{
    look *k = arg;
    plugin_look *l = k->of;
    const char *plugin = l->o.plugin;
    const int rc = l->o.file_check(k->fd, &k->report);
    pthread_mutex_lock(&l->mutex);
    k->rc = rc;
    k->done = true;
    const bool given_up = k->given_up;
    if (given_up)
        log_event(LOG_WARN, "plugin_returned", "plugin=%s from a file check that was given up",
                  plugin);
    else
        pthread_cond_broadcast(&l->done);
    l->given_up -= given_up;
    pthread_mutex_unlock(&l->mutex);
    if (given_up) {
        close(k->fd);
        free(k);
    }
    return NULL;
}

/* ---- who waits for it ---- */

/* Under the mutex, which is let go meanwhile. */
static void wait_a_tick(plugin_look *l)
{
    const struct timespec until = clock_in_ms(LIMIT_JOB_TICK_MS);
    pthread_cond_timedwait(&l->done, &l->mutex, &until);
}

/* Under the mutex. False: it is given up. */
static bool await(plugin_look *l, look *k)
{
    job_watch watch = {.silent_cpu_ms = l->o.cpu_ms, .silent_ms = l->o.ms};
    int64_t stop_ms = 0; /* when the end was seen */
    job_watch_begin(&watch, 0, clock_now_ms(), 0);
    while (!k->done) {
        wait_a_tick(l);
        const int64_t now = clock_now_ms();
        if (l->stopping && !stop_ms)
            stop_ms = now;
        const bool late = stop_ms && now - stop_ms >= l->o.stop_ms;
        if (!k->done &&
            (late || job_watch_is_silent(&watch, 0, now, clock_thread_cpu_ms(k->thread)))) {
            k->given_up = true;
            l->given_up++;
            return false;
        }
    }
    return true;
}

__attribute__((format(printf, 3, 4))) static int fail(instructd_file_report *report, int code,
                                                      const char *fmt, ...)
{
    va_list args;
    *report = (instructd_file_report){.size = sizeof *report};
    va_start(args, fmt);
    vsnprintf(report->error, sizeof report->error, fmt, args);
    va_end(args);
    return code;
}

/* Another descriptor of the file: the plugin moves its offset, and may be slow to close it. */
static int open_again(int fd)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static look *begin(plugin_look *l, int fd, instructd_file_report *report, int *rc)
{
    look *k = calloc(1, sizeof *k);
    if (!k) {
        *rc = fail(report, INSTRUCTD_E_NOMEM, "out of memory");
        return NULL;
    }
    *k = (look){.of = l, .fd = open_again(fd), .report = {.size = sizeof k->report}};
    if (k->fd < 0)
        *rc = fail(report, INSTRUCTD_E_IO, "the file cannot be read: %s", strerror(errno));
    else if (pthread_create(&k->thread, NULL, look_main, k) != 0)
        *rc = fail(report, INSTRUCTD_E_NOMEM, "the system refuses a thread");
    else
        return k;
    if (k->fd >= 0)
        close(k->fd);
    free(k);
    return NULL;
}

static int take_answer(look *k, instructd_file_report *report)
{
    const int rc = k->rc;
    pthread_join(k->thread, NULL);
    *report = k->report;
    report->format[sizeof report->format - 1] = report->error[sizeof report->error - 1] = 0;
    close(k->fd);
    free(k);
    return rc;
}

int plugin_look_at(plugin_look *l, int fd, instructd_file_report *report)
{
    int rc;
    if (plugin_look_is_stuck(l))
        return fail(report, INSTRUCTD_E_STOPPED,
                    "the plugin %s hangs in the check of an earlier file and is asked about no "
                    "other until it returns",
                    l->o.plugin);
    look *k = begin(l, fd, report, &rc);
    if (!k)
        return rc;
    const pthread_t thread = k->thread;
    pthread_mutex_lock(&l->mutex);
    const bool answered = await(l, k);
    pthread_mutex_unlock(&l->mutex);
    if (answered)
        return take_answer(k, report);
    pthread_detach(thread);
    log_event(LOG_ERROR, "plugin_wedged", "plugin=%s it does not return from a file check",
              l->o.plugin);
    return fail(report, INSTRUCTD_E_STOPPED, "the plugin %s did not return from its check",
                l->o.plugin);
}

/* ---- life ---- */

plugin_look *plugin_look_create(const plugin_look_options *options)
{
    plugin_look *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->o = *options;
    l->o.cpu_ms = l->o.cpu_ms ? l->o.cpu_ms : LIMIT_FILE_CHECK_CPU_MS;
    l->o.ms = l->o.ms ? l->o.ms : LIMIT_FILE_CHECK_MS;
    l->o.stop_ms = l->o.stop_ms ? l->o.stop_ms : LIMIT_FILE_CHECK_STOP_MS;
    clock_cond_init(&l->done);
    pthread_mutex_init(&l->mutex, NULL);
    return l;
}

void plugin_look_ask_stop(plugin_look *l)
{
    pthread_mutex_lock(&l->mutex);
    l->stopping = true;
    pthread_mutex_unlock(&l->mutex);
}

bool plugin_look_is_stuck(plugin_look *l)
{
    pthread_mutex_lock(&l->mutex);
    const bool stuck = l->given_up > 0;
    pthread_mutex_unlock(&l->mutex);
    return stuck;
}

bool plugin_look_free(plugin_look *l)
{
    if (!l)
        return true;
    if (plugin_look_is_stuck(l))
        return false;
    pthread_cond_destroy(&l->done);
    pthread_mutex_destroy(&l->mutex);
    free(l);
    return true;
}
