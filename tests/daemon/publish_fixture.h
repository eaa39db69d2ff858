/* A publisher over a tiny random model, with its registry, store, events and metrics, and the
 * model's weights to publish children of. One at a time; lab_restart is what a restart of the
 * daemon is to it. */
#ifndef TESTS_DAEMON_PUBLISH_FIXTURE_H
#define TESTS_DAEMON_PUBLISH_FIXTURE_H

#include "base/log.h"
#include "base/sha256.h"
#include "harness.h"
#include "held_weights.h"
#include "model_files.h"
#include "policy/publish.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct lab {
    policy_registry *registry;
    store *store;
    events *events;
    metrics *metrics;
    publisher *publisher; /* NULL after a start that failed */
    publisher_options options;
    char base[256], data_dir[256];
    held_weights held; /* the base model's; tests change them */
    error_text err;    /* of the last call */
    eng_error open_err;
} lab;

/* A path below the data directory; valid for three calls more. */
static inline const char *lab_path(const lab *l, const char *name)
{
    static char paths[4][512];
    static unsigned turn;
    char *p = paths[turn++ % 4];
    snprintf(p, sizeof paths[0], "%s/%s", l->data_dir, name);
    return p;
}

static inline bool lab_exists(const lab *l, const char *name)
{
    return access(lab_path(l, name), F_OK) == 0;
}

/* Entries of a directory below the data directory, hidden ones too. */
static inline int lab_entries(const lab *l, const char *name)
{
    DIR *dir = opendir(lab_path(l, name));
    int n = 0;
    EXPECT(dir != NULL);
    for (struct dirent *e = readdir(dir); e; e = readdir(dir))
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(dir);
    return n;
}

static inline eng_status lab_start(lab *l)
{
    l->registry = policy_registry_create();
    l->events = events_create();
    l->metrics = metrics_create();
    EXPECT(l->registry && l->events && l->metrics);
    if (!store_open(&l->store, lab_path(l, "instructd.db"), &l->err))
        FAIL("%s", l->err.text);
    return publisher_open(&l->publisher, &l->options, l->registry, l->store, l->events, l->metrics,
                          &l->open_err);
}

static inline void lab_stop(lab *l)
{
    publisher_free(l->publisher);
    policy_registry_free(l->registry);
    store_close(l->store);
    events_free(l->events);
    metrics_free(l->metrics);
    l->publisher = NULL;
    l->registry = NULL;
    l->store = NULL;
    l->events = NULL;
    l->metrics = NULL;
}

/* The base model is written and its weights are held; nothing is started. */
static inline void lab_prepare(lab *l, const test_model_spec *spec)
{
    *l = (lab){0};
    log_set_level(LOG_ERROR);
    snprintf(l->base, sizeof l->base, "%s/base.gguf", test_dir());
    snprintf(l->data_dir, sizeof l->data_dir, "%s/data", test_dir());
    EXPECT_EQ(mkdir(l->data_dir, 0700), 0);
    test_write_gguf(l->base, spec);
    l->held = weights_hold(l->base);
    l->options = (publisher_options){.data_dir = l->data_dir,
                                     .base_model = l->base,
                                     .base_alias = "instruct",
                                     .base = {.n_threads = 1},
                                     .code_rev = "test"};
}

static inline void lab_open(lab *l, const test_model_spec *spec)
{
    lab_prepare(l, spec);
    EXPECT_OK(lab_start(l), l->open_err);
}

static inline void lab_restart(lab *l)
{
    lab_stop(l);
    EXPECT_OK(lab_start(l), l->open_err);
}

static inline void lab_close(lab *l)
{
    lab_stop(l);
    weights_free(&l->held);
}

/* ---- publishing ---- */

static inline const char *lab_base_id(const lab *l)
{
    static char id[POLICY_ID_CHARS + 1];
    char digest[ENG_SHA256_HEX];
    size_t n;
    char *bytes = test_read_file(l->base, &n);
    eng_sha256_hex(bytes, n, digest);
    free(bytes);
    snprintf(id, sizeof id, "pol_%.16s", digest);
    return id;
}

/* Of the held weights, to be changed before it is sent. */
static inline publish_request lab_request(const lab *l, const char *alias)
{
    return (publish_request){.weights = {.base_policy = lab_base_id(l),
                                         .tensors = l->held.weights.list,
                                         .n_tensors = l->held.weights.n},
                             .stage = "ppo",
                             .alias = alias,
                             .kl_coef = NAN,
                             .ptx_coef = NAN,
                             .actor = "test"};
}

static inline publish_result lab_try(lab *l, const char *alias, char id[POLICY_ID_CHARS + 1])
{
    const publish_request request = lab_request(l, alias);
    l->err.text[0] = 0;
    return publisher_publish(l->publisher, &request, id, &l->err);
}

/* Nudges the held weights and publishes them; the id stands until eight calls later. */
static inline const char *lab_publish(lab *l, const char *alias)
{
    static char ids[8][POLICY_ID_CHARS + 1];
    static unsigned turn;
    char *id = ids[turn++ % 8];
    weights_nudge(&l->held, 1e-3f);
    if (lab_try(l, alias, id) != PUBLISH_OK)
        FAIL("publish: %s", l->err.text);
    return id;
}

static inline publish_result lab_move(lab *l, const char *alias, const char *id, int64_t version,
                                      alias_state *out)
{
    const publish_move move = {.alias = alias,
                               .policy = id,
                               .expected_version = version,
                               .keep_in_flight = true,
                               .actor = "mover",
                               .reason = "because"};
    l->err.text[0] = 0;
    return publisher_move(l->publisher, &move, out, &l->err);
}

/* ---- looking ---- */

static inline alias_state lab_alias(lab *l, const char *alias)
{
    alias_state state;
    if (!publisher_alias(l->publisher, alias, &state))
        FAIL("there is no alias %s", alias);
    return state;
}

/* What a request that names `name` is served by, "" if by nothing. */
static inline const char *lab_served(lab *l, const char *name)
{
    static char ids[4][POLICY_ID_CHARS + 1];
    static unsigned turn;
    char *id = ids[turn++ % 4], label[96];
    policy *p;
    id[0] = 0;
    if (policy_resolve(l->registry, name, &p, label) == POLICY_FOUND) {
        memcpy(id, policy_id(p), sizeof ids[0]);
        policy_unref(p);
    }
    return id;
}

static inline void lab_expect_words(const lab *l, const char *words)
{
    if (!strstr(l->err.text, words))
        FAIL("\"%s\" does not say \"%s\"", l->err.text, words);
}

/* Alias, registry and both of the audit agree. */
static inline void lab_expect_serves(lab *l, const char *alias, const char *id)
{
    store_move *rows;
    size_t n;
    bool more;
    store_policy row;
    const alias_state state = lab_alias(l, alias);
    EXPECT_STR(state.policy, id);
    EXPECT_STR(lab_served(l, alias), id);
    EXPECT_EQ(store_move_list(l->store, alias, (store_page){.after = "", .limit = 1}, &rows, &n,
                              &more, &l->err),
              STORE_OK);
    EXPECT_EQ(n, 1);
    EXPECT_STR(rows[0].policy, id);
    EXPECT_EQ(rows[0].version, state.version);
    store_move_free(&rows[0]);
    free(rows);
    EXPECT_EQ(store_policy_get(l->store, id, &row, &l->err), STORE_OK);
    EXPECT_STR(row.state, "active");
    store_policy_free(&row);
}

#endif
