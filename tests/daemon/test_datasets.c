/* /v1/datasets over a store: whose rows go where, and that the same rows make the same set. */
#include "human_fixture.h"

#include "base/data_files.h"
#include "control/datasets.h"
#include "human/pii.h"

#include <cjson/cJSON.h>
#include <sys/stat.h>
#include <unistd.h>

/* A control room with nothing but a store and a directory for files. */
typedef struct room {
    control c;
    store *s;
    int status; /* of the last reply */
} room;

static room *room_new(void)
{
    static room r;
    static char dir[600], files[620];
    snprintf(dir, sizeof dir, "%s/data", test_dir());
    snprintf(files, sizeof files, "%s/files", dir);
    mkdir(dir, 0700);
    mkdir(files, 0700);
    r = (room){.s = fixture_open()};
    r.c = (control){.data_dir = dir, .store = r.s};
    return &r;
}

typedef struct told {
    int status;
    char *text; /* body, or the error's message; owned */
    uint64_t left_out;
} told;

static told call(room *r, control_fn *fn, const char *id, const char *query, const char *body)
{
    static const key_info key = {.user = "boss"};
    const control_request request = {.names = {id, ""},
                                     .query = query,
                                     .body = body,
                                     .body_len = strlen(body),
                                     .if_match = "",
                                     .if_none_match = "",
                                     .actor = "boss",
                                     .key = &key};
    control_reply reply = {.status = 200, .file_fd = -1};
    api_error err = {0};
    buf_init(&reply.body, 1 << 24);
    const bool ok = fn(&r->c, &request, &reply, &err);
    told out = {ok ? reply.status : err.status, NULL, reply.rows_left_out};
    if (reply.file_fd >= 0) {
        FILE *f = fdopen(reply.file_fd, "r");
        char chunk[4096];
        for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;)
            buf_append(&reply.body, chunk, n);
        fclose(f);
    }
    out.text = strdup(!ok ? err.message : reply.body.data ? reply.body.data : "");
    buf_free(&reply.body);
    return out;
}

/* A data set that was built, read. */
typedef struct built {
    int status;
    char id[65];
    int train, valid, test;
    cJSON *json;
} built;

static int part_rows(const cJSON *json, const char *part)
{
    const cJSON *counts = cJSON_GetObjectItem(json, "counts");
    return cJSON_GetObjectItem(counts, part)->valueint;
}

static built build(room *r, const char *body)
{
    const told t = call(r, control_dataset_create, "", "", body);
    if (t.status != 200 && t.status != 201)
        FAIL("%d: %s", t.status, t.text);
    built b = {.status = t.status, .json = cJSON_Parse(t.text)};
    if (!b.json)
        FAIL("no JSON: %s", t.text);
    free(t.text);
    snprintf(b.id, sizeof b.id, "%s", cJSON_GetObjectItem(b.json, "id")->valuestring);
    b.train = part_rows(b.json, "train");
    b.valid = part_rows(b.json, "valid");
    b.test = part_rows(b.json, "test");
    return b;
}

static const cJSON *find_stage(const built *b, const char *name)
{
    const cJSON *s,
        *stages = cJSON_GetObjectItem(cJSON_GetObjectItem(b->json, "manifest"), "stages");
    cJSON_ArrayForEach(s, stages)
    {
        if (strcmp(cJSON_GetObjectItem(s, "stage")->valuestring, name) == 0)
            return s;
    }
    FAIL("no stage %s", name);
}

/* The number `number` of a stage of the manifest. */
static int stage(const built *b, const char *name, const char *number)
{
    return cJSON_GetObjectItem(find_stage(b, name), number)->valueint;
}

/* How many rows a stage left out for this reason. */
static int left_out_for(const built *b, const char *name, const char *reason)
{
    const cJSON *kinds = cJSON_GetObjectItem(find_stage(b, name), "kinds");
    const cJSON *n = cJSON_GetObjectItem(kinds, reason);
    return n ? n->valueint : 0;
}

