/* The start: what lies on disk becomes what serves. Private to policy/. */
#ifndef DAEMON_POLICY_RECOVER_H
#define DAEMON_POLICY_RECOVER_H

#include "policy/state.h"

/* For each alias: the newest of its lines whose policy verifies and loads, else, for the default
 * alias, the base model; a line that had to be passed over costs the alias a new version. Missing
 * audit rows are added. `reset` points the default alias at the base model. Fails when the default
 * alias cannot be served as the operator would expect; other aliases are left out with a warning.
 * [loader thread] */
ENG_MUST_CHECK eng_status publisher_recover(publisher *p, bool reset, eng_error *err);

/* The highest number that a version of the alias has had, by its file and the audit; 0: none. Waits
 * for the store. */
uint64_t publisher_last_number(publisher *p, const alias_file *f);

#endif
