/* Publishing: what comes in, what is refused, what moves, what is left of it when it fails. */
#include "daemon/publish_fixture.h"

#include "formats/checkpoint.h"
#include "policy/state.h"

#include <signal.h>
#include <sys/resource.h>

/* Nothing moved, nothing is left behind. */
static void expect_untouched(lab *l, const char *id, uint64_t version, int policies)
{
    EXPECT_STR(lab_served(l, "instruct"), id);
    EXPECT_EQ(lab_alias(l, "instruct").version, version);
    EXPECT_EQ(lab_entries(l, "policies"), policies);
}

TEST(the_first_start_serves_the_base_model_as_version_one)
{
    lab l;
    lab_open(&l, NULL);
    lab_expect_serves(&l, "instruct", lab_base_id(&l));
    const alias_state a = lab_alias(&l, "instruct");
    EXPECT_EQ(a.version, 1);
    EXPECT_STR(a.previous, "");
    EXPECT_STR(a.updated_by, "start");
    EXPECT(lab_exists(&l, "aliases/instruct"));
    lab_close(&l);
}

TEST(published_weights_serve_and_say_where_they_come_from)
{
    lab l;
    lab_open(&l, NULL);
    static const char *const datasets[] = {"file-digest"};
    const publish_gate measured[] = {{.name = "kl_ref", .measured = 1.5}};
    publish_request r = lab_request(&l, "instruct");
    char id[POLICY_ID_CHARS + 1];
    r.parent = lab_base_id(&l);
    r.job = "ftjob-1";
    r.reward_model = "pol_1111111111111111";
    r.datasets = datasets;
    r.n_datasets = 1;
    r.kl_coef = 0.02;
    r.metrics = measured;
    r.n_metrics = 1;
    weights_nudge(&l.held, 1e-3f);
    if (publisher_publish(l.publisher, &r, id, &l.err) != PUBLISH_OK)
        FAIL("%s", l.err.text);
    lab_expect_serves(&l, "instruct", id);
    const alias_state a = lab_alias(&l, "instruct");
    EXPECT_EQ(a.version, 2);
    EXPECT_STR(a.previous, lab_base_id(&l));
    EXPECT_STR(a.updated_by, "test");
    policy_record record;
    EXPECT_EQ(publisher_record(l.publisher, id, &record, &l.err), PUBLISH_OK);
    EXPECT_STR(record.stage, "ppo");
    EXPECT_STR(record.job, "ftjob-1");
    EXPECT(record.resident && !record.base);
    EXPECT(strstr(record.manifest, "\"code_rev\":\"test\",\"datasets\":[\"file-digest\"]"));
    EXPECT(strstr(record.manifest, "\"kl_coef\":0.02"));
    EXPECT(strstr(record.manifest, "\"reward_model\":\"pol_1111111111111111\""));
    EXPECT(strstr(record.manifest, "\"metrics\":{\"kl_ref\":1.5}"));
    policy_record_free(&record);
    EXPECT_EQ(metrics_get(l.metrics, METRIC_PUBLISHES_OK), 1);
    lab_close(&l);
}

TEST(served_is_what_was_given)
{
    lab l;
    char label[96];
    policy *p;
    lab_open(&l, NULL);
    lab_publish(&l, "instruct");
    EXPECT_EQ(policy_resolve(l.registry, "instruct", &p, label), POLICY_FOUND);
    EXPECT_STR(eng_model_dtype(policy_model(p)), "f32"); /* as the base */
    policy_unref(p);
    eng_source *src;
    eng_error err;
    char path[512];
    EXPECT_EQ(publisher_hold(l.publisher, lab_served(&l, "instruct"), path, sizeof path, &l.err),
              PUBLISH_OK);
    EXPECT_OK(eng__source_open(&src, path, &err), err);
    const eng_tensor_info *t = eng__source_find(src, "blk.1.ffn_down.weight");
    float *got = malloc((size_t)t->n_bytes);
    EXPECT_OK(eng__source_read_f32(src, t, got, &err), err);
    EXPECT_MEM(got, weights_find(&l.held, t->name)->data, (size_t)t->n_bytes);
    free(got);
    eng__source_close(src);
    publisher_release(l.publisher, lab_served(&l, "instruct"));
    lab_close(&l);
}