static char *content(room *r, const built *b, const char *query)
{
    const told t = call(r, control_dataset_export, b->id, query, "");
    EXPECT_EQ(t.status, 200);
    return t.text;
}

static bool holds(room *r, const built *b, const char *query, const char *text)
{
    char *all = content(r, b, query);
    const bool found = strstr(all, text) != NULL;
    free(all);
    return found;
}

static void done(room *r, built *b)
{
    if (b)
        cJSON_Delete(b->json);
    if (r)
        store_close(r->s);
}

#define ALL_TRAIN ",\"fractions\":{\"train\":1}"
#define PPO "{\"name\":\"p\",\"kind\":\"ppo\"" ALL_TRAIN "}"

/* ---- prompts ---- */

TEST(of_201_prompts_of_a_user_200_are_taken)
{
    room *r = room_new();
    choose(r->s, "anna", true);
    for (int i = 0; i < 201; i++) {
        char id[32], text[32];
        snprintf(id, sizeof id, "p%d", i);
        snprintf(text, sizeof text, "prompt number %d", i);
        type(r->s, "anna", id, text);
    }
    built b = build(r, PPO);
    EXPECT_EQ(b.status, 201);
    EXPECT_EQ(b.train, 200);
    EXPECT_EQ(stage(&b, "cap", "in"), 201);
    EXPECT_EQ(stage(&b, "cap", "out"), 200);
    done(r, &b);
}

TEST(a_shared_prefix_makes_duplicates_and_the_oldest_stays)
{
    room *r = room_new();
    static const char prefix[] =
        "Please summarise the following article for a child of six years of age: ";
    char text[128];
    choose(r->s, "anna", true);
    choose(r->s, "bert", true);
    snprintf(text, sizeof text, "%sone", prefix);
    type(r->s, "anna", "p1", text);
    snprintf(text, sizeof text, "%s two", prefix);
    type(r->s, "bert", "p2", text);
    built b = build(r, PPO);
    EXPECT_EQ(stage(&b, "dedupe", "in"), 2);
    EXPECT_EQ(b.train, 1);
    EXPECT(holds(r, &b, "", "age: one\""));
    done(r, &b);
}

TEST(a_users_rows_are_in_one_part)
{
    room *r = room_new();
    enum { USERS = 40, EACH = 3 };
    for (int u = 0; u < USERS; u++) {
        char user[16], id[32], text[48];
        snprintf(user, sizeof user, "u%d", u);
        choose(r->s, user, true);
        for (int i = 0; i < EACH; i++) {
            snprintf(id, sizeof id, "p%d-%d", u, i);
            snprintf(text, sizeof text, "<%s> asks for the %d. time", user, i);
            type(r->s, user, id, text);
        }
    }
    built b = build(r, "{\"name\":\"p\",\"kind\":\"ppo\",\"salt\":\"x\","
                       "\"fractions\":{\"train\":0.5,\"valid\":0.25,\"test\":0.25}}");
    EXPECT_EQ(b.train + b.valid + b.test, USERS * EACH);
    EXPECT(b.train > 0 && b.valid > 0 && b.test > 0);
    for (int u = 0; u < USERS; u++) {
        char mark[16];
        snprintf(mark, sizeof mark, "<u%d>", u);
        EXPECT_EQ(holds(r, &b, "split=train", mark) + holds(r, &b, "split=valid", mark) +
                      holds(r, &b, "split=test", mark),
                  1);
    }
    done(r, &b);
}

