/* That the heap which loading, checking and writing weights take is what eng_model_inspect tells,
 * neither less nor much more. Linked with -Wl,--wrap of the calls below. */
#include "formats/checkpoint.h"
#include "formats/descent.h"
#include "harness.h"
#include "held_weights.h"
#include "model_files.h"

#include <malloc.h>
#include <stdatomic.h>

enum { SLACK = 1 << 20 }; /* headers, vocabulary, names: nothing that grows with a matrix */

/* May fall below 0: what the C library took for us we give back. */
static atomic_llong held, most;

static void *took(void *p)
{
    const long long n = (long long)malloc_usable_size(p), now = atomic_fetch_add(&held, n) + n;
    for (long long seen = most; now > seen && !atomic_compare_exchange_weak(&most, &seen, now);)
        ;
    return p;
}

static void gives(void *p)
{
    atomic_fetch_sub(&held, (long long)malloc_usable_size(p));
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);

void *__wrap_malloc(size_t n)
{
    return took(__real_malloc(n));
}
void *__wrap_calloc(size_t n, size_t size)
{
    return took(__real_calloc(n, size));
}
void *__wrap_realloc(void *p, size_t n)
{
    gives(p);
    return took(__real_realloc(p, n));
}
void __wrap_free(void *p)
{
    gives(p);
    __real_free(p);
}

/* Of what is done from here on. */
static long long begin(void)
{
    const long long now = atomic_load(&held);
    atomic_store(&most, now);
    return now;
}

static void expect_true(const char *what, size_t told, long long before)
{
    const size_t took_most = (size_t)(atomic_load(&most) - before);
    if (took_most > told + SLACK || told > took_most + SLACK)
        FAIL("%s took %zu bytes, %zu were told", what, took_most, told);
}

static eng_model_facts facts_of(const char *path, eng_serve_type type)
{
    eng_model_facts facts;
    eng_error err;
    EXPECT_OK(eng_model_inspect(&facts, path, type, &err), err);
    return facts;
}

/* On one thread. */
static eng_model_facts expect_loading_true(const char *path, eng_serve_type type)
{
    const eng_model_facts facts = facts_of(path, type);
    const eng_model_options options = {.serve_type = type, .n_threads = 1};
    eng_model *model;
    eng_error err;
    const long long before = begin();
    EXPECT_OK(eng_model_open(&model, path, &options, &err), err);
    expect_true("loading", facts.load_scratch, before);
    eng_model_unref(model);
    return facts;
}

/* Checks and writes the model's own weights as a directory. */
static eng_model_facts expect_writing_true(const char *path, const char *dir)
{
    const eng_model_facts facts = facts_of(path, ENG_SERVE_AS_FILE);
    held_weights h = weights_hold(path);
    char id[ENG_POLICY_ID_BYTES];
    eng_error err;
    const long long before = begin();
    EXPECT_OK(eng_weights_check_descent(path, &h.weights, &err), err);
    EXPECT_OK(eng_checkpoint_write_weights(path, &h.weights, dir, NULL, id, &err), err);
    expect_true("checking and writing", facts.write_scratch, before);
    weights_free(&h);
    return facts;
}

static const char *in_dir(const char *name)
{
    static char paths[2][300];
    static unsigned turn;
    char *path = paths[turn++ % 2];
    snprintf(path, sizeof paths[0], "%s/%s", test_dir(), name);
    return path;
}

enum { EMBD = 512, FF = 8192, LARGEST = EMBD * FF * (int)sizeof(float) };

TEST(matrices_read_by_rows_take_a_piece_of_them)
{
    static const eng_serve_type types[] = {ENG_SERVE_AS_FILE, ENG_SERVE_BF16, ENG_SERVE_Q8_0};
    test_write_gguf(in_dir("m.gguf"), &(test_model_spec){.layers = 1, .embd = EMBD, .ff = FF});
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const eng_model_facts facts = expect_loading_true(in_dir("m.gguf"), types[i]);
        EXPECT(facts.load_scratch < SLACK);
    }
}

/* GPT-2 directories hold [in][out]. */
TEST(matrices_that_are_turned_take_two_of_the_largest)
{
    const test_model_spec spec = {.arch = "gpt2", .layers = 1, .embd = EMBD, .ff = FF};
    test_write_gguf(in_dir("gpt2.gguf"), &spec);
    const eng_model_facts written = expect_writing_true(in_dir("gpt2.gguf"), in_dir("gpt2"));
    EXPECT(written.write_scratch >= 2 * (size_t)LARGEST);
    const eng_model_facts loaded = expect_loading_true(in_dir("gpt2"), ENG_SERVE_Q8_0);
    EXPECT(loaded.load_scratch >= 2 * (size_t)LARGEST);
    EXPECT(written.load_scratch < SLACK); /* of the file, which holds them as they are used */
    EXPECT(written.reload_scratch <= loaded.load_scratch &&
           loaded.load_scratch < written.reload_scratch + SLACK);
}

TEST(weights_that_stay_as_they_are_are_written_through_one_tensor)
{
    test_write_gguf(in_dir("m.gguf"), &(test_model_spec){.layers = 1, .embd = EMBD, .ff = FF});
    const eng_model_facts facts = expect_writing_true(in_dir("m.gguf"), in_dir("m"));
    EXPECT(facts.write_scratch < 2 * (size_t)LARGEST);
    EXPECT(facts.reload_scratch < SLACK);
    expect_loading_true(in_dir("m"), ENG_SERVE_Q8_0);
}