TEST(a_quantised_base_publishes_q8_unless_told_otherwise)
{
    static const struct {
        eng_serve_type type;
        const char *dtype;
    } rows[] = {{ENG_SERVE_AS_FILE, "q8_0"}, {ENG_SERVE_F32, "f32"}, {ENG_SERVE_BF16, "bf16"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        lab l;
        char label[96], dir[300];
        policy *p;
        lab_prepare(&l, &(test_model_spec){.type = ENG_Q4_0});
        l.options.published_type = rows[i].type;
        EXPECT_OK(lab_start(&l), l.open_err);
        lab_publish(&l, "instruct");
        EXPECT_EQ(policy_resolve(l.registry, "instruct", &p, label), POLICY_FOUND);
        EXPECT_STR(eng_model_dtype(policy_model(p)), rows[i].dtype);
        policy_unref(p);
        lab_close(&l);
        snprintf(dir, sizeof dir, "%s.%d", l.data_dir, (int)i);
        EXPECT_EQ(rename(l.data_dir, dir), 0);
    }
}

TEST(the_same_weights_and_lineage_have_the_same_id)
{
    lab l;
    char id[POLICY_ID_CHARS + 1];
    lab_open(&l, NULL);
    const char *first = lab_publish(&l, "instruct");
    EXPECT_EQ(lab_try(&l, "instruct", id), PUBLISH_OK);
    EXPECT_STR(id, first);
    EXPECT_EQ(lab_entries(&l, "policies"), 1);
    EXPECT_EQ(lab_alias(&l, "instruct").version, 3);
    EXPECT_STR(lab_alias(&l, "instruct").previous, lab_base_id(&l));
    lab_close(&l);
}

TEST(a_damaged_policy_of_the_same_id_is_set_aside_and_written_again)
{
    lab l;
    char id[POLICY_ID_CHARS + 1], path[128];
    eng_error err;
    lab_open(&l, NULL);
    const char *first = lab_publish(&l, "instruct");
    snprintf(path, sizeof path, "policies/%s/tokenizer.json", first);
    test_write_file(lab_path(&l, path), "{}", 2);
    EXPECT_EQ(lab_try(&l, "instruct", id), PUBLISH_OK);
    EXPECT_STR(id, first);
    snprintf(path, sizeof path, "policies/%s", first);
    EXPECT_OK(eng_checkpoint_verify(lab_path(&l, path), NULL, &err), err);
    snprintf(path, sizeof path, "quarantine/%s", first);
    EXPECT(lab_exists(&l, path));
    lab_close(&l);
}

TEST(what_has_a_policys_name_and_is_none_is_set_aside)
{
    lab l;
    char id[POLICY_ID_CHARS + 1], path[64], command[600];
    eng_error err;
    lab_open(&l, NULL);
    const char *first = lab_publish(&l, NULL); /* tells what id these weights have */
    snprintf(path, sizeof path, "policies/%s", first);
    snprintf(command, sizeof command, "rm -r '%s'", lab_path(&l, path));
    EXPECT_EQ(system(command), 0);
    test_write_file(lab_path(&l, path), "x", 1);
    EXPECT_EQ(lab_try(&l, "instruct", id), PUBLISH_OK);
    EXPECT_STR(id, first);
    EXPECT_OK(eng_checkpoint_verify(lab_path(&l, path), NULL, &err), err);
    EXPECT_EQ(lab_entries(&l, "quarantine"), 1);
    lab_close(&l);
}

TEST(without_an_alias_a_policy_is_registered_and_found_by_its_id)
{
    lab l;
    lab_open(&l, NULL);
    const char *id = lab_publish(&l, NULL);
    expect_untouched(&l, lab_base_id(&l), 1, 1);
    EXPECT_STR(lab_served(&l, id), id);
    store_policy row;
    EXPECT_EQ(store_policy_get(l.store, id, &row, &l.err), STORE_OK);
    EXPECT_STR(row.state, "validated");
    store_policy_free(&row);
    lab_close(&l);
}

/* ---- refusals ---- */

static void expect_refused(lab *l, publish_result want, const char *words)
{
    char id[POLICY_ID_CHARS + 1];
    const publish_result got = lab_try(l, "instruct", id);
    if (got != want)
        FAIL("result %d (%s), expected %d: %s", got, l->err.text, want, words);
    lab_expect_words(l, words);
    EXPECT_STR(id, "");
    expect_untouched(l, lab_base_id(l), 1, 0);
}

TEST(weights_that_are_not_finite_are_refused_wherever_they_are)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    lab l;
    lab_open(&l, NULL);
    for (uint32_t t = 0; t < l.held.weights.n; t++) {
        eng_weight *w = &l.held.list[t];
        float *x = &weights_floats(w)[(t * 7919u) % w->n];
        const float kept = *x;
        *x = bad[t % 3];
        expect_refused(&l, PUBLISH_REFUSED, "not finite");
        lab_expect_words(&l, w->name);
        *x = kept;
    }
    EXPECT_EQ(metrics_get(l.metrics, METRIC_PUBLISHES_REFUSED), l.held.weights.n);
    lab_close(&l);
}

