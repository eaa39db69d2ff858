/* Data sets as JSON. Pure functions. */
#ifndef DAEMON_API_DATASETS_H
#define DAEMON_API_DATASETS_H

#include "api/error.h"
#include "base/buf.h"
#include "store/store_human.h"

#include <cjson/cJSON.h>

/* A request to build one; its strings are the tree's. */
typedef struct api_dataset_request {
    cJSON *tree;
    const char *name, *kind; /* kind: "sft", "rm", "ppo", "eval", "toxicity" */
    double train, valid;     /* fractions; test has the rest */
    int64_t cap_per_user, seed;
    const char *salt;
    const char *source; /* "file-...", or NULL: what people gave here */
    const char *format; /* of that file, unchecked; NULL: as its first line looks */
} api_dataset_request;

/* {"name","kind","fractions":{"train","valid","test"},"cap_per_user","salt","seed"} and, for a
 * file of somebody else's, "source" and "format". */
bool api_dataset_read(api_dataset_request *out, const char *body, size_t len, api_error *err);
void api_dataset_request_free(api_dataset_request *r);

/* {"id","object":"dataset","name","kind","stale","counts":{"train","valid","test"},"files":{...},
 *  "manifest":{...},...} */
void api_dataset_write(buf *out, const store_dataset *d);

#endif
