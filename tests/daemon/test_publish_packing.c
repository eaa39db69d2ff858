/* Where a publish packs weights, when, and into what: on the publisher's worker, never on the
 * thread that asks; while the gate of spare time is open; into memory of which the process keeps
 * one block to spare, however many publishes follow one another. Linked with -Wl,--wrap of the
 * calls below. */
#include "base/block.h"
#include "base/thread_roles.h"
#include "daemon/publish_fixture.h"
#include "policy/state.h"

#include <pthread.h>
#include <stdatomic.h>

/* ---- blocks of weights ---- */

enum { BLOCKS = 64 };

/* Of each block that weights were packed into and that the system has not got back. */
static struct {
    pthread_mutex_t mutex; /* recursive: sparing a block frees another */
    void *block[BLOCKS];   /* (m) or NULL */
    bool spare[BLOCKS];    /* (m) */
    uint32_t packed;       /* (m) */
    pthread_t packer;      /* (m) of the last */
    uint32_t lost;         /* (m) blocks there was no place for */
    uint32_t most_spare;   /* (m) ever at once */
} blocks = {.mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP};

void *__real_eng_block_reuse(size_t bytes);
void __real_eng_block_spare(void *block, size_t bytes);
int __real_munmap(void *block, size_t bytes);
void *__wrap_eng_block_reuse(size_t bytes);
void __wrap_eng_block_spare(void *block, size_t bytes);
int __wrap_munmap(void *block, size_t bytes);

/* Under the mutex: where a block stands, or a free place; NULL for neither. */
static void **find_block(void *block)
{
    for (size_t i = 0; i < BLOCKS; i++)
        if (blocks.block[i] == block)
            return &blocks.block[i];
    return NULL;
}

/* Under the mutex. */
static uint32_t count_blocks(bool spare)
{
    uint32_t n = 0;
    for (size_t i = 0; i < BLOCKS; i++)
        n += blocks.block[i] && blocks.spare[i] == spare;
    return n;
}

/* Under the mutex. */
static void note_block(void *block, bool spare)
{
    void **at = find_block(block);
    if (!at)
        at = find_block(NULL);
    if (!at) {
        blocks.lost++;
        return;
    }
    *at = block;
    blocks.spare[at - blocks.block] = spare;
    if (count_blocks(true) > blocks.most_spare)
        blocks.most_spare = count_blocks(true);
}

void *__wrap_eng_block_reuse(size_t bytes)
{
    pthread_mutex_lock(&blocks.mutex);
    void *block = __real_eng_block_reuse(bytes);
    if (block)
        note_block(block, false);
    blocks.packed++;
    blocks.packer = pthread_self();
    pthread_mutex_unlock(&blocks.mutex);
    return block;
}

void __wrap_eng_block_spare(void *block, size_t bytes)
{
    pthread_mutex_lock(&blocks.mutex);
    __real_eng_block_spare(block, bytes);
    if (block)
        note_block(block, true);
    pthread_mutex_unlock(&blocks.mutex);
}

int __wrap_munmap(void *block, size_t bytes)
{
    pthread_mutex_lock(&blocks.mutex);
    void **at = find_block(block);
    if (at)
        *at = NULL;
    const int rc = __real_munmap(block, bytes);
    pthread_mutex_unlock(&blocks.mutex);
    return rc;
}

static uint32_t packed_so_far(void)
{
    pthread_mutex_lock(&blocks.mutex);
    const uint32_t n = blocks.packed;
    pthread_mutex_unlock(&blocks.mutex);
    return n;
}

TEST(publishes_in_a_row_hold_one_spare_block)
{
    enum { PUBLISHES = 12 };
    lab l;
    lab_open(&l, NULL);
    const uint32_t before = packed_so_far();
    for (int i = 0; i < PUBLISHES; i++)
        lab_publish(&l, "instruct");
    EXPECT_EQ(packed_so_far() - before, PUBLISHES);
    lab_close(&l); /* the last policies go, and the reaper with what it had to do */
    EXPECT_EQ(blocks.lost, 0);
    EXPECT_EQ(blocks.most_spare, 1);
    EXPECT_EQ(count_blocks(true), 1);
    EXPECT_EQ(count_blocks(false), 0);
}

