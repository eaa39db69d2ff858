/* Damage at random, of candidates and of what lies on disk: all of it is found, and nothing else is
 * taken for it. INSTRUCTD_TEST_LONG=1: 1,000 candidates and 10,000 flipped bits, not a part
 * of them. */
#include "daemon/publish_fixture.h"
#include "formats/checkpoint.h"

#include <fcntl.h>

static uint32_t draw(uint32_t n)
{
    static uint64_t state = 20261126;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((state >> 33) % n);
}

static uint32_t rounds(uint32_t few, uint32_t many)
{
    const char *v = getenv("INSTRUCTD_TEST_LONG");
    return v && strcmp(v, "1") == 0 ? many : few;
}

/* ---- candidates ---- */

typedef struct damage {
    eng_weight *a, *b; /* b NULL: one tensor alone */
    const char *what;
} damage;

static bool is_matrix(const eng_weight *w)
{
    return strstr(w->name, "norm") == NULL && strstr(w->name, "bias") == NULL;
}

static void spoil_one(damage *d)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    d->what = "not finite";
    weights_floats(d->a)[draw((uint32_t)d->a->n)] = bad[draw(3)];
}

static void blank(damage *d)
{
    d->what = "all zeros";
    memset(weights_floats(d->a), 0, (size_t)d->a->n * sizeof(float));
}

static void scale(damage *d)
{
    static const float matrix[] = {0.1f, 0.4f, 2.5f, 30}, vector[] = {0.05f, 0.1f, 10, 30};
    const float by = (is_matrix(d->a) ? matrix : vector)[draw(4)];
    d->what = "the base's times";
    for (uint64_t i = 0; i < d->a->n; i++)
        weights_floats(d->a)[i] *= by;
}

/* With the same matrix of the other layer; false: it is none of a layer's. */
static bool swap(held_weights *h, damage *d)
{
    char other[64];
    snprintf(other, sizeof other, "%s", d->a->name);
    if (strncmp(other, "blk.", 4) != 0 || !is_matrix(d->a))
        return false;
    other[4] = other[4] == '0' ? '1' : '0';
    d->b = weights_find(h, other);
    d->what = "holds the base's";
    for (uint64_t i = 0; i < d->a->n; i++) {
        const float x = d->a->data[i];
        weights_floats(d->a)[i] = d->b->data[i];
        weights_floats(d->b)[i] = x;
    }
    return true;
}

static damage spoil(held_weights *h)
{
    damage d = {.a = &h->list[draw(h->weights.n)]};
    switch (draw(4)) {
    case 0:
        spoil_one(&d);
        return d;
    case 1:
        blank(&d);
        return d;
    case 2:
        scale(&d);
        return d;
    default:
        if (!swap(h, &d))
            spoil_one(&d);
        return d;
    }
}

static void restore(const eng_weight *w, const held_weights *good)
{
    for (uint32_t i = 0; w && i < good->weights.n; i++)
        if (strcmp(good->list[i].name, w->name) == 0)
            memcpy(weights_floats(w), good->list[i].data, (size_t)w->n * sizeof(float));
}

TEST(every_bad_candidate_is_refused_with_its_reason)
{
    lab l;
    char id[POLICY_ID_CHARS + 1];
    lab_open(&l, NULL);
    held_weights good = weights_hold(l.base);
    const uint32_t n = rounds(60, 1000);
    for (uint32_t i = 0; i < n; i++) {
        const damage d = spoil(&l.held);
        const publish_result got = lab_try(&l, "instruct", id);
        if (got != PUBLISH_REFUSED || !strstr(l.err.text, d.what) ||
            (!d.b && !strstr(l.err.text, d.a->name)))
            FAIL("candidate %u, %s %s: result %d \"%s\"", i, d.a->name, d.what, got, l.err.text);
        restore(d.a, &good);
        restore(d.b, &good);
    }
    EXPECT_EQ(metrics_get(l.metrics, METRIC_PUBLISHES_REFUSED), n);
    lab_expect_serves(&l, "instruct", lab_base_id(&l));
    EXPECT_EQ(lab_alias(&l, "instruct").version, 1);
    weights_free(&good);
    lab_close(&l);
}

TEST(no_good_candidate_is_refused)
{
    lab l;
    lab_open(&l, NULL);
    const uint32_t n = rounds(20, 300);
    for (uint32_t i = 0; i < n; i++)
        lab_publish(&l, "instruct"); /* fails the test when it is refused */
    EXPECT_EQ(metrics_get(l.metrics, METRIC_PUBLISHES_OK), n);
    EXPECT_EQ(metrics_get(l.metrics, METRIC_PUBLISHES_REFUSED), 0);
    lab_close(&l);
}

/* ---- what lies on disk ---- */

static const char *const files[] = {"manifest.json", "model.safetensors", "config.json",
                                    "tokenizer.json"};
enum { N_FILES = sizeof files / sizeof files[0] };

static void flip_bit(const char *path, uint64_t at, int bit)
{
    char byte;
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    EXPECT(fd >= 0 && pread(fd, &byte, 1, (off_t)at) == 1);
    byte ^= (char)(1 << bit);
    EXPECT(pwrite(fd, &byte, 1, (off_t)at) == 1);
    close(fd);
}

TEST(every_flipped_bit_of_a_policy_is_found)
{
    lab l;
    char dir[512], path[N_FILES][600], id[ENG_POLICY_ID_BYTES];
    struct stat st[N_FILES];
    eng_error err;
    lab_open(&l, NULL);
    const char *published = lab_publish(&l, "instruct");
    snprintf(dir, sizeof dir, "%s/policies/%s", l.data_dir, published);
    for (int f = 0; f < N_FILES; f++) {
        snprintf(path[f], sizeof path[f], "%s/%s", dir, files[f]);
        EXPECT_EQ(stat(path[f], &st[f]), 0);
    }
    const uint32_t n = rounds(400, 10000);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t f = draw(N_FILES), at = draw((uint32_t)st[f].st_size);
        const int bit = (int)draw(8);
        flip_bit(path[f], at, bit);
        const bool whole = eng_checkpoint_verify(dir, id, &err) == ENG_OK;
        if (whole && strcmp(id, published) == 0)
            FAIL("%s: bit %d of byte %u was not found", files[f], bit, at);
        flip_bit(path[f], at, bit);
    }
    EXPECT_OK(eng_checkpoint_verify(dir, id, &err), err);
    EXPECT_STR(id, published);
    lab_close(&l);
}
