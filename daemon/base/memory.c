#include "base/memory.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A small file of the kernel's; false: it is not there. */
static bool slurp(const char *path, char *out, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, out, cap - 1);
    close(fd);
    out[n > 0 ? n : 0] = 0;
    return n > 0;
}

/* The number behind `key` at the start of a line. */
static bool find_number(const char *text, const char *key, uint64_t *out)
{
    const size_t n = strlen(key);
    for (const char *at = text; at; at = strchr(at, '\n'), at = at ? at + 1 : NULL)
        if (strncmp(at, key, n) == 0) {
            *out = strtoull(at + n, NULL, 10);
            return true;
        }
    return false;
}

static uint64_t system_available(void)
{
    char text[4096];
    uint64_t kib;
    if (!slurp("/proc/meminfo", text, sizeof text) || !find_number(text, "MemAvailable:", &kib))
        return UINT64_MAX;
    return kib * 1024;
}

/* Of the control group (version 2) that the process sees as its root: pages of files that nobody
 * uses are given back before the limit strikes. */
static uint64_t group_available(void)
{
    char text[8192];
    uint64_t limit, used, cached = 0;
    if (!slurp("/sys/fs/cgroup/memory.max", text, sizeof text) || text[0] < '0' || text[0] > '9')
        return UINT64_MAX;
    limit = strtoull(text, NULL, 10);
    if (!slurp("/sys/fs/cgroup/memory.current", text, sizeof text))
        return UINT64_MAX;
    used = strtoull(text, NULL, 10);
    if (slurp("/sys/fs/cgroup/memory.stat", text, sizeof text))
        find_number(text, "inactive_file ", &cached);
    used = used > cached ? used - cached : 0;
    return limit > used ? limit - used : 0;
}

uint64_t memory_available(void)
{
    const uint64_t system = system_available(), group = group_available();
    return system < group ? system : group;
}
