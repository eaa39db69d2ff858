/* Every system call of this program that changes a file system, counted, and one of them made to
 * fail or to be the last: the process dies before it, or in the middle of a write.
 *
 * Calls inside one directory count, once armed. Syncing is counted and not done: a killed process
 * loses nothing that the kernel has. What a power cut loses is another matter: all calls are
 * written to a log in shared memory, from which the parent of a killed child makes a disk as the
 * cut could have left it (calls_cut_power).
 *
 * Works by defining the C library's functions, so include it in one file of a program; libraries
 * call these too. Where that cannot be (sanitizers, another libc) FAULTS_CALLS stays undefined. */
#ifndef TESTS_FAULT_FAULT_CALLS_H
#define TESTS_FAULT_FAULT_CALLS_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FAULTS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FAULTS_SANITIZED 1
#endif
#endif
#if defined(__linux__) && defined(__GLIBC__) && defined(__x86_64__) && !defined(FAULTS_SANITIZED)
#define FAULTS_CALLS 1
#endif

typedef enum call_kind {
    CALL_CREATE, /* a file that was not there */
    CALL_MKDIR,
    CALL_WRITE,
    CALL_SYNC,
    CALL_RENAME,
    CALL_UNLINK,
    CALL_NOTHING /* the system refused it */
} call_kind;

enum { CALLS_MAX = 2048, CALLS_PATH = 256, CALLS_FULL = 4 * CALLS_PATH };

typedef struct call {
    call_kind kind;
    char path[CALLS_PATH]; /* below the directory; of a rename, the old name */
    char to[CALLS_PATH];
    int kept; /* of a rename that replaced a file: its content is <log directory>/<kept> */
} call;

/* In memory that a child shares with its parent. */
typedef struct calls {
    char root[2 * CALLS_PATH],
        keep[2 * CALLS_PATH]; /* the directory; where replaced files are kept */
    atomic_bool armed;
    atomic_int n;  /* calls since it was armed */
    int strike_at; /* 1..: which call; 0: none */
    int error;     /* errno of that call; 0: the process is killed there */
    atomic_bool struck;
    atomic_int n_log;
    call log[CALLS_MAX];
    char told[4][64]; /* what the child tells its parent */
} calls;

/* The one of this process; NULL until calls_share. */
static calls *calls_state;

static inline calls *calls_share(void)
{
    calls *c = mmap(NULL, sizeof *c, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    calls_state = c == MAP_FAILED ? NULL : c;
    return calls_state;
}

/* Counts from here on what happens below root; keep lies elsewhere. */
static inline void calls_arm(const char *root, const char *keep, int strike_at, int error)
{
    calls *c = calls_state;
    snprintf(c->root, sizeof c->root, "%s/", root);
    snprintf(c->keep, sizeof c->keep, "%s", keep);
    c->n = 0;
    c->n_log = 0;
    c->struck = false;
    c->strike_at = strike_at;
    c->error = error;
    c->armed = true;
}

static inline void calls_disarm(void)
{
    calls_state->armed = false;
}

#ifdef FAULTS_CALLS

/* ---- where a call happens ---- */

/* The path below root, or false. */
static inline bool calls_place(int dir_fd, const char *path, char out[CALLS_PATH])
{
    char full[CALLS_FULL], link[64];
    if (!calls_state || !calls_state->armed)
        return false;
    if (path && path[0] == '/') {
        snprintf(full, sizeof full, "%s", path);
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", dir_fd);
        ssize_t n = readlink(link, full, CALLS_PATH - 1);
        if (n <= 0)
            return false;
        snprintf(full + n, sizeof full - (size_t)n, path ? "/%s" : "%s", path ? path : "");
    }
    const size_t root = strlen(calls_state->root);
    if (strncmp(full, calls_state->root, root) != 0 || strlen(full + root) >= CALLS_PATH)
        return false;
    memcpy(out, full + root, strlen(full + root) + 1);
    return true;
}

/* Writes the call down. What is to become of it: */
typedef enum call_fate {
    CALL_GOES_ON,
    CALL_FAILS,  /* errno is set */
    CALL_ENDS_US /* a write: in the middle of it */
} call_fate;

static inline call_fate calls_enter(call_kind kind, const char *path, const char *to, call **log)
{
    calls *c = calls_state;
    const int n = ++c->n; /* one at a time, or nearly: which of two is first does not matter */
    if (n == c->strike_at) {
        c->struck = true;
        if (!c->error && (kind != CALL_WRITE || n % 2))
            kill(getpid(), SIGKILL);
        errno = c->error;
        return c->error ? CALL_FAILS : CALL_ENDS_US;
    }
    const int at = c->n_log++;
    if (at >= CALLS_MAX)
        abort();
    *log = &c->log[at];
    **log = (call){.kind = kind};
    snprintf((*log)->path, CALLS_PATH, "%s", path);
    snprintf((*log)->to, CALLS_PATH, "%s", to ? to : "");
    return CALL_GOES_ON;
}

/* What the system said; a call that it refused changed nothing. */
static inline long calls_leave(call *log, long result)
{
    if (result < 0 && log)
        log->kind = CALL_NOTHING;
    return result;
}

/* The content of the file that a rename is about to replace. */
static inline void calls_keep(call *log)
{
    const calls *c = calls_state;
    char from[CALLS_FULL], to[CALLS_FULL], data[4096];
    snprintf(from, sizeof from, "%s%s", c->root, log->to);
    int in = (int)syscall(SYS_openat, AT_FDCWD, from, O_RDONLY, 0);
    if (in < 0)
        return;
    log->kept = 1 + (int)(log - c->log);
    snprintf(to, sizeof to, "%s/%d", c->keep, log->kept);
    int out = (int)syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    for (ssize_t n; (n = read(in, data, sizeof data)) > 0;)
        syscall(SYS_write, out, data, (size_t)n);
    close(out);
    close(in);
}

/* ---- the calls ---- */

#define EXPORTED __attribute__((visibility("default")))

static inline int calls_open(int dir_fd, const char *path, int flags, mode_t mode)
{
    char at[CALLS_PATH];
    call *log = NULL;
    if ((flags & O_CREAT) && syscall(SYS_faccessat, dir_fd, path, F_OK) != 0 &&
        calls_place(dir_fd, path, at) && calls_enter(CALL_CREATE, at, NULL, &log) != CALL_GOES_ON)
        return -1;
    return (int)calls_leave(log, syscall(SYS_openat, dir_fd, path, flags, mode));
}

#define OPEN_MODE(flags, mode)                                                                     \
    mode_t mode = 0;                                                                               \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                         \
        va_list args;                                                                              \
        va_start(args, flags);                                                                     \
        mode = va_arg(args, mode_t);                                                               \
        va_end(args);                                                                              \
    }

