#include "policy/policy.h"
#include "harness.h"
#include "model_files.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* A tiny model file; the same seed gives the same digest. */
static const char *model_file(uint64_t seed)
{
    static char path[4][512];
    char *p = path[seed % 4];
    const test_model_spec spec = {.seed = seed};
    snprintf(p, sizeof path[0], "%s/%d.gguf", test_dir(), (int)seed);
    test_write_gguf(p, &spec);
    return p;
}

static void load(policy_registry *r, const char *alias, uint64_t seed)
{
    const eng_model_options options = {.n_threads = 1};
    eng_error err;
    EXPECT_OK(policy_registry_load(r, alias, model_file(seed), &options, &err), err);
}

static policy *found(policy_registry *r, const char *name, char label[96])
{
    policy *p = NULL;
    EXPECT_EQ(policy_resolve(r, name, &p, label), POLICY_FOUND);
    return p;
}

static void expect_label(policy_registry *r, const char *name, const char *id, const char *want)
{
    char label[96];
    policy *p = found(r, name, label);
    EXPECT_STR(policy_id(p), id);
    EXPECT_STR(label, want);
    policy_unref(p);
}

static void expect_lookup(policy_registry *r, const char *name, policy_lookup want)
{
    policy *p;
    char label[96];
    policy_lookup got = policy_resolve(r, name, &p, label);
    if (got != want)
        FAIL("%s: %d, expected %d", name ? name : "(default)", (int)got, (int)want);
}

/* The id of the policy behind an alias, in one of four static places. */
static const char *id_of(policy_registry *r, const char *alias)
{
    static char ids[4][POLICY_ID_CHARS + 1];
    static int turn;
    char label[96], *id = ids[turn++ % 4];
    policy *p = found(r, alias, label);
    snprintf(id, sizeof ids[0], "%s", policy_id(p));
    policy_unref(p);
    return id;
}

TEST(empty_registry_is_not_ready)
{
    policy_registry *r = policy_registry_create();
    expect_lookup(r, NULL, POLICY_NOT_READY);
    expect_lookup(r, "instruct", POLICY_NOT_READY);
    expect_lookup(r, "pol_0123456789abcdef", POLICY_NOT_READY);
    EXPECT_EQ(policy_registry_aliases(r, NULL, 0), 0);
    policy_registry_free(r);
}

TEST(policy_is_named_by_the_digest_of_its_model)
{
    policy_registry *r = policy_registry_create();
    char label[96];
    load(r, "instruct", 1);
    policy *p = found(r, NULL, label);
    EXPECT_EQ(strlen(policy_id(p)), POLICY_ID_CHARS);
    EXPECT_MEM(policy_id(p), "pol_", 4);
    EXPECT_MEM(policy_hex(p), eng_model_digest(policy_model(p)), 16);
    EXPECT_STR(policy_hex(p), policy_id(p) + 4);
    EXPECT_STR(policy_stage(p), "pretrained");
    EXPECT(policy_created(p) > 0);
    policy_unref(p);
    policy_registry_free(r);
}

TEST(every_form_of_a_name_resolves)
{
    policy_registry *r = policy_registry_create();
    char label[96], pinned[96];
    load(r, "instruct", 1);
    load(r, "other", 2);
    const char *id = id_of(r, "instruct"), *other = id_of(r, "other");
    EXPECT(strcmp(id, other) != 0);
    snprintf(label, sizeof label, "instruct@%s", id);
    expect_label(r, NULL, id, label);
    expect_label(r, "instruct", id, label);
    expect_label(r, label, id, label);
    expect_label(r, id, id, id);
    snprintf(pinned, sizeof pinned, "instruct@%s", other);
    expect_label(r, pinned, other, pinned); /* any resident policy may be pinned */
    snprintf(pinned, sizeof pinned, "other@%s", other);
    expect_label(r, "other", other, pinned);
    policy_registry_free(r);
}

