#include "host/plugin_table.h"

#include <string.h>

enum { NAME_CHARS = 32, MAX_METHODS = 64 };

/* Sizes of the tables as of version 1.0: what a plugin of any 1.x must bring. */
#define PLUGIN_BYTES                                                                               \
    (offsetof(instructd_plugin, shutdown) + sizeof(((instructd_plugin *)0)->shutdown))
#define METHOD_BYTES (offsetof(instructd_method, run) + sizeof(((instructd_method *)0)->run))

static bool is_name(const char *name)
{
    size_t n = name ? strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") : 0;
    return n >= 1 && n <= NAME_CHARS && !name[n];
}

static bool check_version(const instructd_plugin *t, error_text *err)
{
    if (t->magic != INSTRUCTD_PLUGIN_MAGIC)
        return error_text_set(err, "magic: expected 0x%08x, found 0x%08x", INSTRUCTD_PLUGIN_MAGIC,
                              t->magic);
    if (t->abi_major != INSTRUCTD_ABI_MAJOR)
        return error_text_set(err, "ABI major version: expected %u, found %u", INSTRUCTD_ABI_MAJOR,
                              t->abi_major);
    if (t->abi_minor > INSTRUCTD_ABI_MINOR)
        return error_text_set(err,
                              "ABI minor version: expected at most %u, found %u: the plugin "
                              "is newer than this daemon",
                              INSTRUCTD_ABI_MINOR, t->abi_minor);
    if (t->size < PLUGIN_BYTES)
        return error_text_set(err, "plugin table: expected at least %zu bytes, found %u",
                              PLUGIN_BYTES, t->size);
    return true;
}

static bool check_method(const instructd_method *m, uint32_t index, error_text *err)
{
    if (!m)
        return error_text_set(err, "method %u: expected a table, found NULL", index);
    if (m->size < METHOD_BYTES)
        return error_text_set(err, "method %u: expected at least %zu bytes, found %u", index,
                              METHOD_BYTES, m->size);
    if (!is_name(m->type))
        return error_text_set(err, "method %u: type: expected [a-z0-9_]{1,%d}, found \"%.40s\"",
                              index, NAME_CHARS, m->type ? m->type : "");
    const char *missing = !m->schema_json ? "schema_json" : !m->check ? "check" : "run";
    if (!m->schema_json || !m->check || !m->run)
        return error_text_set(err, "method \"%s\": %s: expected a pointer, found NULL", m->type,
                              missing);
    return true;
}

bool plugin_table_check(const instructd_plugin *t, error_text *err)
{
    if (!check_version(t, err))
        return false;
    if (!is_name(t->name))
        return error_text_set(err, "name: expected [a-z0-9_]{1,%d}, found \"%.40s\"", NAME_CHARS,
                              t->name ? t->name : "");
    if (!t->version || !t->version[0])
        return error_text_set(err, "version: expected a text, found none");
    if (t->n_methods > MAX_METHODS || (t->n_methods && !t->methods))
        return error_text_set(err, "methods: expected at most %d in an array, found %u%s",
                              MAX_METHODS, t->n_methods, t->methods ? "" : " without one");
    for (uint32_t i = 0; i < t->n_methods; i++)
        if (!check_method(t->methods[i], i, err))
            return false;
    return true;
}