EXPORTED int open(const char *path, int flags, ...)
{
    OPEN_MODE(flags, mode)
    return calls_open(AT_FDCWD, path, flags, mode);
}
EXPORTED int open64(const char *path, int flags, ...)
{
    OPEN_MODE(flags, mode)
    return calls_open(AT_FDCWD, path, flags, mode);
}
EXPORTED int openat(int dir_fd, const char *path, int flags, ...)
{
    OPEN_MODE(flags, mode)
    return calls_open(dir_fd, path, flags, mode);
}
EXPORTED int openat64(int dir_fd, const char *path, int flags, ...)
{
    OPEN_MODE(flags, mode)
    return calls_open(dir_fd, path, flags, mode);
}

static inline ssize_t calls_write(int fd, const void *data, size_t n, off_t at, bool positioned)
{
    char path[CALLS_PATH];
    call *log = NULL;
    const call_fate fate =
        calls_place(fd, NULL, path) ? calls_enter(CALL_WRITE, path, NULL, &log) : CALL_GOES_ON;
    if (fate == CALL_FAILS)
        return -1;
    if (fate == CALL_ENDS_US)
        n = n / 2;
    const ssize_t put =
        positioned ? syscall(SYS_pwrite64, fd, data, n, at) : syscall(SYS_write, fd, data, n);
    if (fate == CALL_ENDS_US)
        kill(getpid(), SIGKILL);
    return put;
}

EXPORTED ssize_t write(int fd, const void *data, size_t n)
{
    return calls_write(fd, data, n, 0, false);
}
EXPORTED ssize_t pwrite(int fd, const void *data, size_t n, off_t at)
{
    return calls_write(fd, data, n, at, true);
}
EXPORTED ssize_t pwrite64(int fd, const void *data, size_t n, off_t at)
{
    return calls_write(fd, data, n, at, true);
}

static inline int calls_sync(int fd)
{
    char path[CALLS_PATH];
    call *log = NULL;
    return calls_place(fd, NULL, path) && calls_enter(CALL_SYNC, path, NULL, &log) != CALL_GOES_ON
               ? -1
               : 0;
}

EXPORTED int fsync(int fd)
{
    return calls_sync(fd);
}
EXPORTED int fdatasync(int fd)
{
    return calls_sync(fd);
}

EXPORTED int mkdirat(int dir_fd, const char *path, mode_t mode)
{
    char at[CALLS_PATH];
    call *log = NULL;
    if (calls_place(dir_fd, path, at) && calls_enter(CALL_MKDIR, at, NULL, &log) != CALL_GOES_ON)
        return -1;
    return (int)calls_leave(log, syscall(SYS_mkdirat, dir_fd, path, mode));
}
EXPORTED int mkdir(const char *path, mode_t mode)
{
    return mkdirat(AT_FDCWD, path, mode);
}

