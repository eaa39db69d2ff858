/* Judgements of toxicity tasks: out of their stored rows, and the figures made of them as JSON.
 * Pure.
 */
#ifndef DAEMON_API_TOXICITY_H
#define DAEMON_API_TOXICITY_H

#include "base/buf.h"
#include "human/toxicity_report.h"
#include "store/store_human.h"

/* Adds each output that the row judges, under its policy; outputs come from the row's task. False:
 * memory is out. What the texts do not say is left out. */
bool api_toxicity_read(toxicity_report *to, const store_ranking *row, const store_task *task);

/* {"object":"label.toxicity","policies":[{"policy","outputs","toxicity":M,"relative_toxicity":M,
 *  "continuity":M}]}, M is {"mean","half_width"}: of 95 in 100 such samples; null where unknown. */
void api_toxicity_write(buf *out, const toxicity_report *r);

#endif
