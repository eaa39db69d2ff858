#include "commands.h"

#include "json.h"
#include "listing.h"

static void put_model(const cJSON *model, table *t)
{
    table_cell(t, json_string(model, "id"));
    table_cell(t, json_string(model, "policy"));
    table_cell(t, json_string(model, "stage"));
    table_cellf(t, "%.0f", json_number(model, "max_model_len", 0));
}

exit_code cmd_models(const options *o, terminal *out, terminal *err, problem *p)
{
    static const char *const headings[] = {"ID", "POLICY", "STAGE", "MAX_MODEL_LEN"};
    static const listing models = {"/v1/models", "models", headings, 4, put_model};
    server s = {0};
    (void)err;
    exit_code code = server_open(&s, o, p);
    if (code == EXIT_DONE)
        code = listing_print(&s, o, &models, out, p);
    server_close(&s);
    return code;
}
