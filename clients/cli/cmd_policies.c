#include "actions.h"
#include "alias.h"
#include "commands.h"
#include "json.h"
#include "listing.h"
#include "object.h"

#include <stdio.h>

enum { PATH_ROOM = 128 };

static void put_policy(const cJSON *policy, table *t)
{
    const cJSON *lineage = cJSON_GetObjectItemCaseSensitive(policy, "lineage");
    bool resident = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(policy, "resident"));
    table_cell(t, json_string(policy, "id"));
    table_cell(t, json_string(policy, "stage"));
    table_cell(t, json_string(policy, "state"));
    table_cell(t, resident ? "yes" : "no");
    table_cell(t, json_string(policy, "dtype"));
    table_cellf(t, "%.0f", json_number(policy, "bytes", 0));
    table_cell(t, json_string(lineage, "parent"));
    table_time(t, json_number(policy, "created_at", 0));
}

static exit_code list(const action_context *a, problem *p)
{
    static const char *const headings[] = {"ID",    "STAGE", "STATE",  "RESIDENT",
                                           "DTYPE", "BYTES", "PARENT", "CREATED"};
    static const listing policies = {"/v1/policies", "policies", headings, 8, put_policy};
    return listing_print(a->server, a->o, &policies, a->out, p);
}

static exit_code show(const action_context *a, problem *p)
{
    char path[PATH_ROOM], policy[ALIAS_POLICY_ROOM];
    exit_code code = alias_resolve(a->server, a->name, policy, p);
    if (code != EXIT_DONE)
        return code;
    snprintf(path, sizeof path, "/v1/policies/%s", policy);
    return object_show(a->server, a->o, path, a->out, p);
}

static exit_code delete (const action_context *a, problem *p)
{
    char path[PATH_ROOM];
    snprintf(path, sizeof path, "/v1/policies/%s", a->name);
    return object_delete(a->server, a->o, path, a->name, a->out, p);
}

exit_code cmd_policies(const options *o, terminal *out, terminal *err, problem *p)
{
    static const action actions[] = {
        {"list", ACTION_ALONE, list},
        {"show", ACTION_ID, show},
        {"delete", ACTION_IDS, delete},
    };
    return actions_run(actions, sizeof actions / sizeof actions[0], "a policy", o, out, err, p);
}
