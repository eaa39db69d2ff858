/* A plugin with one thing wrong, chosen by FAULT_...: what the loader must refuse. FAULT_NONE is
 * the plugin whole, so that a refusal of the others is known to come from their fault. */
#include "instructd_plugin.h"

#include <stdio.h>

static int check(const instructd_host *host, instructd_job *job, const instructd_job_spec *spec,
                 char *param, char *err)
{
    (void)host, (void)job, (void)spec, (void)param, (void)err;
    return INSTRUCTD_OK;
}

static int run(const instructd_host *host, instructd_job *job, const instructd_job_spec *spec,
               char *err)
{
    (void)host, (void)job, (void)spec, (void)err;
    return INSTRUCTD_OK;
}

static instructd_method method = {.size = sizeof method,
                                  .type = "broken",
                                  .schema_json = "{\"type\":\"object\"}",
                                  .check = check,
                                  .run = run};
static const instructd_method *methods[2] = {&method, &method};
static instructd_plugin plugin = {.size = sizeof plugin,
                                  .magic = INSTRUCTD_PLUGIN_MAGIC,
                                  .abi_major = INSTRUCTD_ABI_MAJOR,
                                  .abi_minor = INSTRUCTD_ABI_MINOR,
                                  .name = "broken",
                                  .version = "1",
                                  .n_methods = 1,
                                  .methods = methods};

static void break_it(void)
{
#if defined(FAULT_MAGIC)
    plugin.magic = 0x12345678;
#elif defined(FAULT_MAJOR)
    plugin.abi_major = INSTRUCTD_ABI_MAJOR + 1;
#elif defined(FAULT_MINOR)
    plugin.abi_minor = INSTRUCTD_ABI_MINOR + 1;
#elif defined(FAULT_SHORT_TABLE)
    plugin.size = offsetof(instructd_plugin, shutdown);
#elif defined(FAULT_NAME)
    plugin.name = "../broken";
#elif defined(FAULT_VERSION)
    plugin.version = NULL;
#elif defined(FAULT_NULL_METHOD)
    methods[0] = NULL;
#elif defined(FAULT_SHORT_METHOD)
    method.size = offsetof(instructd_method, run);
#elif defined(FAULT_TYPE)
    method.type = "Broken Method";
#elif defined(FAULT_SCHEMA)
    method.schema_json = "{\"type\":\"object\",\"properties\":{\"steps\":{\"type\":\"count\"}}}";
#elif defined(FAULT_NO_SCHEMA)
    method.schema_json = NULL;
#elif defined(FAULT_NO_CHECK)
    method.check = NULL;
#elif defined(FAULT_NO_RUN)
    method.run = NULL;
#elif defined(FAULT_TWICE)
    plugin.n_methods = 2; /* the same type two times */
#endif
}

#if defined(FAULT_NO_ENTRY)
INSTRUCTD_EXPORT const instructd_plugin *instructd_plugin_entrance(void);
const instructd_plugin *instructd_plugin_entrance(void)
{
    break_it();
    return &plugin;
}
#else
const instructd_plugin *instructd_plugin_entry(const instructd_host *host, char *err)
{
    (void)host;
    break_it();
    const instructd_plugin *whole = &plugin;
#if defined(FAULT_DECLINES)
    snprintf(err, INSTRUCTD_ERROR_BYTES, "this machine has no abacus");
    whole = NULL;
#else
    (void)err;
#endif
    return whole;
}
#endif
