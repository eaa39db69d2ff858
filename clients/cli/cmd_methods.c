#include "commands.h"

#include "json.h"
#include "listing.h"
#include "method.h"
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- all methods ---- */

static bool put_method(void *ctx, const cJSON *entry)
{
    table *t = ctx;
    const cJSON *schema = cJSON_GetObjectItemCaseSensitive(entry, "schema");
    table_cell(t, json_string(entry, "type"));
    table_cell(t, json_string(entry, "plugin"));
    table_cell(t, json_string(schema, "description"));
    return !t->failed;
}

static exit_code list(server *s, const options *o, terminal *out, terminal *err, problem *p)
{
    static const char *const headings[] = {"METHOD", "PLUGIN", "DESCRIPTION"};
    table t;
    table_init(&t, headings, 3);
    exit_code code = listing_each(s, "/v1/fine_tuning/methods", "methods", o->json ? out : NULL,
                                  put_method, &t, p);
    if (code == EXIT_DONE && t.failed)
        code = problem_set(p, EXIT_SERVER, "out of memory");
    else if (code == EXIT_DONE && !o->json && t.len == 0)
        terminal_line(err, "no methods: the server has loaded no plugin");
    else if (code == EXIT_DONE && !o->json)
        table_print(&t, out);
    table_free(&t);
    return code;
}

/* ---- one method ---- */

/* "0 < x <= 1", "one of a, b", or the type. */
static void describe(const cJSON *schema, text *out)
{
    const cJSON *choices = cJSON_GetObjectItemCaseSensitive(schema, "enum"), *choice;
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(schema, "type");
    double none = -1e308;
    double low = json_number(schema, "minimum", none), high = json_number(schema, "maximum", none);
    double above = json_number(schema, "exclusiveMinimum", none);
    double below = json_number(schema, "exclusiveMaximum", none);
    text_puts(out, cJSON_IsString(type) ? type->valuestring : "value");
    cJSON_ArrayForEach(choice, choices)
    {
        if (cJSON_IsString(choice))
            text_printf(out, "%s%s", choice == choices->child ? ": " : ", ", choice->valuestring);
    }
    if (low > none)
        text_printf(out, ", >= %g", low);
    if (above > none)
        text_printf(out, ", > %g", above);
    if (high > none)
        text_printf(out, ", <= %g", high);
    if (below > none)
        text_printf(out, ", < %g", below);
}

static void put_property(const cJSON *property, table *t)
{
    const cJSON *fallback = cJSON_GetObjectItemCaseSensitive(property, "default");
    char *printed = cJSON_IsString(fallback) ? NULL : json_print(fallback);
    text values;
    text_init(&values, 1024);
    describe(property, &values);
    table_cell(t, property->string);
    table_cell(t, cJSON_IsString(fallback) ? fallback->valuestring : printed);
    table_cell(t, text_str(&values));
    table_cell(t, json_string(property, "description"));
    text_free(&values);
    free(printed);
}

static void print_properties(const cJSON *properties, terminal *out)
{
    static const char *const headings[] = {"NAME", "DEFAULT", "VALUES", "MEANING"};
    const cJSON *one;
    table t;
    table_init(&t, headings, 4);
    cJSON_ArrayForEach(one, properties)
    {
        if (strcmp(one->string, "hyperparameters") != 0)
            put_property(one, &t);
    }
    table_print(&t, out);
    table_free(&t);
}

static void print_presets(const cJSON *presets, terminal *out)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, presets)
    {
        char *values = json_print(one);
        terminal_printf(out, "--preset ");
        terminal_write(out, one->string, strlen(one->string));
        terminal_printf(out, "\t");
        terminal_line(out, values ? values : "");
        free(values);
    }
}

static exit_code show(server *s, const options *o, const char *type, terminal *out, problem *p)
{
    method m;
    exit_code code = method_fetch(&m, s, type, p);
    if (code == EXIT_DONE && o->json) {
        char *entry = json_print(m.entry);
        terminal_line(out, entry ? entry : "");
        free(entry);
    } else if (code == EXIT_DONE) {
        print_properties(m.numbers, out);
        if (out->is_tty)
            terminal_printf(out, "\n");
        print_properties(m.properties, out);
        print_presets(m.presets, out);
    }
    method_free(&m);
    return code;
}

exit_code cmd_methods(const options *o, terminal *out, terminal *err, problem *p)
{
    const char *type = options_argument(o, 0);
    server s = {0};
    exit_code code = server_open(&s, o, p);
    if (code == EXIT_DONE)
        code = type ? show(&s, o, type, out, p) : list(&s, o, out, err, p);
    server_close(&s);
    return code;
}