/* ---- threads ---- */

static atomic_uint threads_begun;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*fn)(void *arg), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*fn)(void *arg), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*fn)(void *arg), void *arg)
{
    atomic_fetch_add(&threads_begun, 1);
    return __real_pthread_create(thread, attributes, fn, arg);
}

static void tell_self(void *thread)
{
    assert_may_wait(); /* of what serving waits for, it is neither */
    *(pthread_t *)thread = pthread_self();
}

/* Weights have been packed since there were `packed` blocks, by the publisher's worker, which
 * nobody helped. */
static void expect_packed_by_worker(lab *l, uint32_t packed, unsigned begun)
{
    pthread_t self;
    publisher_run(l->publisher, tell_self, &self);
    EXPECT(!pthread_equal(self, pthread_self()));
    pthread_mutex_lock(&blocks.mutex);
    const bool any = blocks.packed > packed, by_worker = pthread_equal(blocks.packer, self);
    pthread_mutex_unlock(&blocks.mutex);
    EXPECT(any);
    EXPECT(by_worker);
    EXPECT_EQ(threads_begun, begun);
}

TEST(weights_are_packed_by_the_publishers_worker_whoever_asks)
{
    lab l;
    char raw[POLICY_ID_CHARS + 1];
    lab_open(&l, NULL);
    unsigned begun = threads_begun;
    uint32_t packed = packed_so_far();
    lab_publish(&l, "instruct");
    expect_packed_by_worker(&l, packed, begun);
    packed = packed_so_far();
    const publish_weights w = lab_request(&l, NULL).weights;
    EXPECT_EQ(publisher_load_raw(l.publisher, &w, raw, &l.err), PUBLISH_OK);
    expect_packed_by_worker(&l, packed, begun);
    publisher_unload(l.publisher, raw);
    const char *spare = lab_publish(&l, NULL);
    lab_restart(&l); /* which brings in the previous policy meanwhile, perhaps */
    begun = threads_begun;
    packed = packed_so_far();
    EXPECT_EQ(publisher_ensure(l.publisher, spare, &l.err), PUBLISH_OK);
    expect_packed_by_worker(&l, packed, begun);
    lab_close(&l);
}

/* ---- room ---- */

/* What the system has, and how often it was asked. 0: the truth. */
static atomic_uint_least64_t available;
static atomic_uint asked, short_for; /* a byte is missing for so many times */

uint64_t __real_memory_available(void);
uint64_t __wrap_memory_available(void);
uint64_t __wrap_memory_available(void)
{
    const uint64_t bytes = atomic_load(&available);
    const unsigned times = atomic_fetch_add(&asked, 1);
    return bytes ? bytes - (times < atomic_load(&short_for)) : __real_memory_available();
}

static void set_available(uint64_t bytes, unsigned short_times)
{
    atomic_store(&asked, 0);
    atomic_store(&short_for, short_times);
    atomic_store(&available, bytes);
}

