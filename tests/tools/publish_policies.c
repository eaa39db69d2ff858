/* publish-policies: puts random children of a model into a data directory, as a training job would,
 * for tests of a daemon that is started over it afterwards. Prints their ids, one a line.
 *
 *   publish-policies DATA_DIR MODEL N [SCALE]
 *
 * SCALE (0.001) is how far a child's weights are from its parent's; no alias moves. */
#define HELD_WEIGHTS_PLAIN
#include "held_weights.h"

#include "base/log.h"
#include "policy/publish.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

typedef struct rooms {
    policy_registry *registry;
    store *store;
    publisher *publisher;
    held_weights held;
    char base[POLICY_ID_CHARS + 1];
} rooms;

static bool open_rooms(rooms *r, const char *data_dir, const char *model, eng_error *why)
{
    const publisher_options options = {.data_dir = data_dir,
                                       .base_model = model,
                                       .base_alias = "instruct",
                                       .code_rev = "publish-policies"};
    char path[1024], digest[65];
    error_text err;
    mkdir(data_dir, 0700);
    snprintf(path, sizeof path, "%s/instructd.db", data_dir);
    r->registry = policy_registry_create();
    if (!store_open(&r->store, path, &err)) {
        snprintf(why->text, sizeof why->text, "%s", err.text);
        return false;
    }
    bool ok =
        weights_read(&r->held, model, why) == ENG_OK &&
        eng_model_file_digest(model, digest, why) == ENG_OK &&
        publisher_open(&r->publisher, &options, r->registry, r->store, NULL, NULL, why) == ENG_OK;
    if (ok)
        snprintf(r->base, sizeof r->base, "pol_%.16s", digest);
    return ok;
}

static bool publish_one(rooms *r, float scale, error_text *err)
{
    char id[POLICY_ID_CHARS + 1];
    weights_nudge(&r->held, scale);
    const publish_request request = {.weights = {.base_policy = r->base,
                                                 .tensors = r->held.weights.list,
                                                 .n_tensors = r->held.weights.n},
                                     .stage = "sft",
                                     .parent = r->base,
                                     .kl_coef = NAN,
                                     .ptx_coef = NAN,
                                     .actor = "publish-policies"};
    if (publisher_publish(r->publisher, &request, id, err) != PUBLISH_OK)
        return false;
    printf("%s\n", id);
    return true;
}

int main(int argc, char **argv)
{
    rooms r = {0};
    eng_error why = {""};
    error_text err = {""};
    if (argc < 4 || argc > 5) {
        fprintf(stderr, "usage: publish-policies DATA_DIR MODEL N [SCALE]\n");
        return 2;
    }
    log_set_level(LOG_WARN);
    bool ok = open_rooms(&r, argv[1], argv[2], &why);
    for (int i = 0; ok && i < atoi(argv[3]); i++)
        ok = publish_one(&r, argc > 4 ? strtof(argv[4], NULL) : 1e-3f, &err);
    if (!ok)
        fprintf(stderr, "publish-policies: %s\n", why.text[0] ? why.text : err.text);
    publisher_free(r.publisher);
    policy_registry_free(r.registry);
    store_close(r.store);
    weights_free(&r.held);
    return ok ? 0 : 1;
}
