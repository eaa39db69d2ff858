/* Who somebody is to this server, what they agreed to, and their votes. Pure functions. */
#ifndef DAEMON_API_PEOPLE_H
#define DAEMON_API_PEOPLE_H

#include "api/error.h"
#include "base/buf.h"
#include "base/keys.h"
#include "store/store_human.h"

#include <cjson/cJSON.h>
#include <stdbool.h>

/* What one is asked to agree to. */
typedef struct api_notice {
    uint32_t version; /* in force */
    const char *text;
    const store_consent *consent; /* the last choice, or NULL */
} api_notice;

/* {"user","role","scopes":[...],"notice":{"version","text","due","choice"}}. Without a key user and
 * role are null. notice NULL: nothing of theirs is ever kept. A choice for another version than the
 * one in force is no choice. */
void api_me_write(buf *out, const key_info *key, const api_notice *notice);

typedef struct api_consent {
    uint32_t notice;
    bool share;
} api_consent;
/* {"notice_version","choice":"share|decline"} */
bool api_consent_read(api_consent *out, const char *body, size_t len, api_error *err);

/* {"object":"me.data","deleted":{"prompts",...},"stale_datasets"} */
void api_erasure_write(buf *out, const store_erasure *e);

/* A vote's body; its strings are the tree's. */
typedef struct api_vote {
    cJSON *tree;
    const char *left, *right; /* request ids, distinct */
    const char *vote, *shown_left;
    bool blind;
} api_vote;
bool api_vote_read(api_vote *out, const char *body, size_t len, api_error *err);
void api_vote_free(api_vote *v);
/* {"id","left":{"policy","alias"},"right":{...}} */
void api_vote_write(buf *out, const store_vote *v);

#endif
