#include "host/plugin_host.h"

#include "api/schema.h"
#include "base/log.h"
#include "host/plugin_file.h"
#include "host/plugin_look.h"
#include "host/plugin_table.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct plugin {
    void *library; /* of dlopen */
    const instructd_plugin *table;
    plugin_look *look; /* NULL: it checks no files */
} plugin;

struct plugin_host {
    const instructd_host *lent;
    plugin *plugins;
    size_t n_plugins;
    plugin_method *methods;
    size_t n_methods;
};

/* ---- one plugin ---- */

/* Room for one more plugin and all its methods, so that nothing can fail half way. */
static bool make_room(plugin_host *p, uint32_t n_methods, error_text *err)
{
    plugin *plugins = realloc(p->plugins, (p->n_plugins + 1) * sizeof *plugins);
    if (plugins)
        p->plugins = plugins;
    plugin_method *methods = realloc(p->methods, (p->n_methods + n_methods + 1) * sizeof *methods);
    if (methods)
        p->methods = methods;
    return (plugins && methods) || error_text_set(err, "out of memory");
}

/* Reads the method's schema and lists it; behind n_methods it is not visible yet. */
static bool add_method(plugin_host *p, size_t at, const instructd_plugin *table,
                       const instructd_method *method, error_text *err)
{
    for (size_t i = 0; i < at; i++)
        if (strcmp(p->methods[i].method->type, method->type) == 0)
            return error_text_set(err,
                                  "method \"%s\": expected a new type, found the one of "
                                  "plugin \"%s\"",
                                  method->type, p->methods[i].plugin);
    error_text why;
    schema *s = schema_parse(method->schema_json, &why);
    if (!s)
        return error_text_set(err, "method \"%s\": %s", method->type, why.text);
    p->methods[at] = (plugin_method){.plugin = table->name, .method = method, .schema = s};
    return true;
}

static bool add_methods(plugin_host *p, const instructd_plugin *table, error_text *err)
{
    size_t at = p->n_methods;
    for (uint32_t i = 0; i < table->n_methods; i++, at++) {
        if (add_method(p, at, table, table->methods[i], err))
            continue;
        while (at > p->n_methods)
            schema_free(p->methods[--at].schema);
        return false;
    }
    p->n_methods = at;
    return true;
}

static const instructd_plugin *enter(void *library, const instructd_host *lent, error_text *err)
{
    instructd_plugin_entry_fn *entry;
    *(void **)&entry = dlsym(library, INSTRUCTD_PLUGIN_ENTRY);
    if (!entry) {
        error_text_set(err, "expected a symbol " INSTRUCTD_PLUGIN_ENTRY ", found none");
        return NULL;
    }
    char why[INSTRUCTD_ERROR_BYTES] = "";
    const instructd_plugin *table = entry(lent, why);
    why[sizeof why - 1] = 0;
    if (!table)
        error_text_set(err, "the plugin declines: %.400s", why[0] ? why : "it gives no reason");
    return table;
}

static void leave(const plugin *l)
{
    plugin_look_free(l->look);
    if (INSTRUCTD_HAS(l->table, instructd_plugin, shutdown))
        l->table->shutdown();
    dlclose(l->library);
}

static bool make_look(plugin *l, error_text *err)
{
    if (!INSTRUCTD_HAS(l->table, instructd_plugin, file_check))
        return true;
    const plugin_look_options options = {.plugin = l->table->name,
                                         .file_check = l->table->file_check};
    l->look = plugin_look_create(&options);
    return l->look || error_text_set(err, "out of memory");
}

/* What dlopen gave becomes a plugin of the list, or goes away again. */
static bool adopt(plugin_host *p, void *library, error_text *err)
{
    const instructd_plugin *table = enter(library, p->lent, err);
    if (!table || !plugin_table_check(table, err)) {
        dlclose(library); /* no shutdown: a table that is not understood is not called */
        return false;
    }
    plugin l = {.library = library, .table = table};
    if (!make_look(&l, err) || !make_room(p, table->n_methods, err) ||
        !add_methods(p, table, err)) {
        leave(&l);
        return false;
    }
    p->plugins[p->n_plugins++] = l;
    return true;
}

/* dlopen gives the same handle for the same file, whatever its name. */
static bool is_loaded(const plugin_host *p, const void *library)
{
    for (size_t i = 0; i < p->n_plugins; i++)
        if (p->plugins[i].library == library)
            return true;
    return false;
}