TEST(names_that_mean_nothing_are_no_model)
{
    static const char *const names[] = {
        "",
        "Instruct",
        "instruct ",
        "instruc",
        "instructs",
        "@",
        "instruct@",
        "instruct@instruct",
        "instruct@pol_",
        "instruct@pol_0123456789abcde",
        "instruct@pol_0123456789abcdef0",
        "instruct@pol_0123456789abcdeF",
        "instruct@pol_0123456789abcdeg",
        "instruct@@pol_0123456789abcdef",
        "unknown",
        "unknown@pol_0123456789abcdef",
        "@pol_0123456789abcdef",
        "pol_",
        "pol_0123456789abcde",
        "pol_0123456789abcdef0",
        "pol_0123456789ABCDEF",
        "POL_0123456789abcdef",
        "pol_0123456789abcdef@instruct",
    };
    policy_registry *r = policy_registry_create();
    load(r, "instruct", 1);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        expect_lookup(r, names[i], POLICY_NO_MODEL);
    policy_registry_free(r);
}

TEST(well_formed_ids_that_are_not_here_are_not_resident)
{
    policy_registry *r = policy_registry_create();
    load(r, "instruct", 1);
    expect_lookup(r, "pol_0123456789abcdef", POLICY_NOT_RESIDENT);
    expect_lookup(r, "instruct@pol_0123456789abcdef", POLICY_NOT_RESIDENT);
    policy_registry_free(r);
}

TEST(moving_an_alias_leaves_holders_their_policy)
{
    policy_registry *r = policy_registry_create();
    char label[96], before[POLICY_ID_CHARS + 1];
    load(r, "instruct", 1);
    policy *held = found(r, NULL, label);
    snprintf(before, sizeof before, "%s", policy_id(held));
    load(r, "instruct", 2);
    EXPECT(strcmp(id_of(r, NULL), before) != 0);
    expect_label(r, before, before, before); /* a request holds it, so it can be pinned */
    EXPECT_EQ(eng_model_config(policy_model(held))->n_vocab, TEST_N_VOCAB);
    policy_unref(held);
    expect_lookup(r, before, POLICY_NOT_RESIDENT); /* the last one out */
    policy_registry_free(r);
}

TEST(a_policy_may_outlive_its_registry)
{
    policy_registry *r = policy_registry_create();
    char label[96];
    load(r, "instruct", 1);
    policy *held = found(r, NULL, label);
    policy_registry_free(r);
    EXPECT_EQ(eng_model_config(policy_model(held))->n_vocab, TEST_N_VOCAB);
    policy_unref(held);
}

/* ---- what stays in memory ---- */

/* A policy of its own, one reference the caller's. */
static policy *make(uint64_t seed)
{
    const eng_model_options options = {.n_threads = 1};
    eng_model *model;
    eng_error err;
    EXPECT_OK(eng_model_open(&model, model_file(seed), &options, &err), err);
    policy *p = policy_create(model, NULL, "ppo", 1);
    EXPECT(p);
    return p;
}

/* Points the alias at p, which loses the caller's reference. */
static const char *point(policy_registry *r, const char *alias, policy *p, const char *previous)
{
    eng_error err;
    policy *before = previous ? policy_registry_find(r, previous) : NULL;
    EXPECT_OK(policy_registry_point(r, alias, p, before, &err), err);
    policy_unref(before);
    policy_unref(p);
    return id_of(r, alias);
}

TEST(the_previous_policy_stays_until_its_room_is_needed)
{
    policy_registry *r = policy_registry_create();
    char one[24], two[24];
    snprintf(one, sizeof one, "%s", point(r, "a", make(1), NULL));
    snprintf(two, sizeof two, "%s", point(r, "a", make(2), one));
    expect_label(r, one, one, one);
    EXPECT(policy_registry_evict(r)); /* the previous one */
    expect_lookup(r, one, POLICY_NOT_RESIDENT);
    EXPECT(!policy_registry_evict(r)); /* the current one never */
    expect_label(r, two, two, two);
    point(r, "a", make(3), two);
    point(r, "a", make(4), id_of(r, "a"));
    expect_lookup(r, two, POLICY_NOT_RESIDENT); /* two moves ago */
    EXPECT_EQ(policy_registry_room(r, "a").n_of, 2);
    policy_registry_free(r);
}

