/* One row of /v1/audit. Pure. */
#ifndef DAEMON_API_AUDIT_H
#define DAEMON_API_AUDIT_H

#include "base/buf.h"
#include "store/store.h"

/* {"seq","at","actor","event","object","prev","hash"} */
void api_audit_write(buf *out, const store_audit *a);

#endif
