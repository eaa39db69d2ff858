#include "train_request.h"

#include "json.h"
#include "names.h"
#include "nearest.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Members of the method's object that have an option of their own. */
typedef struct own_member {
    const char *option, *name, *value; /* value: as the option gave it, NULL = not given */
} own_member;

enum { OWN_MEMBERS = 6 };

static void own_members(const options *o, own_member out[OWN_MEMBERS])
{
    const own_member all[OWN_MEMBERS] = {
        {"--prompts", "prompts", o->prompts},
        {"--pretrain", "pretrain", o->pretrain},
        {"--center", "center", o->center},
        {"--reward-model", "reward_model", o->reward_model},
        {"--reference", "reference", o->reference},
        {"--preset", "preset", o->preset},
    };
    memcpy(out, all, sizeof all);
}

void train_files_free(train_files *f)
{
    free(f->training);
    free(f->validation);
    free(f->prompts);
    free(f->pretrain);
    free(f->center);
    *f = (train_files){0};
}

/* ---- checks ---- */

static exit_code check_gate(const char *pair, cJSON *gates, problem *p)
{
    static const char *const names[] = {"min_rm_delta", "max_kl_ref", "max_lm_loss_rise",
                                        "max_seconds"};
    const char *equals = strchr(pair, '=');
    char name[64], *end;
    nearest near;
    snprintf(name, sizeof name, "%.*s", (int)(equals - pair), pair);
    errno = 0;
    double bound = strtod(equals + 1, &end);
    if (*end || errno || !isfinite(bound))
        return problem_set(p, EXIT_USAGE, "the bound of --gate %s is a number, not \"%.60s\"", name,
                           equals + 1);
    nearest_init(&near, name);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], name) == 0) {
            cJSON_DeleteItemFromObjectCaseSensitive(gates, name);
            cJSON_AddNumberToObject(gates, name, bound);
            return EXIT_DONE;
        }
        nearest_offer(&near, names[i]);
    }
    problem_set(p, EXIT_USAGE, "there is no gate \"%.60s\"", name);
    if (near.best)
        problem_hint(p, "did you mean %s?", near.best);
    else
        problem_hint(p, "min_rm_delta, max_kl_ref, max_lm_loss_rise or max_seconds");
    return EXIT_USAGE;
}

static exit_code put_gates(const options *o, cJSON *gates, problem *p)
{
    const cJSON *pair;
    exit_code code = EXIT_DONE;
    cJSON_ArrayForEach(pair, o->gates)
    {
        if (code == EXIT_DONE)
            code = check_gate(pair->valuestring, gates, p);
    }
    return code;
}

static exit_code put_sets(const options *o, const method *m, cJSON *object, problem *p)
{
    const cJSON *pair;
    exit_code code = EXIT_DONE;
    cJSON_ArrayForEach(pair, o->sets)
    {
        if (code == EXIT_DONE)
            code = method_set(m, pair->valuestring, object, p);
    }
    return code;
}

exit_code train_check_options(const options *o, problem *p)
{
    if (!o->model)
        return problem_set(p, EXIT_USAGE, "train needs --model, the policy to start from");
    if (!o->publish && (o->every || o->weights || o->gates))
        return problem_set(p, EXIT_USAGE, "%s needs --publish ALIAS",
                           o->every     ? "--every"
                           : o->weights ? "--weights"
                                        : "--gate");
    if (!o->publish && o->create)
        return problem_set(p, EXIT_USAGE, "--create needs --publish ALIAS");
    return o->publish ? name_check(o->publish, "an alias", p) : EXIT_DONE;
}

/* Is it among the --set? */
static bool is_set(const options *o, const char *name)
{
    const size_t len = strlen(name);
    const cJSON *pair;
    cJSON_ArrayForEach(pair, o->sets)
    {
        if (strncmp(pair->valuestring, name, len) == 0 && pair->valuestring[len] == '=')
            return true;
    }
    return false;
}

static exit_code check_own(const options *o, const method *m, const own_member *own, problem *p)
{
    if (own->value)
        return method_takes(m, own->name, own->option, p);
    if (!method_needs(m, own->name) || is_set(o, own->name))
        return EXIT_DONE;
    return problem_set(p, EXIT_USAGE, "%s needs %s", m->type, own->option);
}

exit_code train_check(const options *o, const method *m, problem *p)
{
    own_member own[OWN_MEMBERS];
    cJSON *scratch = cJSON_CreateObject();
    exit_code code = EXIT_DONE;
    if (!o->file && !o->prompts && method_reads_files(m))
        code = problem_set(p, EXIT_USAGE, "%s needs --file, the training data", m->type);
    own_members(o, own);
    for (int i = 0; i < OWN_MEMBERS && code == EXIT_DONE; i++)
        code = check_own(o, m, &own[i], p);
    if (code == EXIT_DONE && o->preset)
        code = method_check_preset(m, o->preset, p);
    if (code == EXIT_DONE)
        code = put_sets(o, m, scratch, p);
    if (code == EXIT_DONE)
        code = put_gates(o, scratch, p);
    cJSON_Delete(scratch);
    return code;
}

/* ---- the body ---- */

static void put_string(cJSON *object, const char *name, const char *value)
{
    if (value)
        cJSON_AddStringToObject(object, name, value);
}

static void put_publish(const options *o, cJSON *object)
{
    problem ignored; /* both checks have been passed */
    if (!o->publish)
        return;
    cJSON *publish = cJSON_AddObjectToObject(object, "publish");
    put_string(publish, "alias", o->publish);
    if (o->every)
        cJSON_AddNumberToObject(publish, "every", o->every);
    put_string(publish, "weights", o->weights);
    if (o->gates)
        (void)put_gates(o, cJSON_AddObjectToObject(publish, "gate"), &ignored);
}

static cJSON *method_object(const options *o, const method *m, const train_files *files)
{
    problem ignored; /* both checks have been passed */
    cJSON *object = cJSON_CreateObject();
    (void)put_sets(o, m, object, &ignored);
    put_string(object, "preset", o->preset);
    put_string(object, "reward_model", o->reward_model);
    put_string(object, "reference", o->reference);
    put_string(object, "prompts", files->prompts);
    put_string(object, "pretrain", files->pretrain);
    put_string(object, "center", files->center);
    put_publish(o, object);
    return object;
}

char *train_request(const options *o, const method *m, const train_files *files)
{
    cJSON *root = cJSON_CreateObject();
    put_string(root, "model", o->model);
    put_string(root, "training_file", files->training);
    put_string(root, "validation_file", files->validation);
    put_string(root, "suffix", o->suffix);
    if (options_seed(o))
        cJSON_AddRawToObject(root, "seed", options_seed(o));
    cJSON *by = cJSON_AddObjectToObject(root, "method");
    put_string(by, "type", m->type);
    cJSON_AddItemToObject(by, m->type, method_object(o, m, files));
    char *body = json_print(root);
    cJSON_Delete(root);
    return body;
}