TEST(blanked_scaled_and_swapped_layers_are_refused)
{
    lab l;
    lab_open(&l, NULL);
    eng_weight *a = weights_find(&l.held, "blk.0.ffn_up.weight");
    eng_weight *b = weights_find(&l.held, "blk.1.ffn_up.weight");
    const float *kept = a->data;
    a->data = b->data;
    b->data = kept;
    expect_refused(&l, PUBLISH_REFUSED, "blk.0.ffn_up.weight: holds the base's blk.1.ffn_up");
    b->data = a->data;
    a->data = kept;
    for (uint64_t i = 0; i < a->n; i++)
        weights_floats(a)[i] *= 10;
    expect_refused(&l, PUBLISH_REFUSED, "blk.0.ffn_up.weight: the base's times 10");
    memset(weights_floats(a), 0, (size_t)a->n * sizeof(float));
    expect_refused(&l, PUBLISH_REFUSED, "blk.0.ffn_up.weight: all zeros");
    lab_close(&l);
}

/* Finite weights whose products are not: what only a run shows. */
TEST(weights_that_overflow_are_caught_by_the_canary)
{
    lab l;
    lab_open(&l, NULL);
    eng_weight *w = weights_find(&l.held, "blk.0.ffn_down.weight");
    uint32_t state = 1; /* of another direction than the base's: its length alone is no finding */
    for (uint64_t i = 0; i < w->n; i++) {
        state = state * 1664525u + 1013904223u;
        weights_floats(w)[i] = state >> 31 ? 3e38f : -3e38f;
    }
    expect_refused(&l, PUBLISH_REFUSED, "canary");
    lab_close(&l);
}

TEST(weights_that_do_not_fit_the_base_are_invalid)
{
    lab l;
    lab_open(&l, NULL);
    eng_weight *w = weights_find(&l.held, "blk.1.attn_k.weight");
    w->n--;
    expect_refused(&l, PUBLISH_INVALID, "blk.1.attn_k.weight: 2047 elements, expected 2048");
    w->n++;
    l.held.weights.n--;
    expect_refused(&l, PUBLISH_INVALID, "missing");
    l.held.weights.n++;
    lab_close(&l);
}

TEST(a_base_that_is_not_there_is_not_found)
{
    lab l;
    char id[POLICY_ID_CHARS + 1];
    lab_open(&l, NULL);
    publish_request r = lab_request(&l, "instruct");
    r.weights.base_policy = "pol_0123456789abcdef";
    EXPECT_EQ(publisher_publish(l.publisher, &r, id, &l.err), PUBLISH_NOT_FOUND);
    lab_expect_words(&l, "pol_0123456789abcdef: neither on disk nor the base model");
    r = lab_request(&l, "Not An Alias");
    EXPECT_EQ(publisher_publish(l.publisher, &r, id, &l.err), PUBLISH_INVALID);
    lab_expect_words(&l, "Not An Alias: 1 to 64 of");
    expect_untouched(&l, lab_base_id(&l), 1, 0);
    lab_close(&l);
}

