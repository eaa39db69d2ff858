/* /v1/policies and /v1/aliases: what there is, and moving names. */
#ifndef DAEMON_CONTROL_POLICIES_H
#define DAEMON_CONTROL_POLICIES_H

#include "control/control.h"

control_fn control_policies_list;     /* GET /v1/policies */
control_fn control_policy_get;        /* GET /v1/policies/{id} */
control_fn control_policy_delete;     /* DELETE /v1/policies/{id} */
control_fn control_policy_files_list; /* GET /v1/policies/{id}/files */
control_fn control_policy_file_get;   /* GET /v1/policies/{id}/files/{name} */
control_fn control_aliases_list;      /* GET /v1/aliases */
control_fn control_alias_get;         /* GET /v1/aliases/{name} */
control_fn control_alias_put;         /* PUT /v1/aliases/{name} */
control_fn control_alias_rollback;    /* POST /v1/aliases/{name}/rollback */
control_fn control_alias_history;     /* GET /v1/aliases/{name}/history */

#endif
