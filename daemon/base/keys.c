#include "base/keys.h"

#include "base/file_replace.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    HASH_BYTES = crypto_hash_sha256_BYTES,
    SECRET_BYTES = 32,
    MAX_KEYS = 4096,
    LINE_BYTES = 512,
    KEY_BYTES = 256 /* longest key taken from a file */
};

static const char prefix[] = "sk-inst-";

typedef struct key_entry {
    unsigned char hash[HASH_BYTES];
    key_info info;
} key_entry;

struct keys {
    key_entry *entries; /* (i) */
    size_t n;           /* (i) */
};

static const struct {
    const char *name;
    unsigned bit;
} scopes[] = {
    {"infer", KEY_INFER},           {"playground", KEY_PLAYGROUND}, {"label:demo", KEY_LABEL_DEMO},
    {"label:rank", KEY_LABEL_RANK}, {"label:eval", KEY_LABEL_EVAL}, {"train", KEY_TRAIN},
    {"admin", KEY_ADMIN},           {"label:*", KEY_LABEL}, /* last: a name for several */
};
enum { N_SCOPES = sizeof scopes / sizeof scopes[0] };

static const char *const role_names[] = {[KEY_ROLE_USER] = "user",
                                         [KEY_ROLE_TRAINER] = "trainer",
                                         [KEY_ROLE_HELDOUT] = "heldout",
                                         [KEY_ROLE_RESEARCHER] = "researcher"};
enum { N_ROLES = sizeof role_names / sizeof role_names[0] };

static unsigned scope_bit(const char *name, size_t len)
{
    for (size_t i = 0; i < N_SCOPES; i++)
        if (strlen(scopes[i].name) == len && memcmp(scopes[i].name, name, len) == 0)
            return scopes[i].bit;
    return 0;
}

bool key_scopes_parse(const char *text, unsigned *out)
{
    *out = 0;
    for (const char *p = text;; p++) {
        size_t len = strcspn(p, ",");
        unsigned bit = scope_bit(p, len);
        if (!bit)
            return false;
        *out |= bit;
        p += len;
        if (!*p)
            return true;
    }
}

bool key_scope_allows(unsigned held, unsigned wanted)
{
    if (held & KEY_ADMIN)
        return true;
    if (held & KEY_PLAYGROUND)
        held |= KEY_INFER;
    return (held & wanted) != 0;
}

const char *key_scope_next(unsigned bits, size_t *at)
{
    while (*at < N_SCOPES - 1) {
        const size_t i = (*at)++;
        if (bits & scopes[i].bit)
            return scopes[i].name;
    }
    return NULL;
}

const char *key_role_text(key_role role)
{
    return role_names[role];
}

bool key_is_playground(const key_info *key)
{
    return (key->scope & (KEY_PLAYGROUND | KEY_INFER | KEY_ADMIN)) == KEY_PLAYGROUND;
}

static key_role role_of_scopes(unsigned scope)
{
    if (scope & (KEY_TRAIN | KEY_ADMIN))
        return KEY_ROLE_RESEARCHER;
    if (scope & KEY_LABEL_EVAL)
        return KEY_ROLE_HELDOUT;
    return scope & KEY_LABEL ? KEY_ROLE_TRAINER : KEY_ROLE_USER;
}

static bool name_valid(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    return n >= 1 && n <= 64 && name[n] == 0;
}

/* Enters `info` (its name, scope, user and role) under a digest. */
static bool keys_add(keys *k, const key_info *info, const unsigned char *hash, error_text *err)
{
    if (k->n == MAX_KEYS)
        return error_text_set(err, "more than %d keys", MAX_KEYS);
    key_entry *grown = realloc(k->entries, (k->n + 1) * sizeof *grown);
    if (!grown)
        return error_text_set(err, "out of memory");
    k->entries = grown;
    key_entry *e = &grown[k->n];
    *e = (key_entry){.info = *info};
    memcpy(e->hash, hash, HASH_BYTES);
    e->info.index = (int)k->n++;
    unsigned char salt[HASH_BYTES];
    crypto_hash_sha256(salt, hash, HASH_BYTES);
    memcpy(&e->info.tenant, salt, sizeof e->info.tenant);
    if (e->info.tenant <= 1) /* 0 opts out of the cache, 1 is the keyless tenant */
        e->info.tenant = 2;
    return true;
}