TEST(each_gate_has_the_last_word)
{
    static const struct {
        publish_gate gate;
        bool passes;
    } rows[] = {
        {{"min_rm_delta", 0, 0}, true},           {{"min_rm_delta", 0, -0.001}, false},
        {{"min_rm_delta", 0, NAN}, false},        {{"max_kl_ref", 10, 10}, true},
        {{"max_kl_ref", 10, 10.5}, false},        {{"max_lm_loss_rise", 0.05, -1}, true},
        {{"max_lm_loss_rise", 0.05, NAN}, false}, {{"max_seconds", 60, 61}, false},
        {{"max_seconds", 60, INFINITY}, false},
    };
    lab l;
    lab_open(&l, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const publish_gate gates[] = {{"max_seconds", 60, 1}, rows[i].gate};
        publish_request r = lab_request(&l, NULL);
        char id[POLICY_ID_CHARS + 1];
        r.gates = gates;
        r.n_gates = 2;
        const publish_result got = publisher_publish(l.publisher, &r, id, &l.err);
        if (got != (rows[i].passes ? PUBLISH_OK : PUBLISH_REFUSED))
            FAIL("%s %g, measured %g: %d", rows[i].gate.name, rows[i].gate.bound,
                 rows[i].gate.measured, got);
        if (!rows[i].passes)
            lab_expect_words(&l, rows[i].gate.name);
    }
    lab_close(&l);
}

TEST(what_does_not_fit_in_memory_is_refused)
{
    lab l;
    lab_prepare(&l, NULL);
    l.options.max_bytes = 5 << 20; /* the base takes 2 MiB, as does each policy */
    EXPECT_OK(lab_start(&l), l.open_err);
    const char *first = lab_publish(&l, "instruct");
    const char *second = lab_publish(&l, "instruct"); /* the base gives way */
    EXPECT_STR(lab_served(&l, lab_base_id(&l)), "");
    EXPECT_STR(lab_served(&l, first), first);
    EXPECT_STR(lab_served(&l, "instruct"), second);
    lab_close(&l);
}

TEST(a_full_disk_leaves_the_old_policy_and_no_rubbish)
{
    lab l;
    const struct rlimit small = {100 * 1024, RLIM_INFINITY};
    struct rlimit before;
    char id[POLICY_ID_CHARS + 1];
    lab_open(&l, NULL);
    getrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    const publish_result got = lab_try(&l, "instruct", id);
    setrlimit(RLIMIT_FSIZE, &before);
    EXPECT_EQ(got, PUBLISH_UNAVAILABLE);
    lab_expect_words(&l, "model.safetensors: write: ");
    expect_untouched(&l, lab_base_id(&l), 1, 0);
    lab_publish(&l, "instruct");
    lab_close(&l);
}

/* ---- moves ---- */

TEST(a_stale_version_moves_nothing)
{
    lab l;
    alias_state out;
    lab_open(&l, NULL);
    const char *id = lab_publish(&l, NULL);
    EXPECT_EQ(lab_move(&l, "instruct", id, 7, &out), PUBLISH_STALE);
    lab_expect_words(&l, "alias instruct is at version 1, not 7");
    EXPECT_EQ(lab_move(&l, "instruct", id, PUBLISH_CREATE, &out), PUBLISH_EXISTS);
    EXPECT_EQ(lab_move(&l, "other", id, 1, &out), PUBLISH_NOT_FOUND);
    EXPECT_EQ(lab_move(&l, "instruct", "pol_0123456789abcdef", 1, &out), PUBLISH_NOT_FOUND);
    EXPECT_EQ(lab_move(&l, "instruct", "../../etc", 1, &out), PUBLISH_INVALID);
    EXPECT_EQ(lab_move(&l, "No", id, PUBLISH_CREATE, &out), PUBLISH_INVALID);
    expect_untouched(&l, lab_base_id(&l), 1, 1);
    EXPECT_EQ(lab_move(&l, "instruct", id, 1, &out), PUBLISH_OK);
    EXPECT_EQ(out.version, 2);
    EXPECT_STR(out.updated_by, "mover");
    lab_expect_serves(&l, "instruct", id);
    EXPECT_EQ(lab_move(&l, "other", id, PUBLISH_CREATE, &out), PUBLISH_OK);
    EXPECT_EQ(out.version, 1);
    lab_expect_serves(&l, "other", id);
    lab_close(&l);
}

