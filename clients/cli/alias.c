#include "alias.h"

#include "json.h"
#include "names.h"

#include <stdio.h>
#include <string.h>

enum { PATH_ROOM = 128 };

static exit_code fetch(server *s, const char *name, cJSON **alias, char etag[64], problem *p)
{
    char path[PATH_ROOM];
    snprintf(path, sizeof path, "/v1/aliases/%s", name);
    return server_call(s, &(http_call){.path = path}, alias, NULL, etag, p);
}

exit_code alias_fetch(server *s, const char *name, cJSON **alias, char etag[64], problem *p)
{
    exit_code code = fetch(s, name, alias, etag, p);
    if (code != EXIT_DONE && p->status == 404)
        problem_hint(p, "instruct aliases lists them; --create makes %s", name);
    return code;
}

exit_code alias_resolve(server *s, const char *name, char policy[ALIAS_POLICY_ROOM], problem *p)
{
    cJSON *alias = NULL;
    const char *id = name;
    exit_code code = EXIT_DONE;
    if (strncmp(name, "pol_", 4) != 0) {
        code = fetch(s, name, &alias, NULL, p);
        id = json_string(alias, "policy");
    }
    if (code == EXIT_DONE && (!id || !name_is_id(id)))
        code = problem_set(p, EXIT_USAGE, "\"%.80s\" is no policy", id ? id : name);
    if (code == EXIT_DONE)
        snprintf(policy, ALIAS_POLICY_ROOM, "%s", id);
    cJSON_Delete(alias);
    return code;
}
