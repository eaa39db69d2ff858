/* SQLite's file system with faults: the n-th call that changes a file fails, once or until it is
 * mended. Becomes the default of the process. */
#ifndef TESTS_DAEMON_FAULT_VFS_H
#define TESTS_DAEMON_FAULT_VFS_H

#include <limits.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

typedef struct fault_file {
    sqlite3_file base;
    sqlite3_file *real; /* lies behind this struct */
} fault_file;

static atomic_int fault_countdown; /* calls until the fault; < 0: it has struck; INT_MAX: none */
static atomic_int fault_lasts;     /* 1: every call after it fails too */
static atomic_int fault_code;

/* The n-th call from now on fails with `code` (SQLITE_FULL, SQLITE_IOERR_FSYNC, ...). */
static inline void fault_arm(int n, int code, bool lasts)
{
    fault_code = code;
    fault_lasts = lasts;
    fault_countdown = n;
}

/* Has it struck since it was armed? */
static inline bool fault_mend(void)
{
    const bool struck = fault_countdown <= 0;
    fault_countdown = INT_MAX;
    return struck;
}

static inline bool fault_strikes(void)
{
    if (fault_countdown == INT_MAX)
        return false;
    const int left = atomic_fetch_sub(&fault_countdown, 1) - 1;
    return left == 0 || (left < 0 && fault_lasts);
}

static inline sqlite3_file *real_of(sqlite3_file *f)
{
    return ((fault_file *)(void *)f)->real;
}

static inline int fault_close(sqlite3_file *f)
{
    return real_of(f)->pMethods->xClose(real_of(f));
}

static inline int fault_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at)
{
    return real_of(f)->pMethods->xRead(real_of(f), to, n, at);
}

static inline int fault_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 at)
{
    return fault_strikes() ? fault_code : real_of(f)->pMethods->xWrite(real_of(f), from, n, at);
}

static inline int fault_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    return fault_strikes() ? fault_code : real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static inline int fault_sync(sqlite3_file *f, int flags)
{
    return fault_strikes() ? fault_code : real_of(f)->pMethods->xSync(real_of(f), flags);
}

static inline int fault_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return real_of(f)->pMethods->xFileSize(real_of(f), size);
}

static inline int fault_lock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xLock(real_of(f), level);
}

static inline int fault_unlock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static inline int fault_check_lock(sqlite3_file *f, int *out)
{
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static inline int fault_control(sqlite3_file *f, int op, void *arg)
{
    return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static inline int fault_sector(sqlite3_file *f)
{
    return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static inline int fault_device(sqlite3_file *f)
{
    return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

/* Version 1 has no shared memory: enough for an exclusive connection. */
static const sqlite3_io_methods fault_methods = {
    .iVersion = 1,
    .xClose = fault_close,
    .xRead = fault_read,
    .xWrite = fault_write,
    .xTruncate = fault_truncate,
    .xSync = fault_sync,
    .xFileSize = fault_size,
    .xLock = fault_lock,
    .xUnlock = fault_unlock,
    .xCheckReservedLock = fault_check_lock,
    .xFileControl = fault_control,
    .xSectorSize = fault_sector,
    .xDeviceCharacteristics = fault_device,
};

static inline int fault_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                             int *out)
{
    sqlite3_vfs *real = vfs->pAppData;
    fault_file *f = (fault_file *)(void *)file;
    f->real = (sqlite3_file *)(void *)(f + 1);
    const int rc = real->xOpen(real, name, f->real, flags, out);
    f->base.pMethods = rc == SQLITE_OK ? &fault_methods : NULL;
    return rc;
}

static inline void fault_install(void)
{
    static sqlite3_vfs vfs;
    if (vfs.pAppData)
        return;
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    vfs = *real;
    vfs.pNext = NULL;
    vfs.zName = "fault";
    vfs.pAppData = real;
    vfs.szOsFile = (int)sizeof(fault_file) + real->szOsFile;
    vfs.xOpen = fault_open;
    fault_countdown = INT_MAX;
    sqlite3_vfs_register(&vfs, 1);
}

#endif
