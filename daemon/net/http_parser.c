#include "net/http_parser.h"

#include "base/limits.h"

#include <llhttp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The fields a handler can ask for; all others are dropped as they come. */
typedef enum known_field {
    FIELD_HOST,
    FIELD_AUTHORIZATION,
    FIELD_API_KEY,
    FIELD_CONTENT_TYPE,
    FIELD_ORIGIN,
    FIELD_REQUEST_ID,
    FIELD_EXPECT,
    FIELD_ACCEPT,
    FIELD_ACCEPT_ENCODING,
    FIELD_IF_MATCH,
    FIELD_IF_NONE_MATCH,
    FIELD_LAST_EVENT_ID,
    FIELDS,
    FIELD_OTHER = FIELDS
} known_field;

static const char *const field_names[FIELDS] = {
    "host",   "authorization", "x-api-key",       "content-type", "origin",        "x-request-id",
    "expect", "accept",        "accept-encoding", "if-match",     "if-none-match", "last-event-id",
};

enum { NAME_BYTES = 32 }; /* longer than every known name */

struct http_parser {
    llhttp_t llhttp;
    llhttp_settings_t settings;
    http_request request;

    /* head */
    char name[NAME_BYTES]; /* of the field being read; cut names match nothing known */
    size_t name_len;
    known_field field;
    bool head_done, done;
    size_t text_len, text_cap; /* of request.text: target, then values, each with NUL */
    size_t value_at[FIELDS];   /* offsets in text; 0 = absent */

    /* body */
    uint64_t body_left;   /* bytes of body that may still come */
    const char *framing;  /* start of bytes since the last body data */
    unsigned char before; /* the framing byte before `framing`; 0 after data */
    uint64_t overhead, chunks;

    int status;
    const char *reason;
};

static http_outcome reject(http_parser *p, int status, const char *reason)
{
    if (!p->status) {
        p->status = status;
        p->reason = reason;
    }
    return HTTP_REJECT;
}

static http_parser *parser_of(llhttp_t *llhttp)
{
    return llhttp->data;
}

/* text_cap suffices for any head: what follows a string there is at least CR LF, here one NUL. */
static void text_add(http_parser *p, const char *at, size_t len)
{
    if (p->text_len + len >= p->text_cap)
        return;
    memcpy(p->request.text + p->text_len, at, len);
    p->text_len += len;
    p->request.text[p->text_len] = 0;
}

static int on_url(llhttp_t *llhttp, const char *at, size_t len)
{
    text_add(parser_of(llhttp), at, len);
    return 0;
}

static int on_field(llhttp_t *llhttp, const char *at, size_t len)
{
    http_parser *p = parser_of(llhttp);
    for (size_t i = 0; i < len; i++)
        if (p->name_len < NAME_BYTES)
            p->name[p->name_len++] = at[i];
    return 0;
}

static known_field field_of(const http_parser *p)
{
    for (int i = 0; i < FIELDS; i++)
        if (strlen(field_names[i]) == p->name_len &&
            strncasecmp(field_names[i], p->name, p->name_len) == 0)
            return (known_field)i;
    return FIELD_OTHER;
}

/* Opens the value of a known field that comes for the first time; trailers are dropped. */
static int on_field_complete(llhttp_t *llhttp)
{
    http_parser *p = parser_of(llhttp);
    p->field = p->head_done ? FIELD_OTHER : field_of(p);
    p->name_len = 0;
    if (p->field != FIELD_OTHER && p->value_at[p->field])
        p->field = FIELD_OTHER;
    if (p->field != FIELD_OTHER)
        p->value_at[p->field] = ++p->text_len; /* past the previous NUL */
    return 0;
}

static int on_value(llhttp_t *llhttp, const char *at, size_t len)
{
    http_parser *p = parser_of(llhttp);
    if (!p->head_done && p->field != FIELD_OTHER)
        text_add(p, at, len);
    return 0;
}

/* The value without the white space that llhttp leaves behind it. */
static const char *value_of(const http_parser *p, known_field field)
{
    if (!p->value_at[field])
        return "";
    char *value = p->request.text + p->value_at[field];
    size_t n = strlen(value);
    while (n && (value[n - 1] == ' ' || value[n - 1] == '\t'))
        value[--n] = 0;
    return value;
}

static http_method method_of(unsigned method)
{
    switch (method) {
    case HTTP_HEAD:
        return HTTP_METHOD_HEAD;
    case HTTP_POST:
        return HTTP_METHOD_POST;
    case HTTP_PUT:
        return HTTP_METHOD_PUT;
    case HTTP_PATCH:
        return HTTP_METHOD_PATCH;
    case HTTP_DELETE:
        return HTTP_METHOD_DELETE;
    case HTTP_OPTIONS:
        return HTTP_METHOD_OPTIONS;
    default:
        return HTTP_METHOD_GET; /* the gate lets no other through */
    }
}

