#include "actions.h"
#include "alias.h"
#include "commands.h"
#include "json.h"
#include "listing.h"
#include "names.h"
#include "object.h"

#include <stdio.h>
#include <stdlib.h>

enum { PATH_ROOM = 128 };
static const char default_alias[] = "instruct";

static const char *path_of(char room[PATH_ROOM], const char *alias, const char *rest)
{
    snprintf(room, PATH_ROOM, "/v1/aliases/%s%s", alias, rest);
    return room;
}

/* ---- aliases ---- */

static void put_alias(const cJSON *alias, table *t)
{
    table_cell(t, json_string(alias, "name"));
    table_cell(t, json_string(alias, "policy"));
    table_cell(t, json_string(alias, "previous"));
    table_cellf(t, "%.0f", json_number(alias, "version", 0));
    table_cell(t, json_string(alias, "updated_by"));
    table_time(t, json_number(alias, "updated_at", 0));
}

static exit_code list(const action_context *a, problem *p)
{
    static const char *const headings[] = {"NAME",    "POLICY",     "PREVIOUS",
                                           "VERSION", "UPDATED_BY", "UPDATED"};
    static const listing aliases = {"/v1/aliases", "aliases", headings, 6, put_alias};
    return listing_print(a->server, a->o, &aliases, a->out, p);
}

static exit_code show(const action_context *a, problem *p)
{
    char path[PATH_ROOM];
    return object_show(a->server, a->o, path_of(path, a->name, ""), a->out, p);
}

static void put_move(const cJSON *move, table *t)
{
    table_cellf(t, "%.0f", json_number(move, "version", 0));
    table_cell(t, json_string(move, "policy"));
    table_cell(t, json_string(move, "updated_by"));
    table_time(t, json_number(move, "updated_at", 0));
    table_cell(t, json_string(move, "reason"));
}

static exit_code history(const action_context *a, problem *p)
{
    static const char *const headings[] = {"VERSION", "POLICY", "UPDATED_BY", "UPDATED", "REASON"};
    char path[PATH_ROOM];
    listing moves = {path_of(path, a->name, "/history"), "moves", headings, 5, put_move};
    return listing_print(a->server, a->o, &moves, a->out, p);
}

exit_code cmd_aliases(const options *o, terminal *out, terminal *err, problem *p)
{
    static const action actions[] = {
        {"list", ACTION_ALONE, list}, {"show", ACTION_ID, show}, {"history", ACTION_ID, history}};
    return actions_run(actions, sizeof actions / sizeof actions[0], "an alias", o, out, err, p);
}

/* ---- moving one ---- */

/* "instruct: pol_a -> pol_b, version 4". */
static void print_move(const char *name, const char *from, const cJSON *to, terminal *out)
{
    text line;
    text_init(&line, 4096);
    const char *policy = json_string(to, "policy");
    text_printf(&line, "%s: %s -> %s, version %.0f", name, from ? from : "nothing",
                policy ? policy : "?", json_number(to, "version", 0));
    terminal_line(out, text_str(&line));
    text_free(&line);
}

/* Sends the move and says what it did. */
static exit_code move(server *s, const options *o, const http_call *call, const char *name,
                      const char *from, terminal *out, problem *p)
{
    cJSON *moved;
    char *raw = NULL;
    exit_code code = call->body ? server_call(s, call, &moved, &raw, NULL, p)
                                : problem_set(p, EXIT_SERVER, "out of memory");
    if (code != EXIT_DONE)
        return code;
    if (o->json)
        terminal_line(out, raw);
    else
        print_move(name, from ? from : json_string(moved, "previous"), moved, out);
    free(raw);
    cJSON_Delete(moved);
    return EXIT_DONE;
}

static char *body_of(const char *field, const char *value, const char *reason)
{
    cJSON *body = cJSON_CreateObject();
    if (value)
        cJSON_AddStringToObject(body, field, value);
    if (reason)
        cJSON_AddStringToObject(body, "reason", reason);
    char *printed = json_print(body);
    cJSON_Delete(body);
    return printed;
}

/* The alias as it is, so that it is moved only if nobody else did meanwhile; one that is to be made
 * may not exist then either. */
static exit_code look(server *s, const options *o, const char *name, char condition[96],
                      cJSON **before, problem *p)
{
    char etag[64];
    exit_code code = alias_fetch(s, name, before, etag, p);
    if (code != EXIT_DONE && p->status == 404 && o->create) {
        snprintf(condition, 96, "If-None-Match: *");
        return EXIT_DONE;
    }
    if (code == EXIT_DONE && !etag[0])
        code = problem_set(p, EXIT_SERVER, "the server gave %s no version", name);
    snprintf(condition, 96, "If-Match: %s", etag);
    return code;
}

static exit_code publish(server *s, const options *o, const char *name, const char *policy,
                         terminal *out, problem *p)
{
    char path[PATH_ROOM], condition[96];
    cJSON *before = NULL;
    exit_code code = look(s, o, name, condition, &before, p);
    if (code == EXIT_DONE) {
        char *body = body_of("policy", policy, o->reason);
        http_call call = {
            .path = path_of(path, name, ""), .method = "PUT", .body = body, .headers = {condition}};
        code = move(s, o, &call, name, json_string(before, "policy"), out, p);
        free(body);
    }
    cJSON_Delete(before);
    return code;
}

exit_code cmd_publish(const options *o, terminal *out, terminal *err, problem *p)
{
    const char *policy = options_argument(o, 0), *name = o->alias ? o->alias : default_alias;
    server s = {0};
    (void)err;
    exit_code code = name_check(policy, "a policy", p);
    if (code == EXIT_DONE)
        code = name_check(name, "an alias", p);
    if (code == EXIT_DONE)
        code = server_open(&s, o, p);
    if (code == EXIT_DONE)
        code = publish(&s, o, name, policy, out, p);
    server_close(&s);
    return code;
}

exit_code cmd_rollback(const options *o, terminal *out, terminal *err, problem *p)
{
    const char *name = o->alias ? o->alias : default_alias;
    char path[PATH_ROOM];
    server s = {0};
    (void)err;
    exit_code code = name_check(name, "an alias", p);
    if (code == EXIT_DONE && o->to)
        code = name_check(o->to, "a policy", p);
    if (code == EXIT_DONE)
        code = server_open(&s, o, p);
    if (code == EXIT_DONE) {
        char *body = body_of("to", o->to, o->reason);
        http_call call = {.path = path_of(path, name, "/rollback"), .body = body};
        code = move(&s, o, &call, name, NULL, out, p);
        free(body);
    }
    server_close(&s);
    return code;
}