static uint64_t more_of(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* The worker is through with what its start brings. */
static void settle(lab *l)
{
    pthread_t self;
    publisher_run(l->publisher, tell_self, &self);
}

static void expect_room_is_what_it_takes(const char *arch)
{
    lab l;
    eng_model_facts f;
    eng_error err;
    lab_open(&l, &(test_model_spec){.arch = arch, .layers = 1, .embd = 128, .ff = 1024});
    settle(&l);
    EXPECT_OK(eng_model_inspect(&f, l.base, ENG_SERVE_F32, &err), err);
    set_available(more_of(f.write_scratch, f.bytes + f.reload_scratch), 1);
    const char *id = lab_publish(&l, NULL); /* there is nothing to drop: it waits */
    EXPECT_EQ(asked, 2);
    set_available(0, 0);
    lab_restart(&l);
    settle(&l);
    char path[64];
    snprintf(path, sizeof path, "policies/%s", id);
    EXPECT_OK(eng_model_inspect(&f, lab_path(&l, path), ENG_SERVE_F32, &err), err);
    set_available(f.bytes + f.load_scratch, 1);
    EXPECT_EQ(publisher_ensure(l.publisher, id, &l.err), PUBLISH_OK);
    EXPECT_EQ(asked, 2);
    set_available(0, 0);
    lab_close(&l);
}

TEST(a_policy_takes_room_for_itself_and_for_what_making_it_holds)
{
    expect_room_is_what_it_takes("llama");
}

TEST(a_policy_whose_directory_holds_matrices_turned_takes_room_to_turn_them)
{
    expect_room_is_what_it_takes("gpt2");
}

/* ---- spare time ---- */

typedef struct publishing {
    lab *lab;
    char id[POLICY_ID_CHARS + 1];
    publish_result result;
    atomic_bool ended;
} publishing;

static void *publish(void *arg)
{
    publishing *p = arg;
    p->result = lab_try(p->lab, "instruct", p->id);
    atomic_store(&p->ended, true);
    return NULL;
}

/* False: the publish has ended. It may, in one opening, when the system lets nobody close again. */
static bool waits_at_gate(const publishing *p, spare_time *t)
{
    while (!atomic_load(&t->waiting) && !atomic_load(&p->ended))
        usleep(100);
    return !atomic_load(&p->ended);
}

TEST(a_publish_goes_on_only_while_the_gate_is_open)
{
    enum { OPENINGS = 20 };
    lab l;
    pthread_t thread;
    spare_time t = {.percent = 10};
    publishing p = {.lab = &l};
    lab_prepare(&l, NULL);
    l.options.spare = &t;
    EXPECT_OK(lab_start(&l), l.open_err);
    settle(&l);
    weights_nudge(&l.held, 1e-3f);
    spare_time_close(&t);
    EXPECT_EQ(pthread_create(&thread, NULL, publish, &p), 0);
    EXPECT(waits_at_gate(&p, &t)); /* a publish is many pieces: it waits again and again */
    for (int i = 0; i < OPENINGS && waits_at_gate(&p, &t); i++) {
        EXPECT_EQ(t.wanting, 1);
        EXPECT_EQ(lab_alias(&l, "instruct").version, 1);
        spare_time_open(&t);
        spare_time_close(&t);
    }
    spare_time_open(&t);
    pthread_join(thread, NULL);
    EXPECT_EQ(p.result, PUBLISH_OK);
    EXPECT_EQ(lab_alias(&l, "instruct").version, 2);
    settle(&l);
    EXPECT_EQ(t.waiting, 0);
    lab_close(&l);
    EXPECT_EQ(t.wanting, 0);
}

/* Wishes while files were synced. */
static struct {
    spare_time *time; /* NULL: nobody looks */
    atomic_uint syncs, wanting;
} at_sync;

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    if (at_sync.time) {
        atomic_fetch_add(&at_sync.syncs, 1);
        atomic_fetch_add(&at_sync.wanting, at_sync.time->wanting);
    }
    return __real_fsync(fd);
}

TEST(spare_time_is_not_wanted_while_the_disk_is_waited_for)
{
    enum { FILES = 6, FOLDERS = 3 }; /* of the draft; it, policies/ and aliases/, and the alias */
    lab l;
    spare_time t = {.percent = 10};
    lab_prepare(&l, NULL);
    l.options.spare = &t;
    EXPECT_OK(lab_start(&l), l.open_err);
    settle(&l);
    at_sync.time = &t;
    lab_publish(&l, "instruct");
    at_sync.time = NULL;
    EXPECT_EQ(at_sync.syncs, FILES + FOLDERS + 1);
    EXPECT_EQ(at_sync.wanting, 0);
    settle(&l);
    EXPECT_EQ(t.wanting, 0);
    lab_close(&l);
}
