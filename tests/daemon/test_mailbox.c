#include "bridge/mailbox.h"
#include "bridge/messages.h"
#include "harness.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

typedef struct letter {
    mail mail;
    uint32_t from, number;
} letter;

static void count_ring(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

static letter *write_letter(uint32_t from, uint32_t number)
{
    letter *l = calloc(1, sizeof *l);
    l->from = from;
    l->number = number;
    return l;
}

static bool post_one(mailbox *box, uint32_t number)
{
    letter *l = write_letter(0, number);
    bool ok = mailbox_post(box, &l->mail);
    if (!ok)
        free(l);
    return ok;
}

/* Takes all, expecting them to be numbered first, first + 1, ...; returns how many there were. */
static uint32_t take_all(mailbox *box, uint32_t first)
{
    uint32_t n = 0;
    for (mail *m = mailbox_take(box), *next; m; m = next) {
        next = m->next;
        EXPECT_EQ(((letter *)(void *)m)->number, first + n);
        n++;
        free(m);
    }
    return n;
}

TEST(messages_come_out_in_the_order_they_went_in)
{
    mailbox box;
    EXPECT(mailbox_init(&box, 100, NULL, NULL));
    EXPECT(mailbox_take(&box) == NULL);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 10; i++)
            EXPECT(post_one(&box, i));
        EXPECT_EQ(mailbox_count(&box), 10);
        EXPECT_EQ(take_all(&box, 0), 10);
        EXPECT_EQ(mailbox_count(&box), 0);
    }
    mailbox_destroy(&box);
}

TEST(chain_is_posted_whole_or_not_at_all)
{
    mailbox box;
    EXPECT(mailbox_init(&box, 5, NULL, NULL));
    for (uint32_t round = 0; round < 2; round++) {
        letter *chain[3];
        for (uint32_t i = 0; i < 3; i++)
            chain[i] = write_letter(0, round * 3 + i);
        chain[0]->mail.next = &chain[1]->mail;
        chain[1]->mail.next = &chain[2]->mail;
        EXPECT_EQ(mailbox_post(&box, &chain[0]->mail), round == 0);
        for (uint32_t i = 0; round && i < 3; i++)
            free(chain[i]);
    }
    EXPECT(post_one(&box, 3));
    EXPECT(post_one(&box, 4));
    EXPECT(!post_one(&box, 5));
    EXPECT_EQ(take_all(&box, 0), 5);
    EXPECT(post_one(&box, 0)); /* there is room again */
    EXPECT_EQ(take_all(&box, 0), 1);
    mailbox_destroy(&box);
}

TEST(doorbell_rings_only_when_the_box_was_empty)
{
    mailbox box;
    atomic_int rings = 0;
    EXPECT(mailbox_init(&box, 2, count_ring, &rings));
    EXPECT(post_one(&box, 0));
    EXPECT(post_one(&box, 1));
    EXPECT(!post_one(&box, 2));
    EXPECT_EQ(rings, 1);
    EXPECT_EQ(take_all(&box, 0), 2);
    EXPECT_EQ(rings, 1);
    EXPECT(post_one(&box, 0));
    EXPECT_EQ(rings, 2);
    EXPECT_EQ(take_all(&box, 0), 1);
    mailbox_destroy(&box);
}

TEST(refused_post_into_an_empty_box_does_not_ring)
{
    mailbox box;
    atomic_int rings = 0;
    EXPECT(mailbox_init(&box, 0, count_ring, &rings));
    EXPECT(!post_one(&box, 0));
    EXPECT_EQ(rings, 0);
    mailbox_destroy(&box);
}

TEST(wait_tells_a_message_from_a_timeout)
{
    mailbox box;
    EXPECT(mailbox_init(&box, 2, NULL, NULL));
    EXPECT(!mailbox_wait(&box, 0));
    EXPECT(!mailbox_wait(&box, 5));
    EXPECT(post_one(&box, 0));
    EXPECT(mailbox_wait(&box, 0));
    EXPECT(mailbox_wait(&box, 1500));
    EXPECT(mailbox_wait(&box, -1));
    EXPECT_EQ(take_all(&box, 0), 1);
    EXPECT(!mailbox_wait(&box, 1));
    mailbox_destroy(&box);
}

/* ---- several threads ---- */

enum { POSTERS = 4, LETTERS = 2000 };

typedef struct poster {
    mailbox *box;
    uint32_t number;
} poster;

static void *post_letters(void *arg)
{
    const poster *p = arg;
    for (uint32_t i = 0; i < LETTERS; i++) {
        letter *l = write_letter(p->number, i);
        while (!mailbox_post(p->box, &l->mail))
            sched_yield();
    }
    return NULL;
}

TEST(letters_of_several_threads_arrive_once_and_in_each_ones_order)
{
    mailbox box;
    atomic_int rings = 0;
    pthread_t threads[POSTERS];
    poster posters[POSTERS];
    uint32_t next[POSTERS] = {0}, total = 0;
    int takes = 0;
    EXPECT(mailbox_init(&box, 64, count_ring, &rings));
    for (uint32_t t = 0; t < POSTERS; t++) {
        posters[t] = (poster){.box = &box, .number = t};
        EXPECT_EQ(pthread_create(&threads[t], NULL, post_letters, &posters[t]), 0);
    }
    while (total < POSTERS * LETTERS) {
        EXPECT(mailbox_wait(&box, 60 * 1000));
        EXPECT(mailbox_count(&box) <= 64);
        mail *m = mailbox_take(&box);
        takes += m != NULL;
        for (mail *after; m; m = after) {
            letter *l = (letter *)(void *)m;
            after = m->next;
            EXPECT_EQ(l->number, next[l->from]);
            next[l->from]++;
            total++;
            free(l);
        }
    }
    for (uint32_t t = 0; t < POSTERS; t++)
        pthread_join(threads[t], NULL);
    EXPECT_EQ(rings, takes); /* once for each time it was emptied */
    EXPECT(mailbox_take(&box) == NULL);
    mailbox_destroy(&box);
}

/* ---- what the messages own ---- */

TEST(freeing_messages_frees_all_they_own)
{
    gen_request *r = gen_request_create();
    cmd *c = cmd_create(CMD_SUBMIT, 7);
    c->request = gen_request_ref(r);
    EXPECT_EQ(c->request_id, 7);
    cmd_free(c);
    EXPECT_EQ(r->refs, 1);
    r->prompts = calloc(2, sizeof *r->prompts);
    r->n_prompts = 2;
    r->prompts[0].tokens = calloc(3, sizeof(int32_t));
    r->prompts[1].text = strdup("x");
    r->stops = calloc(1, sizeof *r->stops);
    r->n_stops = 1;
    r->stops[0].text = strdup("stop");
    r->stop_ids = calloc(1, sizeof(int32_t));
    r->sampling.bias = calloc(1, sizeof(eng_logit_bias));
    gen_request_unref(r);

    event *e = event_create(EV_CHUNK, 8);
    e->chunk.text = strdup("text");
    e->chunk.ids = calloc(1, sizeof(int32_t));
    e->chunk.tokens = calloc(2, sizeof *e->chunk.tokens);
    e->chunk.n_tokens = 2;
    e->chunk.tokens[1].top = calloc(1, sizeof(eng_top_logprob));
    event_free(e);
    event_free(NULL);
    cmd_free(NULL);
    gen_request_unref(NULL);
}
