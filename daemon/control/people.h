/* /v1/me and /v1/votes: who somebody is, what they agreed to, and their votes. */
#ifndef DAEMON_CONTROL_PEOPLE_H
#define DAEMON_CONTROL_PEOPLE_H

#include "control/control.h"

control_fn control_me_get;      /* GET /v1/me */
control_fn control_consent_put; /* PUT /v1/me/consent */
control_fn control_data_delete; /* DELETE /v1/me/data */
control_fn control_vote_create; /* POST /v1/votes */

#endif