TEST(personal_data_is_kept_out_of_training_files_and_counted)
{
    room *r = room_new();
    choose(r->s, "anna", true);
    type(r->s, "anna", "p1", "mail me at anna@mail.org");
    type(r->s, "anna", "p2", "what is at 8.8.8.8 and who is jo@mail.org");
    type(r->s, "anna", "p3", "what is a river");
    built b = build(r, PPO);
    EXPECT_EQ(b.train, 1);
    EXPECT_EQ(stage(&b, "pii", "out"), 1);
    EXPECT(!holds(r, &b, "", "@"));
    EXPECT_EQ(left_out_for(&b, "pii", "email"), 2);
    EXPECT_EQ(left_out_for(&b, "pii", "ip"), 1);
    EXPECT_EQ(left_out_for(&b, "pii", "card"), 0);
    done(NULL, &b);
    b = build(r, "{\"name\":\"p\",\"kind\":\"ppo\",\"fractions\":{\"test\":1}}");
    EXPECT_EQ(b.test, 3);
    done(r, &b);
}

/* Of each kind a text that holds it, and one that only looks so. */
TEST(each_kind_of_personal_data_is_kept_out_and_what_only_looks_so_is_not)
{
    static const char *const kinds[][3] = {
        {"email", "write to jo@mail.org <0>", "write to jo@localhost <0>"},
        {"ip", "it came from 8.8.4.4 <1>", "it came from 192.168.1.7 <1>"},
        {"mac", "the card is 00:1B:44:11:3A:B7 <2>", "the card is 02:1B:44:11:3A:B7 <2>"},
        {"phone", "reach me: (415) 555-0132 <3>", "reach me: (115) 555-0132 <3>"},
        {"card", "pay with 4111 1111 1111 1111 <4>", "pay with 4111 1111 1111 1112 <4>"},
        {"iban", "to GB82 WEST 1234 5698 7654 32 <5>", "to GB82 WEST 1234 5698 7654 33 <5>"},
        {"us_ssn", "mine is 536-22-8145 <6>", "mine is 666-22-8145 <6>"},
        {"uk_nhs", "mine is 9434765919 <7>", "mine is 9434765918 <7>"},
        {"uk_nino", "mine is AB123456C <8>", "mine is BG123456C <8>"},
        {"passport", "my passport is 533380006 <9>", "my parcel is 533380006 <9>"},
        {"licence", "my driver license D1234567 <10>", "my software license D1234567 <10>"},
        {"secret", "use AKIA2E0A8F3B244C9986 <11>", "use AKIAAAAAAAAAAAAAAAAA <11>"},
        {"wallet", "send 1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2 <12>",
         "send 1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3 <12>"},
    };
    enum { KINDS = sizeof kinds / sizeof kinds[0] };
    room *r = room_new();
    choose(r->s, "anna", true);
    for (int k = 0; k < KINDS; k++)
        for (int near = 0; near < 2; near++) {
            char id[32];
            snprintf(id, sizeof id, "p%d-%d", k, near);
            type(r->s, "anna", id, kinds[k][1 + near]);
        }
    built b = build(r, PPO);
    EXPECT_EQ(KINDS, PII_KINDS);
    EXPECT_EQ(stage(&b, "pii", "in"), 2 * KINDS);
    for (int k = 0; k < KINDS; k++) {
        if (!holds(r, &b, "", kinds[k][2]))
            FAIL("'%s' is not in the training file", kinds[k][2]);
        if (holds(r, &b, "", kinds[k][1]))
            FAIL("'%s' is in the training file", kinds[k][1]);
        if (left_out_for(&b, "pii", kinds[k][0]) != 1)
            FAIL("%s: expected 1 row, found %d", kinds[k][0], left_out_for(&b, "pii", kinds[k][0]));
    }
    EXPECT_EQ(b.train, KINDS);
    done(r, &b);
}