/* ---- admin.key and page.key ---- */

/* A key that the daemon makes for its owner; its file is <data-dir>/<name>.key. */
static const key_info own_keys[] = {
    {.name = "admin", .user = "admin", .scope = KEY_ADMIN, .role = KEY_ROLE_RESEARCHER},
    {.name = "page",
     .user = "page",
     .scope = KEY_PLAYGROUND | KEY_LABEL | KEY_TRAIN,
     .role = KEY_ROLE_RESEARCHER},
};

/* A new file with a fresh random key in it; a crash leaves either no key or a whole one. */
static bool own_key_create(const key_info *own, const char *data_dir, const char *file,
                           error_text *err)
{
    unsigned char id[4], secret[SECRET_BYTES];
    char id_hex[2 * sizeof id + 1], secret_hex[2 * SECRET_BYTES + 1], text[KEY_BYTES];
    error_text why;
    randombytes_buf(id, sizeof id);
    randombytes_buf(secret, sizeof secret);
    sodium_bin2hex(id_hex, sizeof id_hex, id, sizeof id);
    sodium_bin2hex(secret_hex, sizeof secret_hex, secret, sizeof secret);
    int n = snprintf(text, sizeof text, "%s%s-%s\n", prefix, id_hex, secret_hex);
    const bool ok = file_replace_in(data_dir, file, text, (size_t)n, &why);
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(secret_hex, sizeof secret_hex);
    sodium_memzero(text, sizeof text);
    return ok || error_text_set(err, "%s/%s: cannot write the %s key: %s", data_dir, file,
                                own->name, why.text);
}

static bool own_key_read(keys *k, const key_info *own, int fd, const char *path, error_text *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return error_text_set(err, "%s: not a regular file", path);
    if (st.st_mode & 077)
        return error_text_set(err, "%s: mode %03o lets others read it; chmod 600 it", path,
                              st.st_mode & 0777u);
    char text[KEY_BYTES] = {0};
    ssize_t n = read(fd, text, sizeof text - 1);
    size_t len = n > 0 ? strcspn(text, "\r\n") : 0;
    if (len < sizeof prefix + SECRET_BYTES || strncmp(text, prefix, sizeof prefix - 1) != 0)
        return error_text_set(err, "%s: holds no key; remove it to have a new one made", path);
    unsigned char hash[HASH_BYTES];
    crypto_hash_sha256(hash, (const unsigned char *)text, len);
    sodium_memzero(text, sizeof text);
    return keys_add(k, own, hash, err);
}

static bool own_key_load(keys *k, const key_info *own, const char *data_dir, error_text *err)
{
    char path[4096], file[sizeof own->name + 4];
    snprintf(file, sizeof file, "%s.key", own->name);
    if (snprintf(path, sizeof path, "%s/%s", data_dir, file) >= (int)sizeof path)
        return error_text_set(err, "the data directory's path is too long");
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT) {
        if (!own_key_create(own, data_dir, file, err))
            return false;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    }
    if (fd < 0)
        return error_text_set(err, "%s: %s", path, strerror(errno));
    bool ok = own_key_read(k, own, fd, path, err);
    close(fd);
    return ok;
}

static bool own_keys_load(keys *k, const char *data_dir, error_text *err)
{
    for (size_t i = 0; i < sizeof own_keys / sizeof own_keys[0]; i++)
        if (!own_key_load(k, &own_keys[i], data_dir, err))
            return false;
    return true;
}

/* ---- the key file ---- */

static bool parse_scopes(const char *text, key_info *to, const char *where, error_text *err)
{
    return key_scopes_parse(text, &to->scope) ||
           error_text_set(err,
                          "%s: scopes are infer, playground, label:demo, label:rank, label:eval, "
                          "label:*, train, admin, joined by commas",
                          where);
}

static bool parse_hash(const char *hex, unsigned char hash[HASH_BYTES], const char *where,
                       error_text *err)
{
    size_t n;
    return (strlen(hex) == 2 * (size_t)HASH_BYTES &&
            sodium_hex2bin(hash, HASH_BYTES, hex, strlen(hex), NULL, &n, NULL) == 0 &&
            n == HASH_BYTES) ||
           error_text_set(err, "%s: a SHA-256 has 64 hex digits", where);
}

