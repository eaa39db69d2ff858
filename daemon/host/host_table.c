#include "host/host_table.h"

#include "base/log.h"
#include "host/lent.h"

#include <stdlib.h>

struct host_table {
    instructd_host abi; /* first: a plugin's pointer to it is a pointer to this */
    train_pool *pool;
};

static void lent_log(const instructd_host *host, int level, const char *message)
{
    static const log_level levels[] = {LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR};
    (void)host;
    unsigned known =
        (unsigned)level < sizeof levels / sizeof levels[0] ? (unsigned)level : INSTRUCTD_LOG_ERROR;
    log_event(levels[known], "plugin_says", "%s", message);
}

train_pool *host_table_pool(const instructd_host *abi)
{
    return ((const host_table *)(const void *)abi)->pool;
}

static uint32_t lent_pool_width(const instructd_host *host)
{
    return train_pool_width(host_table_pool(host));
}

static void lent_pool_run(const instructd_host *host, uint32_t n,
                          void (*fn)(void *arg, uint32_t i, uint32_t member), void *arg)
{
    train_pool_run(host_table_pool(host), n, fn, arg);
}

host_table *host_table_create(uint32_t train_threads, spare_time *spare, const char *version,
                              const char *sampler_dtype, error_text *err)
{
    host_table *h = calloc(1, sizeof *h);
    if (!h) {
        error_text_set(err, "out of memory");
        return NULL;
    }
    h->pool = train_pool_create(train_threads, spare, err);
    if (!h->pool) {
        free(h);
        return NULL;
    }
    h->abi = (instructd_host){.size = sizeof h->abi,
                              .abi_major = INSTRUCTD_ABI_MAJOR,
                              .abi_minor = INSTRUCTD_ABI_MINOR,
                              .version = version,
                              .log = lent_log,
                              .pool_width = lent_pool_width,
                              .pool_run = lent_pool_run,
                              .sampler_dtype = sampler_dtype};
    lent_tell(&h->abi);
    lent_data(&h->abi);
    lent_sample(&h->abi);
    lent_publish(&h->abi);
    return h;
}

void host_table_free(host_table *h)
{
    if (!h)
        return;
    train_pool_free(h->pool);
    free(h);
}

const instructd_host *host_table_abi(const host_table *h)
{
    return &h->abi;
}