TEST(whoever_opts_out_or_deletes_is_in_no_later_set_and_the_earlier_is_stale)
{
    room *r = room_new();
    store_erasure erased;
    choose(r->s, "anna", true);
    choose(r->s, "bert", true);
    choose(r->s, "cleo", true);
    type(r->s, "anna", "p1", "a question of anna's");
    type(r->s, "bert", "p2", "some question of bert's");
    type(r->s, "cleo", "p3", "the question of cleo's");
    built before = build(r, PPO);
    EXPECT_EQ(before.train, 3);
    choose(r->s, "anna", false);
    STORE_GOOD(store_person_erase(r->s, "bert", &erased, &err));
    built after = build(r, PPO);
    EXPECT_EQ(after.train, 1);
    EXPECT(holds(r, &after, "", "cleo"));
    const told old = call(r, control_dataset_get, before.id, "", "");
    EXPECT(strstr(old.text, "\"stale\":true") != NULL);
    free(old.text);
    EXPECT(cJSON_IsFalse(cJSON_GetObjectItem(after.json, "stale")));
    EXPECT_EQ(stage(&before, "consent", "in"), 3);
    EXPECT_EQ(stage(&before, "consent", "out"), 3);
    EXPECT_EQ(stage(&after, "consent", "in"), 3);
    EXPECT_EQ(stage(&after, "consent", "out"), 1);
    EXPECT_EQ(left_out_for(&after, "consent", "declined"), 1);
    EXPECT_EQ(left_out_for(&after, "consent", "erased"), 1);
    done(NULL, &before);
    done(r, &after);
}

TEST(a_conversation_that_lacks_its_last_question_is_unfit_and_no_obstacle)
{
    room *r = room_new();
    choose(r->s, "anna", true);
    store_prompt p = {.id = strdup("p1"),
                      .user = strdup("anna"),
                      .form = strdup("messages"),
                      .prompt = strdup("[{\"role\":\"assistant\",\"content\":\"So\"}]"),
                      .output = strdup(""),
                      .policy = strdup("pol_1"),
                      .request = strdup("p1"),
                      .notice = NOTICE};
    EXPECT(store_prompt_post(r->s, &p));
    type(r->s, "anna", "p2", "what is a river");
    built b = build(r, PPO);
    EXPECT_EQ(b.train, 1);
    EXPECT_EQ(stage(&b, "fit", "out"), 1);
    done(r, &b);
}

/* ---- the same again ---- */

TEST(the_same_rows_and_parameters_are_the_same_set)
{
    room *r = room_new();
    choose(r->s, "anna", true);
    type(r->s, "anna", "p1", "what is a river");
    built one = build(r, PPO), two = build(r, PPO),
          other = build(r, "{\"name\":\"p\",\"kind\":\"ppo\",\"fractions\":{\"test\":1}}");
    EXPECT_EQ(one.status, 201);
    EXPECT_EQ(two.status, 200);
    EXPECT_STR(two.id, one.id);
    EXPECT(strcmp(other.id, one.id) != 0);
    EXPECT_EQ(strlen(one.id), 19);
    type(r->s, "anna", "p2", "and what is a lake");
    built three = build(r, PPO);
    EXPECT_EQ(three.status, 201);
    EXPECT(strcmp(three.id, one.id) != 0);
    done(NULL, &one);
    done(NULL, &two);
    done(NULL, &other);
    done(r, &three);
}

TEST(nothing_to_build_from_is_a_set_of_nothing)
{
    room *r = room_new();
    built b = build(r, PPO);
    EXPECT_EQ(b.train + b.valid + b.test, 0);
    EXPECT(cJSON_IsNull(cJSON_GetObjectItem(cJSON_GetObjectItem(b.json, "files"), "train")));
    char *lines = content(r, &b, "");
    EXPECT_STR(lines, "");
    free(lines);
    done(r, &b);
}

/* ---- labels ---- */

