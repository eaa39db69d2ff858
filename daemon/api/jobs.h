/* Training jobs and methods as JSON: the shapes of OpenAI's fine-tuning API (API.md 7). Pure
 * functions. */
#ifndef DAEMON_API_JOBS_H
#define DAEMON_API_JOBS_H

#include "base/buf.h"

/* {"type","plugin","schema"}; the schema goes out as the plugin wrote it. */
void api_method_write(buf *out, const char *type, const char *plugin, const char *schema_json);

#endif
