#include "human/capture.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/random.h"
#include "human/notice.h"
#include "store/store_human.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct capture {
    store *store;
    char user[65], request[65], policy[POLICY_ID_CHARS + 1];
    captured_prompts prompts;
    buf *outputs;     /* [prompts.n] */
    size_t *echoed;   /* [prompts.n] bytes of each output that are the prompt's */
    uint32_t choices; /* of each prompt */
};

void capture_drop(capture *c)
{
    if (!c)
        return;
    for (size_t i = 0; c->outputs && i < c->prompts.n; i++)
        buf_free(&c->outputs[i]);
    free(c->outputs);
    free(c->echoed);
    captured_prompts_free(&c->prompts);
    free(c);
}

/* The id alone: it is kept for a day, and only its author can refer to it. */
static void post_request(store *s, const key_info *key, const char *id, const gen_request *r)
{
    store_request row = {.user = strdup(key->user),
                         .id = strdup(id),
                         .policy = strdup(policy_id(r->policy)),
                         .model = strdup(r->format.model),
                         .created_at = time(NULL)};
    if (!store_request_post(s, &row))
        log_event(LOG_WARN, "request_not_kept", "id=%s", id);
}

static capture *create(const gen_request *r, captured_prompts *prompts)
{
    capture *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->outputs = calloc(prompts->n, sizeof *c->outputs);
    c->echoed = calloc(prompts->n, sizeof *c->echoed);
    if (!c->outputs || !c->echoed) {
        capture_drop(c);
        return NULL;
    }
    c->prompts = *prompts;
    *prompts = (captured_prompts){0};
    c->choices = r->n;
    for (size_t i = 0; i < c->prompts.n; i++) {
        buf_init(&c->outputs[i], LIMIT_CAPTURE_BYTES);
        c->echoed[i] = r->echo ? r->prompts[i].text_len : 0;
    }
    return c;
}

capture *capture_begin(store *s, const key_info *key, const char *request_id,
                       const gen_request *request, captured_prompts *prompts)
{
    if (!s || !key_is_playground(key))
        return NULL;
    post_request(s, key, request_id, request);
    const bool has_text = prompts->n && prompts->n == request->n_prompts;
    capture *c = has_text ? create(request, prompts) : NULL;
    if (!c)
        return NULL;
    c->store = s;
    snprintf(c->user, sizeof c->user, "%s", key->user);
    snprintf(c->request, sizeof c->request, "%s", request_id);
    snprintf(c->policy, sizeof c->policy, "%s", policy_id(request->policy));
    return c;
}

void capture_chunk(capture *c, const gen_chunk *chunk)
{
    if (c && chunk->choice % c->choices == 0)
        buf_append(&c->outputs[chunk->choice / c->choices], chunk->text, chunk->text_len);
}

/* An output that was too long to keep, or that memory was out for, loses its prompt with it. */
static void post_prompt(capture *c, size_t i)
{
    const buf *out = &c->outputs[i];
    const size_t echoed = c->echoed[i] < out->len ? c->echoed[i] : out->len;
    char id[sizeof "prompt-" + 24] = "prompt-";
    random_hex(id + strlen(id), 12);
    store_prompt row = {.id = strdup(id),
                        .user = strdup(c->user),
                        .form = strdup(c->prompts.form),
                        .prompt = strdup(c->prompts.texts[i]),
                        .output = out->failed ? NULL : strdup(out->data ? out->data + echoed : ""),
                        .policy = strdup(c->policy),
                        .request = strdup(c->request),
                        .notice = NOTICE_VERSION,
                        .created_at = time(NULL)};
    if (!store_prompt_post(c->store, &row))
        log_event(LOG_WARN, "prompt_not_kept", "request=%s", c->request);
}

void capture_finish(capture *c)
{
    for (size_t i = 0; c && i < c->prompts.n; i++)
        post_prompt(c, i);
    capture_drop(c);
}
