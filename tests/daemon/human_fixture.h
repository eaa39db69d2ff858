/* People, prompts, tasks and labels in a store, for the tests of the human side. */
#ifndef TESTS_DAEMON_HUMAN_FIXTURE_H
#define TESTS_DAEMON_HUMAN_FIXTURE_H

#include "daemon/store_fixture.h"
#include "store/store_human.h"

#include <string.h>

enum { NOTICE = 1, NOW = 1700000000 };

static inline void choose(store *s, const char *user, bool share)
{
    const store_consent c = {.notice = NOTICE, .share = share, .decided_at = NOW};
    STORE_GOOD(store_consent_put(s, user, &c, &err));
}

/* Posts a prompt whose id is also its request's. */
static inline void type(store *s, const char *user, const char *id, const char *text)
{
    store_prompt p = {.id = strdup(id),
                      .user = strdup(user),
                      .form = strdup("text"),
                      .prompt = strdup(text),
                      .output = strdup("an answer"),
                      .policy = strdup("pol_0123456789abcdef"),
                      .request = strdup(id),
                      .notice = NOTICE,
                      .created_at = NOW};
    EXPECT(store_prompt_post(s, &p));
}

/* A task of two outputs, "<id>-a" and "<id>-b"; none for demo. */
static inline store_task a_task(const char *id, const char *kind, const char *owner)
{
    static store_output outputs[64][2];
    static char ids[64][2][80];
    static unsigned turn;
    const unsigned t = turn++ % 64;
    for (int i = 0; i < 2; i++) {
        snprintf(ids[t][i], sizeof ids[t][i], "%s-%c", id, 'a' + i);
        outputs[t][i] = (store_output){ids[t][i], "pol_0123456789abcdef", "a text"};
    }
    const bool demo = strcmp(kind, "demo") == 0;
    return (store_task){.id = (char *)id,
                        .kind = (char *)kind,
                        .criterion = "general",
                        .owner = (char *)owner,
                        .form = "text",
                        .prompt = "What is a river?",
                        .policies = "",
                        .created_by = "boss",
                        .k = demo ? 0 : 2,
                        .max_tokens = 16,
                        .overlap = 1,
                        .guideline = 1,
                        .created_at = NOW,
                        .outputs = demo ? NULL : outputs[t],
                        .n_outputs = demo ? 0 : 2};
}

static inline void add_task(store *s, store_task t)
{
    STORE_GOOD(store_tasks_insert(s, &t, 1, &err));
}

static inline const char *role_of(const char *labeler)
{
    return strncmp(labeler, "boss", 4) == 0   ? "researcher"
           : strncmp(labeler, "held", 4) == 0 ? "heldout"
                                              : "trainer";
}

/* The id of the task that the labeler is given, "" for none. */
static inline const char *lease(store *s, const char *kind, const char *labeler, const char *after,
                                int64_t now)
{
    static char ids[4][64];
    static unsigned turn;
    char *id = ids[turn++ % 4];
    const store_labeler who = {
        .user = labeler, .role = role_of(labeler), .reference = strncmp(labeler, "boss", 4) == 0};
    store_task t;
    int64_t expires;
    error_text err = {{0}};
    const store_status status = store_task_lease(s, kind, &who, after, now, &t, &expires, &err);
    if (status != STORE_OK && status != STORE_NOT_FOUND)
        FAIL("store_task_lease is %d: %s", (int)status, err.text);
    snprintf(id, 64, "%s", status == STORE_OK ? t.id : "");
    if (status == STORE_OK)
        EXPECT_EQ(expires, now + STORE_LEASE_S);
    store_task_free(&t);
    return id;
}

/* A ranking of one of a_task's: a before b. */
static inline store_ranking a_ranking(const char *name, const char *labeler, const char *task)
{
    static char json[16][3][256];
    static unsigned turn;
    char(*j)[256] = json[turn++ % 16];
    snprintf(j[0], sizeof j[0], "[\"%s-a\",\"%s-b\"]", task, task);
    snprintf(j[1], sizeof j[1], "[[\"%s-a\"],[\"%s-b\"]]", task, task);
    snprintf(j[2], sizeof j[2], "ranking-%s-%s", labeler, name);
    return (store_ranking){.id = j[2],
                           .submission = (char *)name,
                           .labeler = (char *)labeler,
                           .role = (char *)role_of(labeler),
                           .task = (char *)task,
                           .shown_json = j[0],
                           .ratings_json = "[]",
                           .groups_json = j[1],
                           .rate_ms = 1000,
                           .rank_ms = 2000,
                           .created_at = NOW};
}

static inline store_submitted rank(store *s, const char *name, const char *labeler,
                                   const char *task)
{
    store_submitted out;
    const store_ranking r = a_ranking(name, labeler, task);
    STORE_GOOD(store_ranking_insert(s, &r, &out, &err));
    return out;
}

static inline store_demonstration a_demonstration(const char *name, const char *labeler,
                                                  const char *task)
{
    static char ids[8][64];
    static unsigned turn;
    char *id = ids[turn++ % 8];
    snprintf(id, 64, "demo-%s-%s", labeler, name);
    return (store_demonstration){.id = id,
                                 .submission = (char *)name,
                                 .labeler = (char *)labeler,
                                 .role = (char *)role_of(labeler),
                                 .task = (char *)task,
                                 .prompt_kind = "plain",
                                 .prompt = "What is a river?",
                                 .category = "open_qa",
                                 .completion = "Water that flows.",
                                 .source = "written",
                                 .guideline = 1,
                                 .created_at = NOW};
}

/* "id id " of the prompts that data sets may see. */
static inline const char *prompts(store *s)
{
    static char text[256];
    store_prompt *rows;
    size_t n;
    text[0] = 0;
    STORE_GOOD(store_train_prompts(s, 0, 100, &rows, &n, &err));
    for (size_t i = 0; i < n; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s ", rows[i].id);
        store_prompt_free(&rows[i]);
    }
    free(rows);
    return text;
}

/* "labeler:kind " of rankings. */
static inline const char *rankings(store *s, bool train)
{
    static char text[256];
    store_ranking *rows;
    size_t n;
    text[0] = 0;
    if (train)
        STORE_GOOD(store_train_rankings(s, 0, 100, &rows, &n, &err));
    else
        STORE_GOOD(store_heldout_rankings(s, "general", 0, 100, &rows, &n, &err));
    for (size_t i = 0; i < n; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s:%s ", rows[i].labeler,
                 rows[i].kind);
        store_ranking_free(&rows[i]);
    }
    free(rows);
    return text;
}

/* Is the text anywhere in the database or its log? */
static inline bool on_disk(const char *text)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    bool found = false;
    for (int i = 0; i < 4 && !found; i++) {
        char path[600];
        size_t len;
        snprintf(path, sizeof path, "%s%s", fixture_path(), suffixes[i]);
        FILE *f = fopen(path, "rb");
        if (!f)
            continue;
        fclose(f);
        char *bytes = test_read_file(path, &len);
        found = memmem(bytes, len, text, strlen(text)) != NULL;
        free(bytes);
    }
    return found;
}

#endif