static bool parse_role(const char *text, key_info *to)
{
    for (int i = 0; i < N_ROLES; i++)
        if (strcmp(role_names[i], text) == 0) {
            to->role = (key_role)i;
            return true;
        }
    return false;
}

/* One of the words behind the digest. */
static bool parse_option(const char *word, key_info *to, const char *where, error_text *err)
{
    if (strncmp(word, "user=", 5) == 0 && name_valid(word + 5)) {
        snprintf(to->user, sizeof to->user, "%s", word + 5);
        return true;
    }
    if (strncmp(word, "role=", 5) == 0 && parse_role(word + 5, to))
        return true;
    return error_text_set(err,
                          "%s: '%.80s': expected user=NAME (of 1 to 64 A-Z a-z 0-9 _ -) or "
                          "role=user, trainer, heldout or researcher",
                          where, word);
}

static bool key_line_parse(keys *k, char *line, const char *where, error_text *err)
{
    line[strcspn(line, "#\r\n")] = 0;
    char *rest = NULL;
    const char *name = strtok_r(line, " \t", &rest);
    if (!name)
        return true;
    const char *scope_text = strtok_r(NULL, " \t", &rest);
    const char *hex = strtok_r(NULL, " \t", &rest);
    if (!scope_text || !hex)
        return error_text_set(err, "%s: expected NAME SCOPES SHA256 [user=...] [role=...]", where);
    if (!name_valid(name))
        return error_text_set(err, "%s: a name is 1 to 64 of A-Z a-z 0-9 _ -", where);
    key_info info = {0};
    unsigned char hash[HASH_BYTES];
    snprintf(info.name, sizeof info.name, "%s", name);
    snprintf(info.user, sizeof info.user, "%s", name);
    if (!parse_scopes(scope_text, &info, where, err) || !parse_hash(hex, hash, where, err))
        return false;
    info.role = role_of_scopes(info.scope);
    for (const char *word; (word = strtok_r(NULL, " \t", &rest));)
        if (!parse_option(word, &info, where, err))
            return false;
    return keys_add(k, &info, hash, err);
}

static bool key_file_load(keys *k, const char *path, error_text *err)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return error_text_set(err, "%s: %s", path, strerror(errno));
    char line[LINE_BYTES], where[300];
    bool ok = true;
    for (int number = 1; ok && fgets(line, sizeof line, f); number++) {
        snprintf(where, sizeof where, "%.256s:%d", path, number);
        if (!strchr(line, '\n') && !feof(f))
            ok = error_text_set(err, "%s: the line is too long", where);
        else
            ok = key_line_parse(k, line, where, err);
    }
    if (ok && ferror(f))
        ok = error_text_set(err, "%s: %s", path, strerror(errno));
    fclose(f);
    return ok;
}

keys *keys_open(const char *data_dir, const char *key_file, error_text *err)
{
    keys *k = calloc(1, sizeof *k);
    if (!k || sodium_init() < 0) {
        error_text_set(err, "out of memory");
        free(k);
        return NULL;
    }
    if (!own_keys_load(k, data_dir, err) || (key_file && !key_file_load(k, key_file, err))) {
        keys_free(k);
        return NULL;
    }
    return k;
}

void keys_free(keys *k)
{
    if (!k)
        return;
    free(k->entries);
    free(k);
}

size_t keys_count(const keys *k)
{
    return k->n;
}

key_match keys_find(const keys *k, const char *value, size_t len, key_info *out)
{
    *out = (key_info){.index = -1, .tenant = 1};
    if (!value || len < sizeof prefix - 1 || memcmp(value, prefix, sizeof prefix - 1) != 0)
        return KEY_NONE;
    unsigned char hash[HASH_BYTES];
    crypto_hash_sha256(hash, (const unsigned char *)value, len);
    const key_entry *found = NULL;
    for (size_t i = 0; i < k->n; i++) /* all of them, whatever matched */
        if (sodium_memcmp(hash, k->entries[i].hash, HASH_BYTES) == 0)
            found = &k->entries[i];
    if (!found)
        return KEY_UNKNOWN;
    *out = found->info;
    return KEY_FOUND;
}