bool plugin_host_load(plugin_host *p, const char *path, error_text *err)
{
    error_text why;
    if (!plugin_file_check(path, err))
        return false;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return error_text_set(err, "%.400s", dlerror());
    if (is_loaded(p, library)) {
        dlclose(library);
        return error_text_set(err, "%s: expected a new plugin, found one that is loaded", path);
    }
    if (!adopt(p, library, &why))
        return error_text_set(err, "%s: %s", path, why.text);
    const instructd_plugin *table = p->plugins[p->n_plugins - 1].table;
    log_event(LOG_INFO, "plugin", "name=%s version=%.40s methods=%u", table->name, table->version,
              table->n_methods);
    return true;
}

/* ---- the directory ---- */

static int is_shared_object(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    return n > 3 && entry->d_name[0] != '.' && strcmp(entry->d_name + n - 3, ".so") == 0;
}

static void load_entry(plugin_host *p, const char *directory, const char *name)
{
    char path[PATH_MAX];
    error_text err;
    if (snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path)
        log_event(LOG_ERROR, "plugin_refused", "%.100s...: the path is too long", directory);
    else if (!plugin_host_load(p, path, &err))
        log_event(LOG_ERROR, "plugin_refused", "%s", err.text);
}

/* In the order of their names, so that every start is the same. */
static void load_directory(plugin_host *p, const char *directory)
{
    error_text err;
    struct dirent **entries;
    if (access(directory, F_OK) != 0) {
        log_event(LOG_INFO, "no_plugins", "%s: %s", directory, strerror(errno));
        return;
    }
    if (!plugin_directory_check(directory, &err)) {
        log_event(LOG_ERROR, "plugins_refused", "%s", err.text);
        return;
    }
    int n = scandir(directory, &entries, is_shared_object, alphasort);
    if (n < 0) {
        log_event(LOG_ERROR, "plugins_refused", "%s: %s", directory, strerror(errno));
        return;
    }
    if (n == 0)
        log_event(LOG_WARN, "no_plugins", "%s holds no *.so: nothing can be trained", directory);
    for (int i = 0; i < n; i++) {
        load_entry(p, directory, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

bool plugin_host_default_directory(char *out, size_t cap)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0)
        return false;
    self[n] = 0;
    char *slash = strrchr(self, '/');
    *slash = 0;
    return snprintf(out, cap, "%s/../lib/plugins", self) < (int)cap;
}

bool plugin_host_open(plugin_host **out, const char *directory, const instructd_host *host,
                      error_text *err)
{
    plugin_host *p = calloc(1, sizeof *p);
    if (!p)
        return error_text_set(err, "out of memory");
    p->lent = host;
    if (directory)
        load_directory(p, directory);
    *out = p;
    return true;
}

void plugin_host_free(plugin_host *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n_methods; i++)
        schema_free(p->methods[i].schema);
    for (size_t i = p->n_plugins; i-- > 0;)
        leave(&p->plugins[i]);
    free(p->methods);
    free(p->plugins);
    free(p);
}

/* ---- what they offer ---- */

size_t plugin_host_methods(const plugin_host *p, const plugin_method **out)
{
    *out = p->methods;
    return p->n_methods;
}

const plugin_method *plugin_host_find(const plugin_host *p, const char *type)
{
    for (size_t i = 0; i < p->n_methods; i++)
        if (strcmp(p->methods[i].method->type, type) == 0)
            return &p->methods[i];
    return NULL;
}

/* Of several plugins that do not know it, the last one that says why is heard. */
bool plugin_host_file_check(const plugin_host *p, int fd, instructd_file_report *report)
{
    *report = (instructd_file_report){.size = sizeof *report};
    for (size_t i = 0; i < p->n_plugins; i++) {
        if (!p->plugins[i].look)
            continue;
        instructd_file_report found;
        const int rc = plugin_look_at(p->plugins[i].look, fd, &found);
        if (rc == INSTRUCTD_OK || found.error[0])
            *report = found;
        if (rc == INSTRUCTD_OK)
            return true;
    }
    if (!report->error[0])
        snprintf(report->error, sizeof report->error,
                 "line 1: no plugin knows a format that begins like this");
    return false;
}

void plugin_host_ask_stop(plugin_host *p)
{
    for (size_t i = 0; p && i < p->n_plugins; i++)
        if (p->plugins[i].look)
            plugin_look_ask_stop(p->plugins[i].look);
}

bool plugin_host_is_stuck(const plugin_host *p)
{
    for (size_t i = 0; p && i < p->n_plugins; i++)
        if (p->plugins[i].look && plugin_look_is_stuck(p->plugins[i].look))
            return true;
    return false;
}
