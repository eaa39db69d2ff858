#include "commands.h"

#include "alias.h"
#include "follow.h"
#include "json.h"
#include "names.h"
#include "sent_files.h"
#include "train_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct training {
    const options *o;
    server *server;
    terminal *out;
    sent_files sent;
} training;

static exit_code send_all(training *t, train_files *files, problem *p)
{
    const options *o = t->o;
    const struct {
        const char *option, *value;
        char **id;
    } all[SENT_FILES_MAX] = {
        /* ppo reads prompts alone: they are its training data unless others are named */
        {o->file ? "--file" : "--prompts", o->file ? o->file : o->prompts, &files->training},
        {"--valid", o->valid, &files->validation},
        {"--prompts", o->prompts, &files->prompts},
        {"--pretrain", o->pretrain, &files->pretrain},
        {"--center", o->center, &files->center},
    };
    exit_code code = EXIT_DONE;
    for (int i = 0; i < SENT_FILES_MAX && code == EXIT_DONE; i++)
        code = sent_files_add(&t->sent, all[i].option, all[i].value, all[i].id, p);
    return code;
}

/* Makes the job; its id is the caller's to free. */
static exit_code create(training *t, const method *m, const train_files *files, char **id,
                        problem *p)
{
    cJSON *job = NULL;
    char *raw = NULL, *body = train_request(t->o, m, files);
    exit_code code = body ? server_json(t->server, "/v1/fine_tuning/jobs", body, &job, &raw, p)
                          : problem_set(p, EXIT_SERVER, "out of memory");
    const char *name = json_string(job, "id");
    if (code == EXIT_DONE && (!name || !name_is_id(name)))
        code = problem_set(p, EXIT_SERVER, "the server gave the job no id");
    if (code == EXIT_DONE && t->o->json)
        terminal_line(t->out, raw);
    else if (code == EXIT_DONE)
        terminal_printf(t->out, "%s: %s from %s\n", name, m->type, t->o->model);
    if (code == EXIT_DONE && !(*id = strdup(name)))
        code = problem_set(p, EXIT_SERVER, "out of memory");
    cJSON_Delete(job);
    free(raw);
    free(body);
    return code;
}

/* The server makes the alias that a job publishes to; a misspelt one would serve nobody. */
static exit_code check_alias(training *t, problem *p)
{
    cJSON *alias = NULL;
    if (!t->o->publish || t->o->create)
        return EXIT_DONE;
    exit_code code = alias_fetch(t->server, t->o->publish, &alias, NULL, p);
    cJSON_Delete(alias);
    return code;
}

/* A model that is not there would be noticed only when everything is uploaded. What else may be
 * wrong with it (a key that may not look, a name in another form) is the server's to say. */
static exit_code check_model(training *t, problem *p)
{
    const char *name = t->o->model;
    const bool is_policy = strncmp(name, "pol_", 4) == 0;
    char path[128];
    cJSON *found = NULL;
    if (!name_is_id(name))
        return EXIT_DONE;
    snprintf(path, sizeof path, "/v1/%s/%.80s", is_policy ? "policies" : "aliases", name);
    problem asked = {0};
    exit_code code = server_json(t->server, path, NULL, &found, NULL, &asked);
    cJSON_Delete(found);
    if (code == EXIT_DONE || asked.status != 404)
        return EXIT_DONE;
    problem_set(p, EXIT_USAGE, "--model: the server has no %s \"%.80s\"",
                is_policy ? "policy" : "alias", name);
    problem_hint(p, "instruct %s lists them", is_policy ? "policies" : "aliases");
    return EXIT_USAGE;
}

/* Did the server or we say no? Where the answer was lost there may be a job all the same. */
static bool is_refusal(exit_code code)
{
    return code == EXIT_SERVER || code == EXIT_USAGE || code == EXIT_UNAUTHORISED;
}

static exit_code prepare(training *t, const char *type, char **id, problem *p)
{
    method m = {0};
    train_files files = {0};
    exit_code code = method_fetch(&m, t->server, type, p);
    if (code == EXIT_DONE)
        code = train_check(t->o, &m, p);
    if (code == EXIT_DONE)
        code = check_model(t, p);
    if (code == EXIT_DONE)
        code = check_alias(t, p);
    if (code == EXIT_DONE)
        code = send_all(t, &files, p);
    if (code == EXIT_DONE)
        code = create(t, &m, &files, id, p);
    if (is_refusal(code))
        sent_files_take_back(&t->sent, p);
    train_files_free(&files);
    method_free(&m);
    return code;
}

exit_code cmd_train(const options *o, terminal *out, terminal *err, problem *p)
{
    const char *type = options_argument(o, 0);
    server s = {0};
    training t = {.o = o,
                  .server = &s,
                  .out = out,
                  .sent = {.server = &s, .out = out, .err = err, .json = o->json}};
    char *id = NULL;
    if (!type) {
        problem_set(p, EXIT_USAGE, "train needs a METHOD");
        problem_hint(p, "instruct methods lists them");
        return EXIT_USAGE;
    }
    exit_code code = train_check_options(o, p);
    if (code == EXIT_DONE)
        code = server_open(&s, o, p);
    if (code == EXIT_DONE)
        code = prepare(&t, type, &id, p);
    server_close(&s);
    if (code == EXIT_DONE && !o->no_wait)
        code = follow_job(o, id, out, err, p);
    if (code != EXIT_DONE)
        sent_files_name(&t.sent, p);
    sent_files_free(&t.sent);
    free(id);
    return code;
}
