/* A process that dies, and a disk that fails, at any call of a checkpoint: the job goes on to the
 * same bits. fsync, rename and pread are wrapped by the linker; the job that dies does so in a
 * child. */
#include "rlhf_fixture.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the trap ---- */

static struct {
    uint64_t calls, at;
    bool dies; /* else the call fails with EIO, and all after it */
} trap;

static bool sprung(void)
{
    trap.calls++;
    if (!trap.at || trap.calls < trap.at)
        return false;
    if (trap.dies)
        raise(SIGKILL);
    errno = EIO;
    return true;
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    return sprung() ? -1 : __real_fsync(fd);
}

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to)
{
    return sprung() ? -1 : __real_rename(from, to);
}

/* Reads fail once, at the one that is counted out. */
static uint64_t reads, bad_read;

ssize_t __real_pread(int fd, void *to, size_t n, off_t at);
ssize_t __wrap_pread(int fd, void *to, size_t n, off_t at);
ssize_t __wrap_pread(int fd, void *to, size_t n, off_t at)
{
    if (++reads != bad_read)
        return __real_pread(fd, to, n, at);
    errno = EIO;
    return -1;
}

/* ---- the job ---- */

static const char *const ROWS = "{\"prompt\":\"a\",\"completion\":\"b\"}\n"
                                "{\"prompt\":\"c\",\"completion\":\"d\"}\n";

/* Four epochs, each judged, so each with a checkpoint. */
static const mock_job SPEC = {
    .method = "supervised",
    .model = "base",
    .training_file = "file-a",
    .validation_file = "file-a",
    .seed = 9,
    .method_json =
        "{\"hyperparameters\":{\"n_epochs\":4,\"batch_size\":1,\"learning_rate\":0.01}}"};

/* The base model is there already. */
static mock_host *host_again(void)
{
    mock_host *m = mock_host_create(&(mock_options){.dir = test_dir()});
    mock_host_policy(m, "base", in_dir("base"));
    mock_host_file(m, "file-a", ROWS);
    return m;
}

/* What an undisturbed job publishes, and how many calls of the trap it makes before that. */
static uint64_t run_whole(char id[INSTRUCTD_POLICY_ID_BYTES])
{
    make_model("base", "llama", false, 1);
    mock_host *m = host_again();
    trap.calls = trap.at = 0;
    mock_host_must_run(m, &SPEC);
    strcpy(id, mock_host_publish(m, 0)->id);
    mock_host_free(m);
    return trap.calls;
}

static bool child_dies_at(uint64_t call)
{
    int status;
    pid_t child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
        trap.calls = 0;
        trap.at = call;
        trap.dies = true;
        mock_host_must_run(host_again(), &SPEC);
        _exit(0);
    }
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

TEST(a_job_killed_at_any_sync_or_rename_goes_on_bit_for_bit)
{
    char whole[INSTRUCTD_POLICY_ID_BYTES];
    uint64_t calls = run_whole(whole);
    EXPECT(calls > 20);
    mock_job again = SPEC;
    again.resumed = true;
    for (uint64_t call = 1; call <= calls; call++) {
        EXPECT(child_dies_at(call));
        mock_host *m = host_again();
        trap.at = 0;
        mock_host_must_run(m, &again);
        EXPECT_STR(mock_host_publish(m, 0)->id, whole);
        mock_host_free(m);
    }
}

TEST(a_disk_that_fails_costs_checkpoints_but_not_the_job)
{
    char whole[INSTRUCTD_POLICY_ID_BYTES], param[64], err[512];
    uint64_t calls = run_whole(whole);
    for (uint64_t call = 1; call < calls; call += 5) {
        mock_host *m = host_again();
        trap.calls = 0;
        trap.at = call;
        trap.dies = false;
        int code = mock_host_run(m, &SPEC, param, err);
        trap.at = 0;
        EXPECT(mock_host_last_step(m) == 8);
        /* Publishing needs the disk too: that is the host's to refuse. */
        EXPECT(code == INSTRUCTD_OK || code == INSTRUCTD_E_NOT_FINITE);
        if (call < 6)
            EXPECT(mock_host_had_event(m, "no checkpoint: "));
        mock_host_free(m);
    }
}

/* Overfits: the first epoch judges best, so its weights are read back at the end. */
static mock_host *host_that_overfits(mock_job *spec)
{
    mock_host *m = host_again();
    mock_host_file(m, "file-b", "{\"prompt\":\"a\",\"completion\":\"x\"}\n");
    *spec = SPEC;
    spec->validation_file = "file-b";
    spec->method_json =
        "{\"hyperparameters\":{\"n_epochs\":3,\"batch_size\":2,\"learning_rate\":0.1}}";
    return m;
}

/* What the job publishes; false if reading the data or publishing, which are not at stake here,
 * failed it. */
static bool publish_with(uint64_t read, bool judged, char id[INSTRUCTD_POLICY_ID_BYTES],
                         bool *fell_back)
{
    mock_job spec;
    char param[64], err[512];
    mock_host *m = host_that_overfits(&spec);
    if (!judged)
        spec.validation_file = NULL;
    reads = 0;
    bad_read = read;
    const bool published = mock_host_run(m, &spec, param, err) == INSTRUCTD_OK;
    bad_read = 0;
    *fell_back = mock_host_had_event(m, "are lost, the last are taken");
    if (published)
        strcpy(id, mock_host_publish(m, 0)->id);
    else
        EXPECT(strncmp(err, "publish: ", 9) == 0 || mock_host_last_step(m) == 0);
    mock_host_free(m);
    return published;
}

TEST(the_best_weights_are_read_back_whole_or_the_last_ones_stay)
{
    char best[INSTRUCTD_POLICY_ID_BYTES], last[INSTRUCTD_POLICY_ID_BYTES],
        id[INSTRUCTD_POLICY_ID_BYTES];
    bool fell_back;
    make_model("base", "llama", false, 1);
    EXPECT(publish_with(0, false, last, &fell_back));
    EXPECT(publish_with(0, true, best, &fell_back));
    EXPECT(!fell_back);
    EXPECT(strcmp(best, last) != 0);
    const uint64_t all = reads;
    uint64_t failures = 0;
    for (uint64_t back = 0; back < 120 && back < all; back++) {
        if (!publish_with(all - back, true, id, &fell_back))
            continue;
        EXPECT_STR(id, fell_back ? last : best);
        failures += fell_back;
    }
    EXPECT(failures > 20); /* the sums, and each tensor */
}