static void label_everything(store *s)
{
    store_submitted out;
    store_task ranked = a_task("r1", "rank", ""), judged = a_task("e1", "eval", "");
    store_task toxic = a_task("x1", "eval", "");
    toxic.criterion = "toxicity";
    ranked.overlap = judged.overlap = 3;
    add_task(s, ranked);
    add_task(s, judged);
    lease(s, "rank", "lena", "", NOW);
    rank(s, "s1", "lena", "r1");
    lease(s, "rank", "mick", "", NOW);
    rank(s, "s1", "mick", "r1");
    lease(s, "eval", "held", "", NOW);
    rank(s, "s2", "held", "e1");
    add_task(s, toxic);
    lease(s, "eval", "held", "", NOW);
    rank(s, "s3", "held", "x1");
    const store_demonstration d = a_demonstration("d1", "lena", NULL);
    STORE_GOOD(store_demonstration_insert(s, &d, &out, &err));
}

TEST(rankings_of_one_task_by_two_labelers_both_train)
{
    room *r = room_new();
    label_everything(r->s);
    built b = build(r, "{\"name\":\"r\",\"kind\":\"rm\"" ALL_TRAIN "}");
    EXPECT_EQ(b.train, 2);
    char *rows = content(r, &b, "");
    EXPECT(strstr(rows, "\"groups\":[[\"r1-a\"],[\"r1-b\"]]") != NULL);
    EXPECT(strstr(rows, "\"labeler\":\"mick\",\"role\":\"trainer\"") != NULL);
    free(rows);
    done(r, &b);
}

TEST(held_out_rows_are_in_evaluation_sets_alone)
{
    room *r = room_new();
    label_everything(r->s);
    static const char *const kinds[] = {"sft", "rm", "ppo"};
    for (int k = 0; k < 3; k++) {
        char body[128];
        snprintf(body, sizeof body, "{\"name\":\"x\",\"kind\":\"%s\"}", kinds[k]);
        built b = build(r, body);
        EXPECT(!holds(r, &b, "split=train", "held") && !holds(r, &b, "split=valid", "held") &&
               !holds(r, &b, "split=test", "held"));
        done(NULL, &b);
    }
    built b = build(r, "{\"name\":\"e\",\"kind\":\"eval\"" ALL_TRAIN "}");
    EXPECT_EQ(b.train + b.valid, 0);
    EXPECT_EQ(b.test, 1);
    EXPECT(holds(r, &b, "", "\"role\":\"heldout\"") && !holds(r, &b, "", "x1"));
    done(NULL, &b);
    b = build(r, "{\"name\":\"t\",\"kind\":\"toxicity\"" ALL_TRAIN "}");
    EXPECT_EQ(b.train + b.valid, 0);
    EXPECT_EQ(b.test, 1);
    EXPECT(holds(r, &b, "", "\"task_id\":\"x1\"") && !holds(r, &b, "", "e1"));
    done(r, &b);
}

/* A ranking, a demonstration and a judgement on a prompt of this person's, and of nobody's. */
static void label_a_prompt_of(store *s, const char *owner, const char *const tasks[3])
{
    static const char *const kinds[] = {"rank", "demo", "eval"};
    for (int i = 0; i < 3; i++)
        add_task(s, a_task(tasks[i], kinds[i], owner));
    EXPECT_STR(lease(s, "rank", "lena", "", NOW), tasks[0]);
    rank(s, tasks[0], "lena", tasks[0]);
    EXPECT_STR(lease(s, "demo", "lena", "", NOW), tasks[1]);
    const store_demonstration d = a_demonstration(tasks[1], "lena", tasks[1]);
    store_submitted out;
    STORE_GOOD(store_demonstration_insert(s, &d, &out, &err));
    EXPECT_STR(lease(s, "eval", "held", "", NOW), tasks[2]);
    rank(s, tasks[2], "held", tasks[2]);
}