TEST(what_a_request_holds_is_not_evicted)
{
    policy_registry *r = policy_registry_create();
    char one[24], label[96];
    snprintf(one, sizeof one, "%s", point(r, "a", make(1), NULL));
    policy *request = found(r, "a", label);
    point(r, "a", make(2), one);
    EXPECT(!policy_registry_evict(r));
    policy_unref(request);
    EXPECT(policy_registry_evict(r));
    policy_registry_free(r);
}

TEST(spare_policies_are_two_at_most_and_go_first)
{
    policy_registry *r = policy_registry_create();
    char ids[4][24];
    point(r, "a", make(9), NULL);
    for (uint64_t i = 0; i < 3; i++) {
        policy *p = make(i);
        snprintf(ids[i], sizeof ids[i], "%s", policy_id(p));
        EXPECT(policy_registry_add(r, p, POLICY_SPARE));
        policy_unref(p);
    }
    expect_lookup(r, ids[0], POLICY_NOT_RESIDENT);
    expect_label(r, ids[1], ids[1], ids[1]);
    EXPECT(policy_registry_evict(r));
    expect_lookup(r, ids[1], POLICY_NOT_RESIDENT); /* the older one */
    expect_label(r, ids[2], ids[2], ids[2]);
    /* once an alias's, it is spare no more */
    char nine[24];
    snprintf(nine, sizeof nine, "%s", id_of(r, "a"));
    policy *two = policy_registry_find(r, ids[2]);
    EXPECT_STR(point(r, "a", two, nine), ids[2]);
    point(r, "a", make(5), ids[2]);
    point(r, "a", make(6), id_of(r, "a"));
    expect_lookup(r, ids[2], POLICY_NOT_RESIDENT);
    policy_registry_free(r);
}

TEST(held_policies_stay_until_they_are_released)
{
    policy_registry *r = policy_registry_create();
    point(r, "a", make(1), NULL);
    policy *p = make(2);
    char id[24];
    snprintf(id, sizeof id, "%s", policy_id(p));
    EXPECT(policy_registry_add(r, p, POLICY_HELD));
    policy_unref(p);
    EXPECT(!policy_registry_evict(r));
    expect_label(r, id, id, id);
    policy_registry_release(r, id);
    expect_lookup(r, id, POLICY_NOT_RESIDENT);
    policy_registry_free(r);
}

TEST(room_counts_bytes_until_they_are_given_back)
{
    policy_registry *r = policy_registry_create();
    char label[96], one[24];
    EXPECT_EQ(policy_registry_room(r, NULL).bytes, 0);
    snprintf(one, sizeof one, "%s", point(r, "a", make(1), NULL));
    const size_t bytes = policy_registry_room(r, "a").bytes;
    policy *request = found(r, "a", label);
    EXPECT_EQ(bytes, eng_model_bytes(policy_model(request)));
    point(r, "a", make(2), NULL);
    policy_room room = policy_registry_room(r, "a");
    EXPECT_EQ(room.bytes, 2 * bytes);
    EXPECT_EQ(room.n_of, 2);
    EXPECT_EQ(policy_registry_room(r, "b").n_of, 0);
    policy_unref(request);
    policy_registry_wait(r, room.change, 60 * 1000);
    room = policy_registry_room(r, "a");
    EXPECT_EQ(room.bytes, bytes);
    EXPECT_EQ(room.n_of, 1);
    policy_registry_free(r);
}

TEST(a_policy_is_resident_once)
{
    policy_registry *r = policy_registry_create();
    char label[96];
    point(r, "a", make(1), NULL);
    point(r, "b", make(1), NULL);
    policy *a = found(r, "a", label), *b = found(r, "b", label);
    EXPECT(a == b);
    policy_unref(a);
    policy_unref(b);
    policy_registry_free(r);
}