TEST(rollback_goes_back_and_forth_as_new_versions)
{
    lab l;
    alias_state out;
    lab_open(&l, NULL);
    const char *one = lab_publish(&l, "instruct"), *two = lab_publish(&l, "instruct");
    EXPECT_EQ(lab_move(&l, "instruct", NULL, PUBLISH_ANY_VERSION, &out), PUBLISH_OK);
    EXPECT_EQ(out.version, 4);
    EXPECT_STR(out.policy, one);
    EXPECT_STR(out.previous, two);
    lab_expect_serves(&l, "instruct", one);
    EXPECT_EQ(lab_move(&l, "instruct", NULL, PUBLISH_ANY_VERSION, &out), PUBLISH_OK);
    EXPECT_STR(out.policy, two);
    EXPECT_EQ(lab_move(&l, "instruct", lab_base_id(&l), PUBLISH_ANY_VERSION, &out), PUBLISH_OK);
    EXPECT_EQ(out.version, 6);
    lab_expect_serves(&l, "instruct", lab_base_id(&l));
    lab_close(&l);
}

TEST(an_alias_without_a_past_cannot_go_back)
{
    lab l;
    alias_state out;
    lab_open(&l, NULL);
    EXPECT_EQ(lab_move(&l, "instruct", NULL, PUBLISH_ANY_VERSION, &out), PUBLISH_NOT_FOUND);
    lab_expect_words(&l, "alias instruct: it has no previous policy");
    lab_close(&l);
}

TEST(the_previous_policy_stays_in_memory)
{
    lab l;
    lab_open(&l, NULL);
    EXPECT_STR(lab_served(&l, lab_base_id(&l)), lab_base_id(&l));
    const char *one = lab_publish(&l, "instruct");
    EXPECT_STR(lab_served(&l, lab_base_id(&l)), lab_base_id(&l));
    lab_publish(&l, "instruct");
    EXPECT_STR(lab_served(&l, one), one);
    EXPECT_STR(lab_served(&l, lab_base_id(&l)), "");
    lab_close(&l);
}

TEST(a_request_keeps_its_policy_across_publishes)
{
    lab l;
    char label[96];
    policy *request;
    lab_open(&l, NULL);
    EXPECT_EQ(policy_resolve(l.registry, "instruct", &request, label), POLICY_FOUND);
    lab_publish(&l, "instruct");
    lab_publish(&l, "instruct");
    EXPECT_STR(policy_id(request), lab_base_id(&l));
    EXPECT_STR(lab_served(&l, lab_base_id(&l)), lab_base_id(&l));
    policy_unref(request);
    EXPECT_STR(lab_served(&l, lab_base_id(&l)), "");
    lab_close(&l);
}

TEST(the_alias_reward_is_made_for_a_model_that_scores)
{
    lab l;
    alias_state out;
    lab_open(&l, NULL);
    EXPECT_EQ(lab_move(&l, "reward", lab_base_id(&l), PUBLISH_CREATE, &out), PUBLISH_INVALID);
    EXPECT(strstr(l.err.text, "alias reward is for a model that scores"));
    EXPECT(!publisher_alias(l.publisher, "reward", &out));
    lab_close(&l);
}

/* Of a data directory from before the name was kept to them. */
TEST(an_alias_reward_of_a_model_that_writes_can_be_moved_to_one_that_scores)
{
    lab l;
    char id[POLICY_ID_CHARS + 1];
    alias_file old = {.name = "reward", .n = 1, .list = {{.number = 1}}};
    lab_open(&l, NULL);
    strcpy(old.list[0].policy, lab_base_id(&l));
    publisher_enter_alias(l.publisher, &old, 1);
    weights_add_score(&l.held, 64);
    weights_floats(weights_find(&l.held, "score.weight"))[3] = 1;
    EXPECT_EQ(lab_try(&l, "reward", id), PUBLISH_OK);
    lab_expect_serves(&l, "reward", id);
    lab_close(&l);
}

