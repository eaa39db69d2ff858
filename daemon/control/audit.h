/* /v1/audit. */
#ifndef DAEMON_CONTROL_AUDIT_H
#define DAEMON_CONTROL_AUDIT_H

#include "control/control.h"

control_fn control_audit_list;

#endif
