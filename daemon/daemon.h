/* The whole daemon as one object: make it, run it, stop it. main.c and in-process tests use only
 * this header.
 *
 *   daemon_create   data directory, keys, listeners: from here on /health answers once it runs
 *   daemon_run      loads the model beside the loop, then serves until it is stopped
 *   daemon_stop_async   drains: /ready and new requests 503, streams get LIMIT_DRAIN_MS
 *
 * (The type is not called `daemon`: the C library has a function of that name.) */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include "base/config.h"
#include "base/error_text.h"

#include <stdbool.h>
#include <stdint.h>

#define INSTRUCTD_VERSION "0.1.0"

typedef struct instructd instructd;

/* What is worth telling when the model is in place; valid during the call. */
typedef struct daemon_facts {
    const char *model, *policy, *stage, *alias, *dtype, *kernels, *kv_type;
    uint32_t threads;
    uint64_t weight_bytes, kv_bytes;
} daemon_facts;

typedef struct daemon_options {
    config config;
    bool signals; /* SIGTERM and SIGINT stop it; a second one at once */
    void (*on_ready)(void *arg, const daemon_facts *facts); /* may be NULL [loop] */
    void *arg;
} daemon_options;

/* Takes the data directory, reads keys and listens. Strings of the options outlive the daemon. NULL
 * with *err. SIGPIPE and SIGXFSZ are ignored from then on. Any thread, and not necessarily the one
 * that runs it. */
instructd *daemon_create(const daemon_options *options, error_text *err);
/* Blocks until stopped. 0: drained and stopped; 1: the model could not be served (*err says why) or
 * it was stopped twice. Called once. */
int daemon_run(instructd *d, error_text *err);
/* First call: drain, then daemon_run returns. Second: without waiting. [any thread] */
void daemon_stop_async(instructd *d);
/* Waits for a model that is still being read, and for jobs to come to rest. When a plugin hangs,
 * nothing that it may touch is freed. After daemon_run, or instead of it. */
void daemon_free(instructd *d);

uint16_t daemon_port(const instructd *d);
/* Is something still at work that daemon_free would wait for or leave behind: a model being read, a
 * job whose plugin has not returned? Then a process ends with _exit. After daemon_run. */
bool daemon_must_exit(instructd *d);

#endif
