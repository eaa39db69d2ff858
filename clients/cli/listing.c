#include "listing.h"

#include "json.h"
#include "names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGES_MAX = 10000, PAGE_ITEMS = 100 };

/* Takes one page; `last` becomes the id to continue after, or "". */
static exit_code take_page(const cJSON *page, const char *what,
                           bool (*take)(void *ctx, const cJSON *item), void *ctx, char *last,
                           size_t room, problem *p)
{
    const cJSON *data = cJSON_GetObjectItemCaseSensitive(page, "data"), *item;
    bool more = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(page, "has_more"));
    if (!cJSON_IsArray(data))
        return problem_set(p, EXIT_SERVER, "the server's list of %s has no data", what);
    last[0] = '\0';
    cJSON_ArrayForEach(item, data)
    {
        const char *id = json_string(item, "id");
        if (!id)
            id = json_string(item, "name"); /* aliases */
        if (!take(ctx, item))
            more = false;
        snprintf(last, room, "%s", id ? id : "");
    }
    if (!more || !name_is_id(last)) /* an id that is none of ours does not go into a path */
        last[0] = '\0';
    return EXIT_DONE;
}

exit_code listing_each(server *s, const char *path, const char *what, terminal *raw_out,
                       bool (*take)(void *ctx, const cJSON *item), void *ctx, problem *p)
{
    char after[80] = "", page_path[256];
    exit_code code = EXIT_DONE;
    for (int pages = 0; code == EXIT_DONE && (pages == 0 || after[0]) && pages < PAGES_MAX;
         pages++) {
        cJSON *page;
        char *raw = NULL;
        snprintf(page_path, sizeof page_path, "%s?limit=%d%s%s", path, PAGE_ITEMS,
                 after[0] ? "&after=" : "", after);
        code = server_json(s, page_path, NULL, &page, &raw, p);
        if (code == EXIT_DONE)
            code = take_page(page, what, take, ctx, after, sizeof after, p);
        if (code == EXIT_DONE && raw_out)
            terminal_line(raw_out, raw);
        free(raw);
        cJSON_Delete(page);
    }
    return code;
}

typedef struct filling {
    const listing *l;
    table table;
} filling;

static bool add_row(void *ctx, const cJSON *item)
{
    filling *f = ctx;
    f->l->row(item, &f->table);
    return !f->table.failed;
}

exit_code listing_print(server *s, const options *o, const listing *l, terminal *out, problem *p)
{
    filling f = {.l = l};
    table_init(&f.table, l->headings, l->columns);
    exit_code code = listing_each(s, l->path, l->what, o->json ? out : NULL, add_row, &f, p);
    if (code == EXIT_DONE && f.table.failed)
        code = problem_set(p, EXIT_SERVER, "out of memory");
    if (code == EXIT_DONE && !o->json)
        table_print(&f.table, out);
    table_free(&f.table);
    return code;
}
