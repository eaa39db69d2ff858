#include "control/people.h"

#include "api/people.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/query.h"
#include "base/random.h"
#include "control/page.h"
#include "human/notice.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* False with 401 for a request without a key, or 503 while the store is closed. */
static bool need_person(const control *c, const control_request *request, api_error *err)
{
    if (!request->key->user[0])
        return api_fail(err, 401, "authentication_error", "missing_api_key", NULL,
                        "this needs a key: without one nobody's data is kept");
    return c->store || control_not_ready(err);
}

/* ---- /v1/me ---- */

/* The notice in the language that ?language= asks for; English for any that there is none in. */
static const char *notice_text(const control_request *request)
{
    char language[8];
    const bool german = query_value(request->query, "language", language, sizeof language) &&
                        strcmp(language, "de") == 0;
    return german ? NOTICE_TEXT_DE : NOTICE_TEXT;
}

/* A notice is for those whose words may be kept: the Playground's. */
static bool write_me(const control *c, const control_request *request, control_reply *reply,
                     api_error *err)
{
    const key_info *key = request->key;
    store_consent consent;
    error_text why;
    if (!key_is_playground(key)) {
        api_me_write(&reply->body, key, NULL);
        return true;
    }
    if (!c->store)
        return control_not_ready(err);
    const store_status status = store_consent_get(c->store, key->user, &consent, &why);
    if (status != STORE_OK && status != STORE_NOT_FOUND)
        return control_store_fail(err, status, NULL, &why);
    const api_notice notice = {.version = NOTICE_VERSION,
                               .text = notice_text(request),
                               .consent = status == STORE_OK ? &consent : NULL};
    api_me_write(&reply->body, key, &notice);
    return true;
}

bool control_me_get(const control *c, const control_request *request, control_reply *reply,
                    api_error *err)
{
    return write_me(c, request, reply, err);
}

bool control_consent_put(const control *c, const control_request *request, control_reply *reply,
                         api_error *err)
{
    api_consent body;
    error_text why;
    if (!need_person(c, request, err) ||
        !api_consent_read(&body, request->body, request->body_len, err))
        return false;
    if (body.notice != NOTICE_VERSION)
        return api_fail(err, 409, "conflict_error", "state_conflict", "notice_version",
                        "notice_version: the notice in force is version %d: show it first",
                        NOTICE_VERSION);
    const store_consent consent = {
        .notice = body.notice, .share = body.share, .decided_at = time(NULL)};
    const store_status status = store_consent_put(c->store, request->key->user, &consent, &why);
    if (status != STORE_OK)
        return control_store_fail(err, status, NULL, &why);
    log_event(LOG_INFO, "consent", "user=%s choice=%s", request->key->user,
              body.share ? "share" : "decline");
    return write_me(c, request, reply, err);
}

bool control_data_delete(const control *c, const control_request *request, control_reply *reply,
                         api_error *err)
{
    store_erasure erased;
    error_text why;
    if (!need_person(c, request, err))
        return false;
    const store_status status = store_person_erase(c->store, request->key->user, &erased, &why);
    if (status != STORE_OK)
        return control_store_fail(err, status, NULL, &why);
    log_event(LOG_INFO, "data_deleted", "user=%s prompts=%llu", request->key->user,
              (unsigned long long)erased.prompts);
    api_erasure_write(&reply->body, &erased);
    return true;
}

/* ---- votes ---- */

static bool refuse_vote(store_status status, const char *missing, const error_text *why,
                        api_error *err)
{
    char param[32];
    snprintf(param, sizeof param, "%s.request_id", missing);
    if (status == STORE_NOT_FOUND)
        return control_store_fail(err, status, param, why);
    return control_store_fail(err, status, NULL, why);
}

bool control_vote_create(const control *c, const control_request *request, control_reply *reply,
                         api_error *err)
{
    api_vote body;
    store_vote stored;
    error_text why;
    const char *missing;
    if (!need_person(c, request, err) ||
        !api_vote_read(&body, request->body, request->body_len, err))
        return false;
    char id[sizeof "vote-" + 24] = "vote-";
    random_hex(id + strlen(id), 12);
    const store_vote vote = {.id = id,
                             .user = (char *)request->key->user,
                             .left_request = (char *)body.left,
                             .right_request = (char *)body.right,
                             .vote = (char *)body.vote,
                             .shown_left = (char *)body.shown_left,
                             .blind = body.blind,
                             .created_at = time(NULL)};
    const store_status status = store_vote_insert(c->store, &vote, &stored, &missing, &why);
    api_vote_free(&body);
    if (status != STORE_OK)
        return refuse_vote(status, missing, &why, err);
    metrics_add(c->metrics, METRIC_VOTES, 1);
    reply->status = 201;
    api_vote_write(&reply->body, &stored);
    store_vote_free(&stored);
    return true;
}
