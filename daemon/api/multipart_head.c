#include "api/multipart_head.h"

#include <string.h>
#include <strings.h>

static bool is_token(unsigned char c)
{
    return c > 0x20 && c < 0x7f && !strchr("()<>@,;:\\\"/[]?={}", c);
}

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t");
}

/* The quoted string at *at; a backslash takes the next byte as it is. */
static bool read_quoted(const char **at, char *out, size_t cap)
{
    size_t n = 0;
    const char *c = *at + 1;
    for (; *c && *c != '"'; c++) {
        if (*c == '\\' && (c[1] == '"' || c[1] == '\\'))
            c++;
        if (n + 1 >= cap)
            return false;
        out[n++] = *c;
    }
    out[n] = 0;
    *at = c + 1;
    return *c == '"';
}

static bool read_token(const char **at, char *out, size_t cap)
{
    size_t n = 0;
    while (is_token((unsigned char)(*at)[n]))
        n++;
    if (n == 0 || n >= cap)
        return false;
    memcpy(out, *at, n);
    out[n] = 0;
    *at += n;
    return true;
}

bool multipart_parameter(const char **at, char name[32], char *value, size_t value_cap)
{
    const char *c = skip_blanks(*at);
    if (*c != ';')
        return false;
    c = skip_blanks(c + 1);
    if (!read_token(&c, name, 32) || *c++ != '=')
        return false;
    if (!(*c == '"' ? read_quoted(&c, value, value_cap) : read_token(&c, value, value_cap)))
        return false;
    *at = skip_blanks(c);
    return true;
}

static bool bad(api_error *err, const char *what)
{
    return api_invalid(err, "invalid_value", NULL, "multipart/form-data: %s", what);
}

static bool copy_once(char *to, size_t cap, bool *has, const char *value, const char *what,
                      api_error *err)
{
    if (*has)
        return api_invalid(err, "invalid_value", NULL,
                           "multipart/form-data: a part with two parameters '%s'", what);
    if (strlen(value) >= cap)
        return api_invalid(err, "invalid_value", NULL,
                           "multipart/form-data: '%s' is %zu bytes long, at most %zu are taken",
                           what, strlen(value), cap - 1);
    strcpy(to, value);
    *has = true;
    return true;
}

/* `form-data; name="..."; filename="..."`. Other parameters (filename*) are passed over. */
static bool parse_disposition(const char *value, multipart_head *out, api_error *err)
{
    static const char kind[] = "form-data";
    if (strncasecmp(value, kind, sizeof kind - 1) != 0)
        return bad(err, "a part's Content-Disposition is not form-data");
    const char *at = skip_blanks(value + sizeof kind - 1);
    while (*at) {
        char name[32], text[1024];
        if (!multipart_parameter(&at, name, text, sizeof text))
            return bad(err, "a part's Content-Disposition cannot be read");
        if (strcasecmp(name, "name") == 0) {
            if (!copy_once(out->name, sizeof out->name, &out->has_name, text, "name", err))
                return false;
        } else if (strcasecmp(name, "filename") == 0) {
            if (!copy_once(out->filename, sizeof out->filename, &out->has_filename, text,
                           "filename", err))
                return false;
        }
    }
    return true;
}

/* One `Name: value`. */
static bool parse_line(char *line, multipart_head *out, bool *disposed, api_error *err)
{
    size_t n = 0;
    while (is_token((unsigned char)line[n]))
        n++;
    if (n == 0 || line[n] != ':')
        return bad(err, "a part's head holds a line that is no field");
    line[n] = 0;
    const char *value = skip_blanks(line + n + 1);
    if (strcasecmp(line, "content-transfer-encoding") == 0 && strcasecmp(value, "binary") != 0 &&
        strcasecmp(value, "8bit") != 0 && strcasecmp(value, "7bit") != 0)
        return bad(err, "a part with a transfer encoding");
    if (strcasecmp(line, "content-disposition") != 0)
        return true;
    if (*disposed)
        return bad(err, "a part with two Content-Dispositions");
    *disposed = true;
    return parse_disposition(value, out, err);
}

bool multipart_head_parse(char *text, multipart_head *out, api_error *err)
{
    *out = (multipart_head){0};
    bool disposed = false;
    while (*text) {
        char *end = strstr(text, "\r\n");
        for (const char *c = text; c < end; c++)
            if ((unsigned char)*c < 0x20 ? *c != '\t' : *c == 0x7f)
                return bad(err, "a control byte in a part's head");
        *end = 0;
        if (!parse_line(text, out, &disposed, err))
            return false;
        text = end + 2;
    }
    if (!disposed || !out->has_name)
        return bad(err, "a part without a name");
    return true;
}
