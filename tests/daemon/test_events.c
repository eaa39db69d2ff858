#include "harness.h"

#include "base/limits.h"
#include "host/events.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALL = TOPIC_POLICY | TOPIC_ALIAS | TOPIC_JOB | TOPIC_ROLLOUT };

static void publish(events *e, event_topic topic, const char *subject, int number)
{
    char json[32];
    snprintf(json, sizeof json, "{\"n\":%d}", number);
    events_publish(e, topic, "job.metrics", subject, json);
}

/* The numbers of what is after *since, as "1 2 3"; "lost " in front when some are gone. */
static const char *after(events *e, uint64_t *since, unsigned topics, const char *subject,
                         size_t cap)
{
    static char text[256];
    static event_record out[LIMIT_EVENTS];
    bool lost = false;
    const size_t n = events_after(e, since, topics, subject, out, cap, &lost);
    strcpy(text, lost ? "lost" : "");
    for (size_t i = 0; i < n; i++) {
        if (i < 8)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%d", *text ? " " : "",
                     atoi(out[i].json + 5));
        free(out[i].json);
    }
    return text;
}

TEST(a_reader_gets_each_event_once_in_order)
{
    events *e = events_create();
    uint64_t since = events_last(e);
    EXPECT_EQ(since, 0);
    EXPECT_STR(after(e, &since, ALL, NULL, 8), "");
    publish(e, TOPIC_JOB, "ftjob-a", 1);
    publish(e, TOPIC_ALIAS, "instruct", 2);
    EXPECT_STR(after(e, &since, ALL, NULL, 8), "1 2");
    EXPECT_STR(after(e, &since, ALL, NULL, 8), "");
    publish(e, TOPIC_JOB, "ftjob-a", 3);
    EXPECT_STR(after(e, &since, ALL, NULL, 8), "3");
    EXPECT(since == events_last(e));
    events_free(e);
}

TEST(a_reader_gets_its_topics_and_its_subject_alone)
{
    events *e = events_create();
    publish(e, TOPIC_JOB, "ftjob-a", 1);
    publish(e, TOPIC_JOB, "ftjob-b", 2);
    publish(e, TOPIC_ALIAS, "instruct", 3);
    uint64_t since = 0;
    EXPECT_STR(after(e, &since, TOPIC_JOB, NULL, 8), "1 2");
    EXPECT(since == events_last(e)); /* what is not wanted has been looked at */
    since = 0;
    EXPECT_STR(after(e, &since, TOPIC_JOB | TOPIC_ALIAS, "ftjob-b", 8), "2");
    events_free(e);
}

TEST(a_full_page_goes_on_where_it_ended)
{
    events *e = events_create();
    for (int i = 1; i <= 5; i++)
        publish(e, i % 2 ? TOPIC_JOB : TOPIC_ALIAS, "x", i);
    uint64_t since = 0;
    EXPECT_STR(after(e, &since, TOPIC_JOB, NULL, 2), "1 3");
    EXPECT_STR(after(e, &since, TOPIC_JOB, NULL, 2), "5");
    events_free(e);
}

TEST(a_slow_reader_is_told_and_goes_on_from_the_oldest_left)
{
    events *e = events_create();
    publish(e, TOPIC_JOB, "x", 0);
    uint64_t since = events_last(e);
    for (int i = 1; i <= LIMIT_EVENTS + 5; i++)
        publish(e, TOPIC_JOB, "x", i);
    EXPECT_STR(after(e, &since, ALL, NULL, 3), "lost 6 7 8");
    EXPECT_STR(after(e, &since, ALL, NULL, 2), "9 10");
    events_free(e);
}

TEST(the_memory_of_the_bus_is_bounded_in_bytes_too)
{
    events *e = events_create();
    const size_t len = LIMIT_EVENTS_BYTES / 4;
    char *json = malloc(len + 1);
    for (int i = 0; i < 10; i++) {
        memset(json, 'x', len);
        json[len] = 0;
        memcpy(json, "{\"n\":", 5);
        json[5] = (char)('0' + i);
        events_publish(e, TOPIC_JOB, "job.metrics", "x", json);
    }
    free(json);
    uint64_t since = 0;
    EXPECT_STR(after(e, &since, ALL, NULL, 10), "lost 6 7 8 9");
    events_free(e);
}

TEST(an_id_of_another_process_counts_as_lost)
{
    events *e = events_create();
    publish(e, TOPIC_JOB, "x", 1);
    uint64_t since = events_last(e) - ((uint64_t)60 << 20); /* started a minute before */
    EXPECT_STR(after(e, &since, ALL, NULL, 8), "lost 1");
    since = events_last(e) + ((uint64_t)60 << 20); /* by a clock that has since been put back */
    EXPECT_STR(after(e, &since, ALL, NULL, 8), "lost 1");
    events_free(e);
}

TEST(long_names_are_cut)
{
    events *e = events_create();
    char name[200];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    events_publish(e, TOPIC_JOB, name, name, "{}");
    uint64_t since = 0;
    event_record r;
    bool lost;
    EXPECT_EQ(events_after(e, &since, ALL, NULL, &r, 1, &lost), 1);
    EXPECT_EQ(strlen(r.name), sizeof r.name - 1);
    EXPECT_EQ(strlen(r.subject), sizeof r.subject - 1);
    free(r.json);
    events_free(e);
}

static void count(void *arg)
{
    ++*(int *)arg;
}

TEST(the_doorbell_rings_until_it_is_taken_away)
{
    events *e = events_create();
    int rings = 0;
    events_on_publish(e, count, &rings);
    publish(e, TOPIC_JOB, "x", 1);
    publish(e, TOPIC_JOB, "x", 2);
    EXPECT_EQ(rings, 2);
    events_on_publish(e, NULL, NULL);
    publish(e, TOPIC_JOB, "x", 3);
    EXPECT_EQ(rings, 2);
    events_free(e);
}

enum { WRITERS = 4, EACH = 2000 };

static void *write_many(void *e)
{
    for (int i = 0; i < EACH; i++)
        publish(e, TOPIC_JOB, "x", i);
    return NULL;
}

TEST(many_publishers_get_ids_of_their_own)
{
    events *e = events_create();
    publish(e, TOPIC_JOB, "x", 0);
    const uint64_t before = events_last(e);
    pthread_t threads[WRITERS];
    for (int i = 0; i < WRITERS; i++)
        pthread_create(&threads[i], NULL, write_many, e);
    uint64_t since = before;
    event_record out[16];
    for (int i = 0; i < 100; i++) { /* reads while they write */
        bool lost;
        uint64_t last = 0;
        const size_t n = events_after(e, &since, ALL, NULL, out, 16, &lost);
        for (size_t j = 0; j < n; j++) {
            EXPECT(out[j].id > last);
            last = out[j].id;
            free(out[j].json);
        }
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    EXPECT_EQ(events_last(e) - before, WRITERS * EACH);
    events_free(e);
}
