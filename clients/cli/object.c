#include "object.h"

#include "json.h"
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_ROOM = 200, DEPTH_MAX = 16 };

static bool is_time(const char *name)
{
    size_t len = strlen(name);
    return len > 3 && strcmp(name + len - 3, "_at") == 0;
}

static void put_value(const cJSON *value, const char *name, table *t)
{
    if (cJSON_IsString(value)) {
        table_cell(t, value->valuestring);
    } else if (cJSON_IsNumber(value) && is_time(name)) {
        table_time(t, value->valuedouble);
    } else if (cJSON_IsNull(value)) {
        table_cell(t, NULL);
    } else {
        char *printed = json_print(value);
        table_cell(t, printed);
        free(printed);
    }
}

/* Lists stand on one line, as JSON; empty objects are left out. */
static void put_members(const cJSON *object, const char *prefix, int depth, table *t)
{
    const cJSON *member;
    cJSON_ArrayForEach(member, object)
    {
        char path[PATH_ROOM];
        snprintf(path, sizeof path, "%s%s%s", prefix, *prefix ? "." : "", member->string);
        if (cJSON_IsObject(member) && depth < DEPTH_MAX) {
            put_members(member, path, depth + 1, t);
            continue;
        }
        table_cell(t, path);
        put_value(member, member->string, t);
    }
}

void object_print(const cJSON *object, terminal *out)
{
    static const char *const headings[] = {"FIELD", "VALUE"};
    table t;
    table_init(&t, headings, 2);
    put_members(object, "", 0, &t);
    table_print(&t, out);
    table_free(&t);
}

exit_code object_show(server *s, const options *o, const char *path, terminal *out, problem *p)
{
    cJSON *object;
    char *raw = NULL;
    exit_code code = server_json(s, path, NULL, &object, &raw, p);
    if (code == EXIT_DONE && o->json)
        terminal_line(out, raw);
    else if (code == EXIT_DONE)
        object_print(object, out);
    free(raw);
    cJSON_Delete(object);
    return code;
}

exit_code object_delete(server *s, const options *o, const char *path, const char *name,
                        terminal *out, problem *p)
{
    char *raw = NULL;
    cJSON *json = NULL;
    exit_code code =
        server_call(s, &(http_call){.path = path, .method = "DELETE"}, &json, &raw, NULL, p);
    if (code == EXIT_DONE && o->json)
        terminal_line(out, raw);
    else if (code == EXIT_DONE)
        terminal_printf(out, "%s deleted\n", name);
    free(raw);
    cJSON_Delete(json);
    return code;
}
