#include "net/head_gate.h"

#include "base/limits.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* A run of bytes inside the head. */
typedef struct span {
    const char *at;
    size_t len;
} span;

/* What the field rules need to remember from one field to the next. */
typedef struct head_facts {
    bool http_1_1;
    unsigned fields, hosts, lengths, encodings;
} head_facts;

static head_result reject(int status, const char *reason)
{
    return (head_result){.verdict = HEAD_REJECT, .status = status, .reason = reason};
}

static bool span_is(span s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.at, text, s.len) == 0;
}

/* Field names and `chunked` are compared without regard to ASCII case. */
static bool span_is_nocase(span s, const char *text)
{
    return s.len == strlen(text) && strncasecmp(s.at, text, s.len) == 0;
}

static bool is_alnum(unsigned char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* Rule 1 on byte i, which follows the others. NULL or the reason. */
static const char *check_byte(const char *bytes, size_t i)
{
    unsigned char c = (unsigned char)bytes[i], before = i ? (unsigned char)bytes[i - 1] : '\n';
    if (i && before == '\r' && c != '\n')
        return "a carriage return without a line feed";
    if (c == '\n' && before != '\r')
        return "a line feed without a carriage return";
    if ((c < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == 0x7f)
        return "a control byte";
    if (before == '\n' && (c == ' ' || c == '\t'))
        return "a line that starts with white space";
    if (i == 0 && c == '\r')
        return "an empty first line";
    return NULL;
}

static bool method_known(span method)
{
    static const char *const methods[] = {"GET",   "HEAD",   "POST",   "PUT",
                                          "PATCH", "DELETE", "OPTIONS"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (span_is(method, methods[i]))
            return true;
    return false;
}

static bool target_valid(span target, bool options)
{
    if (target.len == 0)
        return false;
    for (size_t i = 0; i < target.len; i++)
        if ((unsigned char)target.at[i] < 0x21 || (unsigned char)target.at[i] > 0x7e)
            return false;
    if (target.at[0] == '/')
        return true;
    if (target.len > 7 && memcmp(target.at, "http://", 7) == 0)
        return true;
    return options && span_is(target, "*");
}

/* Rule 2. */
static const char *check_request_line(span line, head_facts *facts)
{
    const char *end = line.at + line.len;
    const char *sp1 = memchr(line.at, ' ', line.len);
    if (!sp1)
        return "a request line without target";
    const char *sp2 = memchr(sp1 + 1, ' ', (size_t)(end - sp1 - 1));
    if (!sp2)
        return "a request line without version";
    span method = {line.at, (size_t)(sp1 - line.at)};
    span target = {sp1 + 1, (size_t)(sp2 - sp1 - 1)};
    span version = {sp2 + 1, (size_t)(end - sp2 - 1)};
    if (!method_known(method))
        return "an unknown method";
    if (!target_valid(target, span_is(method, "OPTIONS")))
        return "a malformed target";
    facts->http_1_1 = span_is(version, "HTTP/1.1");
    if (!facts->http_1_1 && !span_is(version, "HTTP/1.0"))
        return "a version other than HTTP/1.0 and HTTP/1.1";
    return NULL;
}

static bool host_valid(span value)
{
    for (size_t i = 0; i < value.len; i++)
        if (!is_alnum((unsigned char)value.at[i]) && !memchr(".:[]-", value.at[i], 5))
            return false;
    return value.len > 0;
}

static bool length_valid(span value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.at[i] < '0' || value.at[i] > '9')
            return false;
    return value.len >= 1 && value.len <= 18;
}

static span trimmed(span s)
{
    while (s.len && (s.at[0] == ' ' || s.at[0] == '\t'))
        s.at++, s.len--;
    while (s.len && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* Rules 3 to 5 on one field line. */
static const char *check_field(span line, head_facts *facts)
{
    size_t n = 0;
    while (n < line.len && (is_alnum((unsigned char)line.at[n]) || line.at[n] == '-'))
        n++;
    if (n == 0 || n == line.len || line.at[n] != ':')
        return "a malformed field name";
    span name = {line.at, n};
    span value = trimmed((span){line.at + n + 1, line.len - n - 1});
    if (span_is_nocase(name, "host") && (facts->hosts++ || !host_valid(value)))
        return "a malformed or second Host";
    if (span_is_nocase(name, "content-length") && (facts->lengths++ || !length_valid(value)))
        return "a malformed or second Content-Length";
    if (span_is_nocase(name, "transfer-encoding") &&
        (facts->encodings++ || !facts->http_1_1 || !span_is_nocase(value, "chunked")))
        return "a Transfer-Encoding other than one `chunked` on HTTP/1.1";
    return NULL;
}

/* Rules 2 to 5 on a complete head, whose last line is empty. */
static head_result check_lines(const char *bytes, size_t len)
{
    head_facts facts = {0};
    const char *at = bytes, *end = bytes + len - 2; /* the final CRLF is the empty line */
    for (bool first = true; at < end; first = false) {
        const char *cr = memchr(at, '\r', (size_t)(end - at));
        span line = {at, (size_t)(cr - at)};
        const char *fault = first ? check_request_line(line, &facts) : check_field(line, &facts);
        if (fault)
            return reject(400, fault);
        if (!first && ++facts.fields > LIMIT_HEAD_FIELDS)
            return reject(431, "more than 100 header fields");
        at = cr + 2;
    }
    if (facts.hosts != 1)
        return reject(400, "no Host");
    if (facts.lengths && facts.encodings)
        return reject(400, "both Content-Length and Transfer-Encoding");
    return (head_result){.verdict = HEAD_OK, .len = len};
}

head_result head_gate_check(const char *bytes, size_t len, size_t seen)
{
    size_t scan = len < LIMIT_HEAD_BYTES ? len : LIMIT_HEAD_BYTES;
    for (size_t i = seen; i < scan; i++) {
        const char *fault = check_byte(bytes, i);
        if (fault)
            return reject(400, fault);
        if (i >= 3 && memcmp(bytes + i - 3, "\r\n\r\n", 4) == 0)
            return check_lines(bytes, i + 1);
    }
    if (len > LIMIT_HEAD_BYTES)
        return reject(431, "a head of more than 16 KiB");
    return (head_result){.verdict = HEAD_MORE};
}
