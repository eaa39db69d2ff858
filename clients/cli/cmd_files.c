#include "actions.h"
#include "commands.h"
#include "json.h"
#include "listing.h"
#include "object.h"
#include "upload.h"

#include <stdio.h>
#include <stdlib.h>

enum { PATH_ROOM = 128 };

static void put_file(const cJSON *file, table *t)
{
    table_cell(t, json_string(file, "id"));
    table_cell(t, json_string(file, "filename"));
    table_cell(t, json_string(file, "format"));
    table_cellf(t, "%.0f", json_number(file, "rows", 0));
    table_cellf(t, "%.0f", json_number(file, "bytes", 0));
    table_cell(t, json_string(file, "status"));
    table_time(t, json_number(file, "created_at", 0));
}

static exit_code list(const action_context *a, problem *p)
{
    static const char *const headings[] = {"ID",    "NAME",   "FORMAT", "ROWS",
                                           "BYTES", "STATUS", "CREATED"};
    static const listing files = {"/v1/files", "files", headings, 7, put_file};
    return listing_print(a->server, a->o, &files, a->out, p);
}

static exit_code upload(const action_context *a, problem *p)
{
    cJSON *file;
    exit_code code = upload_file(a->server, a->name, a->o->json ? a->out : NULL, a->err, &file, p);
    if (code == EXIT_DONE && !a->o->json)
        upload_print(file, a->out);
    cJSON_Delete(file);
    return code;
}

static exit_code show(const action_context *a, problem *p)
{
    char path[PATH_ROOM];
    snprintf(path, sizeof path, "/v1/files/%s", a->name);
    return object_show(a->server, a->o, path, a->out, p);
}

static exit_code delete (const action_context *a, problem *p)
{
    char path[PATH_ROOM];
    snprintf(path, sizeof path, "/v1/files/%s", a->name);
    return object_delete(a->server, a->o, path, a->name, a->out, p);
}

exit_code cmd_files(const options *o, terminal *out, terminal *err, problem *p)
{
    static const action actions[] = {
        {"list", ACTION_ALONE, list},
        {"upload", ACTION_PATHS, upload},
        {"show", ACTION_ID, show},
        {"delete", ACTION_IDS, delete},
    };
    return actions_run(actions, sizeof actions / sizeof actions[0], "a file", o, out, err, p);
}