static int on_head_complete(llhttp_t *llhttp)
{
    http_parser *p = parser_of(llhttp);
    http_request *r = &p->request;
    p->head_done = true;
    r->method = method_of(llhttp->method);
    r->http_1_1 = llhttp->http_minor == 1;
    r->keep_alive = llhttp_should_keep_alive(llhttp);
    r->chunked = (llhttp->flags & F_CHUNKED) != 0;
    r->content_length = (llhttp->flags & F_CONTENT_LENGTH) ? llhttp->content_length : 0;
    r->has_body = r->chunked || r->content_length > 0;
    r->target = r->text;
    r->host = value_of(p, FIELD_HOST);
    r->authorization = value_of(p, FIELD_AUTHORIZATION);
    r->api_key = value_of(p, FIELD_API_KEY);
    r->content_type = value_of(p, FIELD_CONTENT_TYPE);
    r->origin = value_of(p, FIELD_ORIGIN);
    r->request_id = value_of(p, FIELD_REQUEST_ID);
    r->accept = value_of(p, FIELD_ACCEPT);
    r->accept_encoding = value_of(p, FIELD_ACCEPT_ENCODING);
    r->if_match = value_of(p, FIELD_IF_MATCH);
    r->if_none_match = value_of(p, FIELD_IF_NONE_MATCH);
    r->last_event_id = value_of(p, FIELD_LAST_EVENT_ID);
    r->expects_continue = r->http_1_1 && strcasecmp(value_of(p, FIELD_EXPECT), "100-continue") == 0;
    return 0;
}

/* ---- body ---- */

/* Framing bytes [at, end) of a chunked body; `slack` more bytes of overhead are let pass. */
static bool check_framing(http_parser *p, const char *at, const char *end, uint64_t slack)
{
    for (; at < end; at++) {
        unsigned char c = (unsigned char)*at;
        bool lone = (p->before == '\r') != (c == '\n');
        if (lone || (c < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == 0x7f) {
            reject(p, 400, "a control byte or a lone line end between chunks");
            return false;
        }
        p->before = c;
        p->overhead++;
    }
    if (p->overhead > LIMIT_BODY_OVERHEAD_BYTES + p->chunks * LIMIT_CHUNK_HEAD_BYTES + slack) {
        reject(p, 400, "too many bytes between chunks");
        return false;
    }
    return true;
}

static int on_chunk_header(llhttp_t *llhttp)
{
    parser_of(llhttp)->chunks++;
    return 0;
}

static int on_body(llhttp_t *llhttp, const char *at, size_t len)
{
    http_parser *p = parser_of(llhttp);
    if (!check_framing(p, p->framing, at, 0))
        return HPE_USER;
    p->framing = at + len;
    p->before = 0;
    if (len > p->body_left) {
        reject(p, 413, "the body is longer than this path takes");
        return HPE_USER;
    }
    p->body_left -= len;
    buf_append(&p->request.body, at, len);
    if (p->request.body.failed) {
        reject(p, 503, "out of memory");
        return HPE_USER;
    }
    return 0;
}

static int on_message_complete(llhttp_t *llhttp)
{
    parser_of(llhttp)->done = true;
    return HPE_PAUSED;
}

/* ---- driving ---- */

http_parser *http_parser_create(size_t max_body)
{
    http_parser *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    llhttp_settings_init(&p->settings);
    p->settings.on_url = on_url;
    p->settings.on_header_field = on_field;
    p->settings.on_header_field_complete = on_field_complete;
    p->settings.on_header_value = on_value;
    p->settings.on_headers_complete = on_head_complete;
    p->settings.on_chunk_header = on_chunk_header;
    p->settings.on_body = on_body;
    p->settings.on_message_complete = on_message_complete;
    llhttp_init(&p->llhttp, HTTP_REQUEST, &p->settings);
    p->llhttp.data = p;
    buf_init(&p->request.body, max_body);
    p->body_left = max_body;
    return p;
}

void http_parser_allow_body(http_parser *p, uint64_t max_body)
{
    p->body_left = max_body;
}

void http_parser_free(http_parser *p)
{
    if (!p)
        return;
    free(p->request.text);
    buf_free(&p->request.body);
    free(p);
}

http_request *http_parser_request(http_parser *p)
{
    return &p->request;
}

int http_parser_status(const http_parser *p)
{
    return p->status;
}

const char *http_parser_reason(const http_parser *p)
{
    return p->reason;
}

/* Runs llhttp over the bytes; *end is set past the last byte of this message. */
static http_outcome execute(http_parser *p, const char *bytes, size_t len, const char **end)
{
    llhttp_errno_t rc = llhttp_execute(&p->llhttp, bytes, len);
    *end = bytes + len;
    if (rc == HPE_OK)
        return HTTP_MORE;
    if (p->done && (rc == HPE_PAUSED || rc == HPE_PAUSED_UPGRADE)) {
        *end = llhttp_get_error_pos(&p->llhttp);
        return HTTP_MESSAGE;
    }
    return reject(p, 400, llhttp_errno_name(rc));
}

http_outcome http_parser_head(http_parser *p, const char *bytes, size_t len)
{
    const char *end;
    p->text_cap = len + FIELDS + 2;
    p->request.text = calloc(1, p->text_cap);
    if (!p->request.text)
        return reject(p, 503, "out of memory");
    http_outcome outcome = execute(p, bytes, len, &end);
    if (outcome == HTTP_REJECT)
        return outcome;
    if (!p->head_done || end != bytes + len || (outcome == HTTP_MORE) != p->request.has_body)
        return reject(p, 400, "a head that is read in two ways");
    return outcome;
}

http_outcome http_parser_body(http_parser *p, const char *bytes, size_t len, size_t *used)
{
    const char *end;
    p->framing = bytes;
    http_outcome outcome = execute(p, bytes, len, &end);
    *used = (size_t)(end - bytes);
    if (outcome == HTTP_REJECT)
        return outcome;
    /* Between two calls one chunk head may be half read and not yet counted. */
    uint64_t slack = outcome == HTTP_MORE ? LIMIT_CHUNK_HEAD_BYTES : 0;
    if (!check_framing(p, p->framing, end, slack))
        return HTTP_REJECT;
    return outcome;
}