TEST(labels_that_consent_or_an_erasure_keep_back_are_counted_for_every_kind)
{
    room *r = room_new();
    store_erasure erased;
    static const char *const people[] = {"anna", "bert", "cleo", ""}, *const tasks[][3] = {
                                                                          {"r1", "d1", "e1"},
                                                                          {"r2", "d2", "e2"},
                                                                          {"r3", "d3", "e3"},
                                                                          {"r4", "d4", "e4"}};
    for (int i = 0; i < 4; i++) {
        if (people[i][0])
            choose(r->s, people[i], true);
        label_a_prompt_of(r->s, people[i], tasks[i]);
    }
    choose(r->s, "anna", false);
    STORE_GOOD(store_person_erase(r->s, "bert", &erased, &err));
    static const char *const kinds[] = {"rm", "sft", "eval"};
    for (int k = 0; k < 3; k++) {
        char body[128];
        snprintf(body, sizeof body, "{\"name\":\"x\",\"kind\":\"%s\"}", kinds[k]);
        built b = build(r, body);
        EXPECT_EQ(stage(&b, "consent", "in"), 4);
        EXPECT_EQ(stage(&b, "consent", "out"), 2);
        EXPECT_EQ(left_out_for(&b, "consent", "declined"), 1);
        EXPECT_EQ(left_out_for(&b, "consent", "erased"), 1);
        done(NULL, &b);
    }
    done(r, NULL);
}

TEST(demonstrations_are_files_that_supervised_jobs_take)
{
    room *r = room_new();
    store_file f;
    label_everything(r->s);
    built b = build(r, "{\"name\":\"demos\",\"kind\":\"sft\"" ALL_TRAIN "}");
    EXPECT_EQ(b.train, 1);
    const char *id =
        cJSON_GetObjectItem(cJSON_GetObjectItem(b.json, "files"), "train")->valuestring;
    STORE_GOOD(store_file_get(r->s, id, &f, &err));
    EXPECT_STR(f.format, "supervised");
    EXPECT_STR(f.filename, "demos-train.jsonl");
    EXPECT_EQ(f.rows, 1);
    store_file_free(&f);
    char *rows = content(r, &b, "format=trl_sft");
    EXPECT_STR(rows, "{\"prompt\":\"What is a river?\",\"completion\":\"Water that flows.\"}\n");
    free(rows);
    done(r, &b);
}

/* ---- files ---- */

static void put_file(room *r, const char *id, const char *text)
{
    data_file_draft d = {0};
    error_text why;
    const store_file f = fixture_file(id);
    EXPECT(data_file_begin(&d, r->c.data_dir, &why));
    EXPECT(data_file_write(&d, text, strlen(text), &why));
    EXPECT(data_file_keep(&d, id, &why));
    data_file_drop(&d);
    STORE_GOOD(store_file_insert(r->s, &f, &err));
}

TEST(a_file_of_rankings_becomes_a_set_and_leaves_in_another_format)
{
    room *r = room_new();
    put_file(r, "file-k",
             "{\"prompt\":\"one\",\"answers\":[{\"answer\":\"a\",\"rank\":2},"
             "{\"answer\":\"b\",\"rank\":1}]}\n\n"
             "{\"prompt\":[{\"role\":\"user\",\"content\":\"x\"},"
             "{\"role\":\"assistant\",\"content\":\"y\"},{\"role\":\"user\",\"content\":\"z\"}],"
             "\"answers\":[{\"answer\":\"c\",\"rank\":1},{\"answer\":\"d\",\"rank\":1}]}\n"
             "{\"prompt\":\"three\",\"answers\":[{\"answer\":\"e\",\"rank\":1}]}\n");
    built b = build(r, "{\"name\":\"k\",\"kind\":\"rm\",\"source\":\"file-k\"" ALL_TRAIN "}");
    EXPECT_EQ(b.train, 2);
    EXPECT_EQ(stage(&b, "consent", "in"), 3); /* a file's rows are nobody's to keep back */
    EXPECT_EQ(stage(&b, "consent", "out"), 3);
    EXPECT_EQ(stage(&b, "fit", "in"), 3);
    EXPECT_EQ(stage(&b, "fit", "out"), 2);
    const told t = call(r, control_dataset_export, b.id, "format=axolotl_rm", "");
    EXPECT_STR(t.text, "{\"input\":\"one\",\"chosen\":\"b\",\"rejected\":\"a\"}\n");
    EXPECT_EQ(t.left_out, 1);
    free(t.text);
    done(r, &b);
}

