/* The agreement page's figures as JSON. Pure. */
#ifndef DAEMON_API_AGREEMENT_H
#define DAEMON_API_AGREEMENT_H

#include "base/buf.h"
#include "human/agreement_report.h"

/* {"object":"label.agreement","kind","criterion_mode","overall":F,"labelers":[{"labeler","role","labels",
 *  "others":F,"gold":F+{"flags","alarm"}}],"weeks":[{"begins_at","agreement","with_ties","pairs"}]}
 * where F is {"agreement","low","high","with_ties","pairs","tasks"}: the strict share of pairs and
 * its interval, and the share in which ties count one half. A figure of no pairs is null. */
void api_agreement_write(buf *out, const char *kind, const char *mode, const agreement_report *r);

#endif