EXPORTED int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    char a[CALLS_PATH], b[CALLS_PATH];
    call *log = NULL;
    if (calls_place(from_fd, from, a) && calls_place(to_fd, to, b)) {
        if (calls_enter(CALL_RENAME, a, b, &log) != CALL_GOES_ON)
            return -1;
        if (!(flags & RENAME_NOREPLACE))
            calls_keep(log);
    }
    return (int)calls_leave(log, syscall(SYS_renameat2, from_fd, from, to_fd, to, flags));
}
EXPORTED int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    return renameat2(from_fd, from, to_fd, to, 0);
}
EXPORTED int rename(const char *from, const char *to)
{
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

EXPORTED int unlinkat(int dir_fd, const char *path, int flags)
{
    char at[CALLS_PATH];
    call *log = NULL;
    if (calls_place(dir_fd, path, at) && calls_enter(CALL_UNLINK, at, NULL, &log) != CALL_GOES_ON)
        return -1;
    return (int)calls_leave(log, syscall(SYS_unlinkat, dir_fd, path, flags));
}
EXPORTED int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}
EXPORTED int rmdir(const char *path)
{
    return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}
#undef EXPORTED

/* ---- a power cut ---- */

/* Follows one path through a rename of it or of a directory above it. */
static inline void calls_follow(char path[CALLS_PATH], const call *renamed)
{
    char moved[CALLS_FULL];
    const size_t n = strlen(renamed->path);
    if (strncmp(path, renamed->path, n) != 0 || (path[n] != '/' && path[n] != 0))
        return;
    snprintf(moved, sizeof moved, "%s%s", renamed->to, path + n);
    snprintf(path, CALLS_PATH, "%.255s", moved);
}

static inline bool calls_in_dir(const char *path, const char *dir)
{
    const size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && path[n] == '/' && !strchr(path + n + 1, '/');
}

/* Was what call i did made durable by a later sync: of the file for a write, of the directory for a
 * name? */
static inline bool calls_durable(int i)
{
    const calls *c = calls_state;
    char path[CALLS_PATH], to[CALLS_PATH];
    memcpy(path, c->log[i].path, sizeof path);
    memcpy(to, c->log[i].to, sizeof to);
    for (int k = i + 1; k < c->n_log; k++) {
        const call *l = &c->log[k];
        if (l->kind == CALL_RENAME) {
            calls_follow(path, l);
            calls_follow(to, l);
        }
        if (l->kind != CALL_SYNC)
            continue;
        if (c->log[i].kind == CALL_WRITE
                ? strcmp(l->path, path) == 0
                : calls_in_dir(path, l->path) || (to[0] && calls_in_dir(to, l->path)))
            return true;
    }
    return false;
}

/* Did a rename that is not undone carry the file on that call i made? Then it is there. */
static inline bool calls_carried(int i, const bool *undone)
{
    const calls *c = calls_state;
    bool carried = false;
    for (int k = i + 1; k < c->n_log && !carried; k++)
        carried = c->log[i].kind == CALL_CREATE && c->log[k].kind == CALL_RENAME && !undone[k] &&
                  strcmp(c->log[k].path, c->log[i].path) == 0;
    return carried;
}

/* Takes one call back. path, to: where its files are now. */
static inline void calls_undo(const call *l, const char *path, const char *to)
{
    const calls *c = calls_state;
    char a[CALLS_FULL], b[CALLS_FULL], kept[CALLS_FULL];
    snprintf(a, sizeof a, "%s%s", c->root, path);
    snprintf(b, sizeof b, "%s%s", c->root, to);
    snprintf(kept, sizeof kept, "%s/%d", c->keep, l->kept);
    switch (l->kind) {
    case CALL_WRITE:
        if (truncate(a, 0) != 0)
            return; /* it was removed since */
        break;
    case CALL_CREATE:
        unlink(a);
        break;
    case CALL_MKDIR:
        rmdir(a); /* unless what was made in it is still there */
        break;
    case CALL_RENAME:
        rename(b, a);
        if (l->kept)
            rename(kept, b);
        break;
    default:
        break; /* what is gone may be gone */
    }
}

/* Takes back what the dead child did and did not make durable, newest first; each with the given
 * chance in 256, drawn from *seed. The database is left as it is: all of it durable is one of the
 * states that a cut can leave. */
static inline void calls_cut_power(uint32_t *seed, unsigned chance)
{
    static bool undone[CALLS_MAX];
    calls *c = calls_state;
    c->armed = false;
    memset(undone, 0, sizeof undone);
    for (int i = c->n_log - 1; i >= 0; i--) {
        char path[CALLS_PATH], to[CALLS_PATH];
        *seed = *seed * 1664525u + 1013904223u;
        if (strstr(c->log[i].path, "instructd.db") || (*seed >> 24) >= chance || calls_durable(i) ||
            calls_carried(i, undone))
            continue;
        memcpy(path, c->log[i].path, sizeof path);
        memcpy(to, c->log[i].to, sizeof to);
        for (int k = i + 1; k < c->n_log; k++)
            if (c->log[k].kind == CALL_RENAME && !undone[k]) {
                calls_follow(path, &c->log[k]);
                calls_follow(to, &c->log[k]);
            }
        calls_undo(&c->log[i], path, to);
        undone[i] = true;
    }
}

#endif
#endif