TEST(comparisons_of_one_prompt_all_train_and_copies_once)
{
    room *r = room_new();
    put_file(r, "file-p",
             "{\"prompt\":\"one\",\"chosen\":\"a\",\"rejected\":\"b\"}\n"
             "{\"prompt\":\"one\",\"chosen\":\"a\",\"rejected\":\"c\"}\n"
             "{\"prompt\":\"one\",\"chosen\":\"b\",\"rejected\":\"a\"}\n"
             "{\"prompt\":\"one\",\"chosen\":\"a\",\"rejected\":\"b\"}\n"
             "{\"prompt\":\"two\",\"chosen\":\"a\",\"rejected\":\"b\"}\n");
    built b = build(r, "{\"name\":\"p\",\"kind\":\"rm\",\"source\":\"file-p\"" ALL_TRAIN "}");
    EXPECT_EQ(stage(&b, "dedupe", "in"), 5);
    EXPECT_EQ(stage(&b, "dedupe", "out"), 4);
    EXPECT_EQ(b.train, 4);
    const told t = call(r, control_dataset_export, b.id, "format=axolotl_rm", "");
    EXPECT_STR(t.text, "{\"input\":\"one\",\"chosen\":\"a\",\"rejected\":\"b\"}\n"
                       "{\"input\":\"one\",\"chosen\":\"a\",\"rejected\":\"c\"}\n"
                       "{\"input\":\"one\",\"chosen\":\"b\",\"rejected\":\"a\"}\n"
                       "{\"input\":\"two\",\"chosen\":\"a\",\"rejected\":\"b\"}\n");
    free(t.text);
    done(r, &b);
}

static void expect_refused(room *r, const char *body, int status, const char *message)
{
    const told t = call(r, control_dataset_create, "", "", body);
    if (t.status != status || !strstr(t.text, message))
        FAIL("%s: %d '%s', expected %d '%s'", body, t.status, t.text, status, message);
    free(t.text);
}

TEST(refusals_name_what_is_wrong)
{
    room *r = room_new();
    put_file(r, "file-bad", "{\"prompt\":\"one\"}\n{\"prompt\":1}\n");
    expect_refused(r, "{\"kind\":\"rm\"}", 400, "name");
    expect_refused(r, "{\"name\":\"x\",\"kind\":\"dpo\"}", 400, "kind");
    expect_refused(r, "{\"name\":\"x\",\"kind\":\"rm\",\"fractions\":{\"train\":0.5}}", 400,
                   "fractions: expected a sum of 1, found 0.5");
    expect_refused(r, "{\"name\":\"x\",\"kind\":\"rm\",\"cap_per_user\":0}", 400, "cap_per_user");
    expect_refused(r, "{\"name\":\"x\",\"kind\":\"rm\",\"colour\":0}", 400, "colour");
    expect_refused(r, "{\"name\":\"x\",\"kind\":\"rm\",\"format\":\"oasst\"}", 400, "source");
    expect_refused(r, "{\"name\":\"x\",\"kind\":\"rm\",\"source\":\"file-none\"}", 404, "no file");
    expect_refused(r, "{\"name\":\"x\",\"kind\":\"rm\",\"source\":\"file-bad\",\"format\":\"x\"}",
                   400, "format: 'x' is not a format");
    expect_refused(r, "{\"name\":\"x\",\"kind\":\"ppo\",\"source\":\"file-bad\"}", 400,
                   "source: line 2: prompt: expected a string or a list of messages, found 1");
    const told t = call(r, control_datasets_list, "", "", "");
    EXPECT_STR(t.text, "{\"object\":\"list\",\"data\":[],\"has_more\":false}");
    free(t.text);
    done(r, NULL);
}
