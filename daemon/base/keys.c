#include "base/keys.h"

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
    {"admin", KEY_ADMIN},
};

static unsigned scope_bit(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof scopes / sizeof scopes[0]; i++)
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

static bool name_valid(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    return n >= 1 && n <= 64 && name[n] == 0;
}

static bool keys_add(keys *k, const char *name, unsigned scope, const unsigned char *hash,
                     error_text *err)
{
    if (k->n == MAX_KEYS)
        return error_text_set(err, "more than %d keys", MAX_KEYS);
    key_entry *grown = realloc(k->entries, (k->n + 1) * sizeof *grown);
    if (!grown)
        return error_text_set(err, "out of memory");
    k->entries = grown;
    key_entry *e = &grown[k->n];
    memset(e, 0, sizeof *e);
    memcpy(e->hash, hash, HASH_BYTES);
    e->info.index = (int)k->n++;
    snprintf(e->info.name, sizeof e->info.name, "%s", name);
    e->info.scope = scope;
    unsigned char salt[HASH_BYTES];
    crypto_hash_sha256(salt, hash, HASH_BYTES);
    memcpy(&e->info.tenant, salt, sizeof e->info.tenant);
    if (e->info.tenant <= 1) /* 0 opts out of the cache, 1 is the keyless tenant */
        e->info.tenant = 2;
    return true;
}

/* ---- admin.key ---- */

static bool write_all(int fd, const char *bytes, size_t n)
{
    while (n) {
        ssize_t w = write(fd, bytes, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return false;
        bytes += w;
        n -= (size_t)w;
    }
    return fsync(fd) == 0;
}

/* A new file with a fresh random key in it, written beside its place and then renamed, so that
 * a crash leaves either no key or a whole one. */
static bool admin_key_create(const char *data_dir, const char *path, error_text *err)
{
    unsigned char id[4], secret[SECRET_BYTES];
    char id_hex[2 * sizeof id + 1], secret_hex[2 * SECRET_BYTES + 1], text[KEY_BYTES], tmp[4096];
    randombytes_buf(id, sizeof id);
    randombytes_buf(secret, sizeof secret);
    sodium_bin2hex(id_hex, sizeof id_hex, id, sizeof id);
    sodium_bin2hex(secret_hex, sizeof secret_hex, secret, sizeof secret);
    int n = snprintf(text, sizeof text, "%s%s-%s\n", prefix, id_hex, secret_hex);
    snprintf(tmp, sizeof tmp, "%s/.admin.key.%s", data_dir, id_hex);
    int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok = fd >= 0 && write_all(fd, text, (size_t)n) && rename(tmp, path) == 0;
    int why = errno;
    if (fd >= 0)
        close(fd);
    if (!ok) {
        unlink(tmp);
        error_text_set(err, "%s: cannot write the admin key: %s", path, strerror(why));
    }
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(secret_hex, sizeof secret_hex);
    sodium_memzero(text, sizeof text);
    return ok;
}

static bool admin_key_read(keys *k, int fd, const char *path, error_text *err)
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
    return keys_add(k, "admin", KEY_ADMIN, hash, err);
}

static bool admin_key_load(keys *k, const char *data_dir, error_text *err)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/admin.key", data_dir) >= (int)sizeof path - 32)
        return error_text_set(err, "the data directory's path is too long");
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT) {
        if (!admin_key_create(data_dir, path, err))
            return false;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    }
    if (fd < 0)
        return error_text_set(err, "%s: %s", path, strerror(errno));
    bool ok = admin_key_read(k, fd, path, err);
    close(fd);
    return ok;
}

/* ---- the key file ---- */

static bool key_line_parse(keys *k, char *line, const char *where, error_text *err)
{
    line[strcspn(line, "#\r\n")] = 0;
    char *rest = NULL;
    char *name = strtok_r(line, " \t", &rest);
    if (!name)
        return true;
    char *scope_text = strtok_r(NULL, " \t", &rest);
    char *hex = strtok_r(NULL, " \t", &rest);
    if (!scope_text || !hex || strtok_r(NULL, " \t", &rest))
        return error_text_set(err, "%s: expected NAME SCOPES SHA256", where);
    if (!name_valid(name))
        return error_text_set(err, "%s: a name is 1 to 64 of A-Z a-z 0-9 _ -", where);
    unsigned scope;
    if (!key_scopes_parse(scope_text, &scope))
        return error_text_set(err,
                              "%s: scopes are infer, playground, label:demo, label:rank, "
                              "label:eval, train, admin, joined by commas",
                              where);
    unsigned char hash[HASH_BYTES];
    size_t n;
    if (strlen(hex) != 2 * (size_t)HASH_BYTES ||
        sodium_hex2bin(hash, sizeof hash, hex, strlen(hex), NULL, &n, NULL) != 0 || n != HASH_BYTES)
        return error_text_set(err, "%s: a SHA-256 has 64 hex digits", where);
    return keys_add(k, name, scope, hash, err);
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
    if (!admin_key_load(k, data_dir, err) || (key_file && !key_file_load(k, key_file, err))) {
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
