/* Writes a folder of built pages as C: the table of daemon/net/ui_assets.h. Runs while building.
 *
 *     ui_embed FOLDER OUT.c
 *
 * index.html becomes "/", NAME.html "/NAME", other files keep their path. What lies under assets/
 * has its content's hash in its name and may be kept forever. The output depends on the files alone
 * (no time, no path of this machine, no order of a directory), so that two builds are equal. */
#include <dirent.h>
#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

enum { MAX_FILES = 256, PATH_BYTES = 512, GZIP_WINDOW = 15 + 16 /* +16: a gzip head */ };

typedef struct file {
    char source[PATH_BYTES]; /* to read it from */
    char path[PATH_BYTES];   /* as requested */
    unsigned char *bytes, *gzip;
    size_t len, gzip_len; /* gzip_len 0: compressing does not shorten it */
} file;

static file files[MAX_FILES];
static size_t n_files;

static void fail(const char *what, const char *which)
{
    fprintf(stderr, "ui_embed: %s: %s\n", which, what);
    exit(1);
}

/* ---- reading ---- */

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

/* "index.html" -> "/", "label.html" -> "/label", "assets/x.js" -> "/assets/x.js" */
static void set_request_path(file *f, const char *relative)
{
    size_t len = strlen(relative);
    if (strcmp(relative, "index.html") == 0)
        len = 0;
    else if (ends_with(relative, ".html"))
        len -= strlen(".html");
    snprintf(f->path, sizeof f->path, "/%.*s", (int)len, relative);
}

static void read_bytes(file *f, size_t len)
{
    FILE *in = fopen(f->source, "rb");
    f->len = len;
    f->bytes = malloc(len + 1);
    if (!in || !f->bytes || fread(f->bytes, 1, len, in) != len || fclose(in) != 0)
        fail("cannot be read", f->source);
}

static void add_file(const char *source, const char *relative, size_t len)
{
    if (n_files == MAX_FILES)
        fail("more files than this tool takes", source);
    file *f = &files[n_files++];
    snprintf(f->source, sizeof f->source, "%s", source);
    set_request_path(f, relative);
    read_bytes(f, len);
}

/* Adds every file below root/relative. */
static void add_folder(const char *root, const char *relative)
{
    char source[PATH_BYTES], below[PATH_BYTES];
    snprintf(source, sizeof source, "%s/%s", root, relative);
    DIR *folder = opendir(source);
    if (!folder)
        fail(strerror(errno), source);
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] == '.')
            continue;
        int n =
            snprintf(below, sizeof below, "%s%s%s", relative, *relative ? "/" : "", entry->d_name);
        int m = snprintf(source, sizeof source, "%s/%s", root, below);
        struct stat st;
        if (n >= (int)sizeof below || m >= (int)sizeof source || stat(source, &st) != 0)
            fail("its path is too long, or it is not readable", entry->d_name);
        if (S_ISDIR(st.st_mode))
            add_folder(root, below);
        else
            add_file(source, below, (size_t)st.st_size);
    }
    closedir(folder);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const file *)a)->path, ((const file *)b)->path);
}

/* ---- what the table holds of a file ---- */

static const char *type_of(const char *source)
{
    static const struct {
        const char *ending, *type;
    } types[] = {
        {".html", "text/html; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".txt", "text/plain; charset=utf-8"},
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (ends_with(source, types[i].ending))
            return types[i].type;
    fail("has an ending without a content type (type_of)", source);
    return NULL;
}

static void compress_file(file *f)
{
    z_stream z = {.next_in = f->bytes, .avail_in = (uInt)f->len};
    if (deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 9, Z_DEFAULT_STRATEGY) !=
        Z_OK)
        fail("zlib does not start", f->source);
    size_t room = deflateBound(&z, (uLong)f->len);
    f->gzip = malloc(room);
    z.next_out = f->gzip;
    z.avail_out = (uInt)room;
    if (!f->gzip || deflate(&z, Z_FINISH) != Z_STREAM_END)
        fail("cannot be compressed", f->source);
    f->gzip_len = z.total_out < f->len ? z.total_out : 0;
    deflateEnd(&z);
}

/* ---- writing ---- */

static void write_bytes(FILE *out, const char *name, size_t i, const unsigned char *bytes, size_t n)
{
    fprintf(out, "static const unsigned char %s_%zu[] = {", name, i);
    for (size_t at = 0; at < n; at++)
        fprintf(out, "%s%u,", at % 32 ? "" : "\n", bytes[at]);
    fprintf(out, "%s};\n", n ? "" : "0");
}

static void write_row(FILE *out, size_t i)
{
    const file *f = &files[i];
    unsigned char digest[crypto_hash_sha256_BYTES];
    char hex[2 * sizeof digest + 1];
    crypto_hash_sha256(digest, f->bytes, f->len);
    sodium_bin2hex(hex, sizeof hex, digest, sizeof digest);
    fprintf(out, "    {\"%s\", \"%s\", \"\\\"%s\\\"\", bytes_%zu, %zu, ", f->path,
            type_of(f->source), hex, i, f->len);
    if (f->gzip_len)
        fprintf(out, "gzip_%zu, %zu, ", i, f->gzip_len);
    else
        fprintf(out, "NULL, 0, ");
    fprintf(out, "%s},\n", strncmp(f->path, "/assets/", 8) == 0 ? "true" : "false");
}

static void write_table(FILE *out)
{
    fprintf(out, "/* Written by clients/web/embed. */\n#include \"net/ui_assets.h\"\n\n");
    for (size_t i = 0; i < n_files; i++) {
        write_bytes(out, "bytes", i, files[i].bytes, files[i].len);
        if (files[i].gzip_len)
            write_bytes(out, "gzip", i, files[i].gzip, files[i].gzip_len);
    }
    fprintf(out, "\nconst ui_asset ui_assets[] = {\n");
    for (size_t i = 0; i < n_files; i++)
        write_row(out, i);
    fprintf(out, "};\nconst size_t ui_asset_count = %zu;\n", n_files);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: ui_embed FOLDER OUT.c\n");
        return 2;
    }
    add_folder(argv[1], "");
    qsort(files, n_files, sizeof *files, by_path);
    if (!n_files || strcmp(files[0].path, "/") != 0)
        fail("holds no index.html", argv[1]);
    for (size_t i = 0; i < n_files; i++)
        compress_file(&files[i]);
    FILE *out = fopen(argv[2], "wb");
    if (!out)
        fail(strerror(errno), argv[2]);
    write_table(out);
    if (fclose(out) != 0)
        fail("cannot be written", argv[2]);
    return 0;
}
