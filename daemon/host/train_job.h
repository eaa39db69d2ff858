/* A job in the hands of a lane: the instructd_job that a plugin gets. Made by the lane for one
 * check or run, gone afterwards; what must last stands in the store and in the job's directory. */
#ifndef DAEMON_HOST_TRAIN_JOB_H
#define DAEMON_HOST_TRAIN_JOB_H

#include "host/job_holds.h"
#include "host/job_thread.h"
#include "host/jobs.h"
#include "instructd_plugin.h"

#include <stdatomic.h>

enum { JOB_SAMPLERS = 2, JOB_DIGESTS = 16 };

struct instructd_job {
    const jobs_options *rooms;   /* (i) */
    job_holds *holds;            /* (i) */
    job_thread *thread;          /* (i) the plugin's functions run on it */
    const plugin_method *method; /* (i) */
    store_job row;               /* (i) as it was taken from the store */
    bool checking;               /* (i) in check, else in run */

    /* What the plugin is given, and what it writes; its own while it is in check or run. */
    instructd_job_spec spec;
    char param[64], err[INSTRUCTD_ERROR_BYTES];

    atomic_bool stop, pause;     /* (a) asked for */
    atomic_bool barred;          /* (a) given up: nothing it says counts any more */
    atomic_uint_least64_t polls; /* (a) signs of life */

    /* The watcher's: touched only in what train_job_call carries out, and when the plugin is not in
     * it.
     */
    char samplers[JOB_SAMPLERS][POLICY_ID_CHARS + 1]; /* "" = free */
    char *digests[JOB_DIGESTS];                       /* of the files it opened; owned */
    size_t n_digests;
    bool has_result; /* a policy without alias was published: it stays the job's result */
};

/* Takes the row over, also on failure. NULL: memory is out. */
instructd_job *train_job_create(const jobs_options *rooms, job_holds *holds, job_thread *thread,
                                store_job *row, bool checking);
/* Unloads its samplers and cancels what it draws; the plugin is not in it. */
void train_job_free(instructd_job *job);

/* Has the watcher call fn(args) and returns what it gave; INSTRUCTD_E_STOPPED when the job is
 * barred, INSTRUCTD_E_INTERNAL from another thread than the job's, err (or NULL) says so. [job] */
int train_job_call(instructd_job *job, job_thread_fn *fn, void *args, char *err);
/* Writes err (INSTRUCTD_ERROR_BYTES, or NULL) and returns code. [any] */
int train_job_fail(char *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int train_job_code_of(publish_result result); /* the ABI's word for it [any] */
/* The ABI's weights in the publisher's form, sharing names and numbers. False: memory is out. */
bool train_job_weights(const instructd_weights *weights, publish_weights *out);
void train_job_weights_free(publish_weights *weights);
/* Is there a reason for the job to come to an end? What blocks on its behalf asks this. [any] */
bool train_job_is_ending(void *job);

#endif
