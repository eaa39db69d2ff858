#include "bridge/messages.h"

#include <stdlib.h>

cmd *cmd_create(cmd_kind kind, uint64_t request_id)
{
    cmd *c = calloc(1, sizeof *c);
    if (c) {
        c->kind = kind;
        c->request_id = request_id;
    }
    return c;
}

void cmd_free(cmd *c)
{
    if (!c)
        return;
    gen_request_unref(c->request);
    policy_unref(c->policy);
    free(c);
}

event *event_create(event_kind kind, uint64_t request_id)
{
    event *e = calloc(1, sizeof *e);
    if (e) {
        e->kind = kind;
        e->request_id = request_id;
    }
    return e;
}

static void free_chunk(gen_chunk *chunk)
{
    for (uint32_t i = 0; i < chunk->n_tokens; i++)
        free(chunk->tokens[i].top);
    free(chunk->tokens);
    free(chunk->ids);
    free(chunk->spans);
    free(chunk->id_logprobs);
    free(chunk->text);
}

void event_free(event *e)
{
    if (!e)
        return;
    if (e->kind == EV_CHUNK)
        free_chunk(&e->chunk);
    free(e);
}
