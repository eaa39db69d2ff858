#include "host/job_models.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static publish_result not_found(const char *name, error_text *err)
{
    error_text_set(err, "there is no model \"%.100s\"", name);
    return PUBLISH_NOT_FOUND;
}

/* A policy that is on disk alone: its id stands at the end of the name. */
static publish_result find_on_disk(publisher *versions, const char *name,
                                   char id[POLICY_ID_CHARS + 1], error_text *err)
{
    char path[PATH_MAX];
    const char *at = strrchr(name, '@');
    const char *wanted = at ? at + 1 : name;
    if (!policy_id_valid(wanted))
        return not_found(name, err);
    publish_result result = publisher_hold(versions, wanted, path, sizeof path, err);
    if (result == PUBLISH_NOT_FOUND)
        return not_found(name, err);
    if (result != PUBLISH_OK)
        return result;
    publisher_release(versions, wanted);
    memcpy(id, wanted, POLICY_ID_CHARS + 1);
    return PUBLISH_OK;
}

publish_result job_model_resolve(policy_registry *registry, publisher *versions, const char *name,
                                 char id[POLICY_ID_CHARS + 1], error_text *err)
{
    char label[96];
    policy *p;
    switch (policy_resolve(registry, name, &p, label)) {
    case POLICY_FOUND:
        memcpy(id, policy_id(p), POLICY_ID_CHARS + 1);
        policy_unref(p);
        return PUBLISH_OK;
    case POLICY_NOT_RESIDENT:
        return find_on_disk(versions, name, id, err);
    case POLICY_NO_MODEL:
    case POLICY_NOT_READY:
        break;
    }
    return not_found(name, err);
}
