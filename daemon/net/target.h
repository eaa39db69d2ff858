/* Request targets and Host values, taken apart. Pure. */
#ifndef DAEMON_NET_TARGET_H
#define DAEMON_NET_TARGET_H

#include <stdbool.h>
#include <stddef.h>

typedef struct target {
    const char *authority; /* of http://authority/path; NULL for /path */
    size_t authority_len;
    const char *path; /* from '/' on, or "*" */
    size_t path_len;
    const char *query; /* after '?', "" if none; NUL-terminated, a fragment included */
} target;

/* raw passed the head gate; the result points into it. */
target target_split(const char *raw);
/* Length of the host in "host[:port]", brackets of an IPv6 address included; 0 if malformed. */
size_t target_host_len(const char *host, size_t len);

#endif