TEST(a_score_head_gets_an_alias_of_its_own)
{
    lab l;
    char id[POLICY_ID_CHARS + 1];
    alias_state out;
    lab_open(&l, NULL);
    weights_add_score(&l.held, 64);
    weights_floats(weights_find(&l.held, "score.weight"))[3] = 1;
    expect_refused(&l, PUBLISH_INVALID,
                   "alias instruct is for a model that writes, this one scores");
    EXPECT_EQ(lab_try(&l, "reward", id), PUBLISH_OK);
    lab_expect_serves(&l, "reward", id);
    EXPECT_EQ(lab_move(&l, "reward", lab_base_id(&l), 1, &out), PUBLISH_INVALID);
    lab_close(&l);
}

TEST(in_flight_stays_unless_it_is_given)
{
    lab l;
    alias_state out;
    lab_open(&l, NULL);
    const char *id = lab_publish(&l, NULL);
    publish_move move = {.alias = "instruct",
                         .policy = id,
                         .expected_version = 1,
                         .recompute = true,
                         .actor = "two words"};
    EXPECT_EQ(publisher_move(l.publisher, &move, &out, &l.err), PUBLISH_OK);
    EXPECT(out.recompute);
    EXPECT_STR(out.updated_by, "two_words");
    lab_publish(&l, "instruct");
    EXPECT(lab_alias(&l, "instruct").recompute);
    move.recompute = false;
    move.expected_version = PUBLISH_ANY_VERSION;
    EXPECT_EQ(publisher_move(l.publisher, &move, &out, &l.err), PUBLISH_OK);
    EXPECT(!lab_alias(&l, "instruct").recompute);
    lab_close(&l);
}

TEST(the_seventeenth_alias_is_refused_before_anything_is_written)
{
    lab l;
    alias_state out;
    char name[] = "a";
    lab_open(&l, NULL);
    for (int i = 1; i < 16; i++, name[0]++)
        EXPECT_EQ(lab_move(&l, name, lab_base_id(&l), PUBLISH_CREATE, &out), PUBLISH_OK);
    EXPECT_EQ(lab_move(&l, name, lab_base_id(&l), PUBLISH_CREATE, &out), PUBLISH_INVALID);
    lab_expect_words(&l, "16 aliases exist");
    EXPECT_EQ(lab_entries(&l, "aliases"), 16);
    lab_close(&l);
}

TEST(moves_and_states_are_told)
{
    lab l;
    event_record out[16];
    uint64_t since = 0;
    bool lost, moved = false, active = false, retired = false;
    lab_open(&l, NULL);
    since = events_last(l.events);
    const char *id = lab_publish(&l, "instruct");
    const size_t n =
        events_after(l.events, &since, TOPIC_ALIAS | TOPIC_POLICY, NULL, out, 16, &lost);
    for (size_t i = 0; i < n; i++) {
        moved |= strcmp(out[i].name, "alias.moved") == 0 && strstr(out[i].json, id) &&
                 strstr(out[i].json, "\"version\":2,\"in_flight\":\"pin\"");
        active |= strcmp(out[i].subject, id) == 0 && strstr(out[i].json, "\"state\":\"active\"");
        retired |= strcmp(out[i].subject, lab_base_id(&l)) == 0 &&
                   strstr(out[i].json, "\"state\":\"retired\"");
        free(out[i].json);
    }
    EXPECT(moved && active && retired);
    lab_close(&l);
}

/* ---- what disk keeps ---- */

TEST(raw_weights_are_found_by_their_id_until_unloaded)
{
    lab l;
    char id[POLICY_ID_CHARS + 1], again[POLICY_ID_CHARS + 1];
    lab_open(&l, NULL);
    const publish_weights w = lab_request(&l, NULL).weights;
    EXPECT_EQ(publisher_load_raw(l.publisher, &w, id, &l.err), PUBLISH_OK);
    EXPECT_EQ(publisher_load_raw(l.publisher, &w, again, &l.err), PUBLISH_OK);
    EXPECT(strcmp(id, again) != 0);
    EXPECT_STR(lab_served(&l, id), id);
    expect_untouched(&l, lab_base_id(&l), 1, 0);
    publisher_unload(l.publisher, id);
    EXPECT_STR(lab_served(&l, id), "");
    EXPECT_STR(lab_served(&l, again), again);
    weights_floats(&l.held.list[0])[0] = NAN;
    EXPECT_EQ(publisher_load_raw(l.publisher, &w, id, &l.err), PUBLISH_REFUSED);
    publisher_unload(l.publisher, again);
    lab_close(&l);
}