TEST(metrics_tell_aliases_and_requests)
{
    policy_registry *r = policy_registry_create();
    char label[96], want[128];
    point(r, "a", make(1), NULL);
    policy *p = found(r, "a", label);
    policy_count_request(p);
    policy_count_request(p);
    buf out;
    buf_init(&out, 65536);
    policy_registry_metrics(r, &out);
    snprintf(want, sizeof want, "instructd_policy_info{alias=\"a\",policy=\"%s\"} 1\n",
             policy_id(p));
    EXPECT(strstr(out.data, want));
    snprintf(want, sizeof want, "instructd_policy_requests_total{policy=\"%s\"} 2\n", policy_id(p));
    EXPECT(strstr(out.data, want));
    buf_free(&out);
    policy_unref(p);
    policy_registry_free(r);
}

/* ---- lists and limits ---- */

TEST(aliases_are_listed_in_order_of_creation)
{
    policy_registry *r = policy_registry_create();
    policy_alias_view views[3];
    load(r, "b", 1);
    load(r, "a", 2);
    load(r, "b", 2);
    EXPECT_EQ(policy_registry_aliases(r, views, 1), 2);
    EXPECT_STR(views[0].name, "b");
    policy_unref(views[0].policy);
    EXPECT_EQ(policy_registry_aliases(r, views, 3), 2);
    EXPECT_STR(views[1].name, "a");
    EXPECT_STR(policy_id(views[0].policy), policy_id(views[1].policy));
    policy_unref(views[0].policy);
    policy_unref(views[1].policy);
    policy_registry_free(r);
}

TEST(load_that_fails_changes_nothing)
{
    policy_registry *r = policy_registry_create();
    const eng_model_options options = {.n_threads = 1};
    eng_error err;
    EXPECT(policy_registry_load(r, "instruct", "/nonexistent.gguf", &options, &err) != ENG_OK);
    expect_lookup(r, NULL, POLICY_NOT_READY);
    load(r, "instruct", 1);
    const char *id = id_of(r, NULL);
    EXPECT(policy_registry_load(r, "instruct", "/nonexistent.gguf", &options, &err) != ENG_OK);
    EXPECT_STR(id_of(r, NULL), id);
    policy_registry_free(r);
}

TEST(seventeenth_alias_is_refused)
{
    policy_registry *r = policy_registry_create();
    const eng_model_options options = {.n_threads = 1};
    char name[] = "a";
    eng_error err;
    for (int i = 0; i < 16; i++, name[0]++)
        load(r, name, 1);
    EXPECT_EQ(policy_registry_load(r, name, model_file(1), &options, &err), ENG_FULL);
    EXPECT_EQ(policy_registry_aliases(r, NULL, 0), 16);
    expect_lookup(r, name, POLICY_NO_MODEL);
    policy_registry_free(r);
}

/* ---- several threads ---- */

enum { READERS = 3, MOVES = 20 };

typedef struct reader {
    policy_registry *registry;
    atomic_bool *stop;
    bool torn;
} reader;

static void *resolve_until_told(void *arg)
{
    reader *me = arg;
    while (!atomic_load(me->stop)) {
        policy *p;
        char label[96];
        if (policy_resolve(me->registry, "instruct", &p, label) != POLICY_FOUND) {
            me->torn = true;
            break;
        }
        me->torn |= strcmp(label + strlen("instruct@"), policy_id(p)) != 0 ||
                    eng_model_config(policy_model(p))->n_vocab != TEST_N_VOCAB;
        policy_unref(p);
    }
    return NULL;
}

TEST(readers_hold_whole_policies_while_the_alias_moves)
{
    policy_registry *r = policy_registry_create();
    atomic_bool stop = false;
    pthread_t threads[READERS];
    reader readers[READERS];
    load(r, "instruct", 0);
    for (int t = 0; t < READERS; t++) {
        readers[t] = (reader){.registry = r, .stop = &stop};
        EXPECT_EQ(pthread_create(&threads[t], NULL, resolve_until_told, &readers[t]), 0);
    }
    for (uint64_t i = 1; i <= MOVES; i++)
        load(r, "instruct", i % 2);
    atomic_store(&stop, true);
    for (int t = 0; t < READERS; t++) {
        pthread_join(threads[t], NULL);
        EXPECT(!readers[t].torn);
    }
    policy_registry_free(r);
}
