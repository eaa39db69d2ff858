#include "label_submission.h"

#include "base/sha256.h"
#include "input.h"
#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_MAX = 64 << 20, NAME_HEX = 40 /* digits of the digest that name a submission */ };

const char *label_submission_path(const cJSON *judgement)
{
    static const struct {
        const char *member, *path;
    } kinds[] = {{"groups", "/v1/labels/rankings"},
                 {"completion", "/v1/labels/demonstrations"},
                 {"reason", "/v1/labels/skips"}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (cJSON_GetObjectItemCaseSensitive(judgement, kinds[i].member))
            return kinds[i].path;
    return NULL;
}

static void name_by_content(cJSON *judgement, const char *bytes, size_t n)
{
    char hex[ENG_SHA256_HEX], name[sizeof "cli-" + NAME_HEX];
    if (cJSON_GetObjectItemCaseSensitive(judgement, "submission_id"))
        return;
    eng_sha256_hex(bytes, n, hex);
    snprintf(name, sizeof name, "cli-%.*s", NAME_HEX, hex);
    cJSON_AddStringToObject(judgement, "submission_id", name);
}

static exit_code post(server *s, const options *o, const char *path, const char *body,
                      terminal *out, problem *p)
{
    http_reply reply;
    exit_code code = server_exchange(s, &(http_call){.path = path, .body = body}, &reply, p);
    if (code == EXIT_DONE && o->json) {
        terminal_line(out, text_str(&reply.body));
    } else if (code == EXIT_DONE) {
        cJSON *json = json_parse(text_str(&reply.body), reply.body.len);
        const char *id = json_string(json, "id");
        text line;
        text_init(&line, 256);
        text_printf(&line, "%.64s%s", id ? id : "?", reply.status == 200 ? " (was there)" : "");
        terminal_line(out, text_str(&line));
        text_free(&line);
        cJSON_Delete(json);
    }
    http_reply_free(&reply);
    return code;
}

/* where: "line 3 of x.jsonl", for what is wrong with it. Deletes the judgement. */
static exit_code send_one(server *s, const options *o, cJSON *judgement, const char *where,
                          terminal *out, problem *p)
{
    const char *path = label_submission_path(judgement);
    char *body = path ? json_print(judgement) : NULL;
    exit_code code = EXIT_DONE;
    if (!cJSON_IsObject(judgement))
        code = problem_set(p, EXIT_USAGE, "%.200s: no JSON object", where);
    else if (!path)
        code =
            problem_set(p, EXIT_USAGE,
                        "%.200s: neither groups (a ranking) nor completion (a demonstration) nor "
                        "reason (a skip)",
                        where);
    else if (!body)
        code = problem_set(p, EXIT_SERVER, "out of memory");
    else
        code = post(s, o, path, body, out, p);
    cJSON_Delete(judgement);
    free(body);
    return code;
}

static exit_code send_lines(server *s, const options *o, const char *all, const char *name,
                            terminal *out, problem *p)
{
    exit_code code = EXIT_DONE;
    size_t number = 0;
    for (const char *line = all; *line && code == EXIT_DONE;) {
        const size_t len = strcspn(line, "\n");
        char where[256];
        snprintf(where, sizeof where, "line %zu of %.200s", ++number, name);
        if (strspn(line, " \t\r") < len) {
            cJSON *judgement = json_parse(line, len);
            name_by_content(judgement, line, len);
            code = send_one(s, o, judgement, where, out, p);
        }
        line += len + (line[len] == '\n');
    }
    return code;
}

exit_code label_submission_send(server *s, const options *o, const char *path, terminal *out,
                                problem *p)
{
    const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
    text all;
    text_init(&all, INPUT_MAX);
    exit_code code = input_read_file(path, &all, p);
    if (code == EXIT_DONE && !all.len)
        code = problem_set(p, EXIT_USAGE, "%.300s is empty", name);
    if (code == EXIT_DONE) {
        cJSON *whole = json_parse(text_str(&all), all.len);
        if (cJSON_IsObject(whole)) {
            name_by_content(whole, text_str(&all), all.len);
            code = send_one(s, o, whole, name, out, p);
        } else {
            cJSON_Delete(whole);
            code = send_lines(s, o, text_str(&all), name, out, p);
        }
    }
    text_free(&all);
    return code;
}