TEST(a_policy_of_the_disk_is_loaded_when_it_is_asked_for)
{
    lab l;
    lab_open(&l, NULL);
    const char *id = lab_publish(&l, NULL);
    lab_restart(&l);
    EXPECT_STR(lab_served(&l, id), "");
    EXPECT_EQ(publisher_ensure(l.publisher, id, &l.err), PUBLISH_OK);
    EXPECT_STR(lab_served(&l, id), id);
    EXPECT_EQ(publisher_ensure(l.publisher, "pol_0123456789abcdef", &l.err), PUBLISH_NOT_FOUND);
    lab_close(&l);
}

TEST(a_move_at_once_goes_to_what_is_in_memory_alone)
{
    lab l;
    alias_state state;
    lab_open(&l, NULL);
    const char *id = lab_publish(&l, NULL);
    publish_move move = {.alias = "other",
                         .policy = id,
                         .expected_version = PUBLISH_CREATE,
                         .at_once = true,
                         .actor = "test"};
    lab_restart(&l);
    EXPECT_EQ(publisher_move(l.publisher, &move, &state, &l.err), PUBLISH_LATER);
    EXPECT_STR(lab_served(&l, id), "");
    EXPECT_EQ(publisher_aliases(l.publisher, NULL, 0), 1);
    EXPECT_EQ(publisher_ensure(l.publisher, id, &l.err), PUBLISH_OK);
    EXPECT_EQ(publisher_move(l.publisher, &move, &state, &l.err), PUBLISH_OK);
    EXPECT_STR(lab_served(&l, "other"), id);
    lab_close(&l);
}

TEST(all_policies_are_listed_newest_first)
{
    lab l;
    policy_listing *list;
    size_t n;
    lab_open(&l, NULL);
    const char *id = lab_publish(&l, NULL);
    EXPECT(publisher_list(l.publisher, &list, &n));
    EXPECT_EQ(n, 2);
    EXPECT(list[0].created_at >= list[1].created_at);
    bool base = false, made = false;
    for (size_t i = 0; i < n; i++) {
        base |= strcmp(list[i].id, lab_base_id(&l)) == 0;
        made |= strcmp(list[i].id, id) == 0;
    }
    EXPECT(base && made);
    free(list);
    policy_record record;
    EXPECT_EQ(publisher_record(l.publisher, lab_base_id(&l), &record, &l.err), PUBLISH_OK);
    EXPECT(record.base && record.resident && !record.manifest);
    EXPECT_STR(record.stage, "pretrained");
    EXPECT_STR(record.state, "active");
    EXPECT_STR(record.dtype, "f32");
    EXPECT_EQ(strlen(record.digest), 64);
    EXPECT(record.bytes > 0);
    EXPECT_EQ(publisher_record(l.publisher, "nothing", &record, &l.err), PUBLISH_NOT_FOUND);
    lab_close(&l);
}

TEST(publishing_what_serves_already_leaves_it_active)
{
    lab l;
    policy_record record;
    char id[POLICY_ID_CHARS + 1];
    lab_open(&l, NULL);
    snprintf(id, sizeof id, "%s", lab_publish(&l, "instruct"));
    char again[POLICY_ID_CHARS + 1];
    EXPECT_EQ(lab_try(&l, NULL, again), PUBLISH_OK); /* the same weights, without a name */
    EXPECT_STR(again, id);
    EXPECT_EQ(publisher_record(l.publisher, id, &record, &l.err), PUBLISH_OK);
    EXPECT_STR(record.state, "active");
    policy_record_free(&record);
    lab_close(&l);
}
