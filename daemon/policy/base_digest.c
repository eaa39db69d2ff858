#include "policy/base_digest.h"

#include "base/file_replace.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

typedef unsigned long long ull; /* for %llu */

enum {
    DIGEST_CHARS = 64,
    LINE_BYTES = 256,
    /* A file that changed so shortly before it was hashed may change again within the same tick of
     * the file system's clock. */
    SETTLED_S = 1
};

static void file_line(char line[LINE_BYTES], const char *digest, const struct stat *st)
{
    snprintf(line, LINE_BYTES, "%s dev=%llu ino=%llu size=%llu mtime=%lld.%09ld ctime=%lld.%09ld\n",
             digest, (ull)st->st_dev, (ull)st->st_ino, (ull)st->st_size,
             (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec, (long long)st->st_ctim.tv_sec,
             st->st_ctim.tv_nsec);
}

static const char file_name[] = "base.digest";

/* Is the remembered line this file's? */
static bool recall(const char *data_dir, const struct stat *st, char digest[65])
{
    char path[4096], line[LINE_BYTES] = "", expected[LINE_BYTES];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", data_dir, file_name) >= sizeof path)
        return false;
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    const bool read = fgets(line, sizeof line, f) != NULL;
    fclose(f);
    if (!read || strspn(line, "0123456789abcdef") != DIGEST_CHARS)
        return false;
    memcpy(digest, line, DIGEST_CHARS);
    digest[DIGEST_CHARS] = 0;
    file_line(expected, digest, st);
    return strcmp(line, expected) == 0;
}

/* What cannot be written is computed again next time. */
static void remember(const char *data_dir, const struct stat *st, const char *digest)
{
    char line[LINE_BYTES];
    error_text ignored;
    file_line(line, digest, st);
    file_replace_in(data_dir, file_name, line, strlen(line), &ignored);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    char x[LINE_BYTES], y[LINE_BYTES];
    file_line(x, "", a);
    file_line(y, "", b);
    return strcmp(x, y) == 0;
}

eng_status base_digest(const char *data_dir, const char *model, char digest[65], eng_error *err)
{
    struct stat before, after;
    const bool file = stat(model, &before) == 0 && S_ISREG(before.st_mode);
    if (file && recall(data_dir, &before, digest))
        return ENG_OK;
    const time_t began = time(NULL);
    eng_status status = eng_model_file_digest(model, digest, err);
    if (status == ENG_OK && file && stat(model, &after) == 0 && same_file(&before, &after) &&
        before.st_ctim.tv_sec + SETTLED_S < began)
        remember(data_dir, &before, digest);
    return status;
}
