#include "api/json_out.h"

#include "text_stream.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- strings ---- */

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c != '"' && c != '\\';
}

static void put_escape(buf *out, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = strchr("\"\"\\\\\bb\ff\nn\rr\tt", c);
    if (c && at) {
        char pair[2] = {'\\', at[1]};
        buf_append(out, pair, 2);
        return;
    }
    char code[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
    buf_append(out, code, sizeof code);
}

static void put_valid(buf *out, const char *s, size_t len)
{
    size_t start = 0;
    for (size_t i = 0; i < len; i++) {
        if (is_plain((unsigned char)s[i]))
            continue;
        buf_append(out, s + start, i - start);
        put_escape(out, (unsigned char)s[i]);
        start = i + 1;
    }
    buf_append(out, s + start, len - start);
}

void json_string_part(buf *out, const char *s, size_t len)
{
    if (len == 0)
        return;
    if (eng_utf8_valid(s, len)) {
        put_valid(out, s, len);
        return;
    }
    char *repaired = len <= SIZE_MAX / 3 ? malloc(3 * len) : NULL;
    if (!repaired) {
        out->failed = true;
        return;
    }
    put_valid(out, repaired, eng_utf8_repair(repaired, s, len));
    free(repaired);
}

void json_string(buf *out, const char *s, size_t len)
{
    buf_putc(out, '"');
    json_string_part(out, s, len);
    buf_putc(out, '"');
}

void json_cstring(buf *out, const char *s)
{
    if (s)
        json_string(out, s, strlen(s));
    else
        JSON_LIT(out, "null");
}

/* ---- integers ---- */

void json_uint(buf *out, uint64_t v)
{
    char text[20];
    size_t at = sizeof text;
    do {
        text[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    buf_append(out, text + at, sizeof text - at);
}

void json_int(buf *out, int64_t v)
{
    if (v < 0)
        buf_putc(out, '-');
    json_uint(out, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void json_bool(buf *out, bool v)
{
    buf_puts(out, v ? "true" : "false");
}

void json_ids(buf *out, const int32_t *ids, size_t n)
{
    buf_putc(out, '[');
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_putc(out, ',');
        json_int(out, ids[i]);
    }
    buf_putc(out, ']');
}

/* ---- floats ---- */

/* digits * 10^exponent */
typedef struct decimal {
    uint32_t digits;
    int exponent;
} decimal;

static const double POWERS[] = {1e0, 1e1, 1e2, 1e3,  1e4,  1e5,  1e6,
                                1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13};

/* The fewest digits, 6 to 9, that read back as x: every decimal of up to 6 digits survives a float
 * (FLT_DIG), and 9 tell any two floats apart. */
static decimal shortest_by_printing(float x)
{
    char text[32];
    for (int digits = 6;; digits++) {
        snprintf(text, sizeof text, "%.*e", digits - 1, (double)x);
        if (digits == 9 || strtof(text, NULL) == x)
            break;
    }
    decimal d = {.exponent = atoi(strchr(text, 'e') + 1)};
    for (const char *c = text; *c != 'e'; c++) {
        if (*c == '.')
            continue;
        d.digits = d.digits * 10 + (uint32_t)(*c - '0');
        if (c != text)
            d.exponent--;
    }
    return d;
}

/* The same for 1e-4 <= x < 1e4 in double arithmetic, some twenty times faster. False where the
 * decision is too close for doubles, or x is a power of two, whose neighbours lie unevenly. */
static bool shortest_by_scaling(float x, decimal *out)
{
    if (!(x >= 1e-4f && x < 1e4f))
        return false;
    double exact = x;
    double half_gap = (exact - (double)nextafterf(x, 0)) / 2;
    if ((double)nextafterf(x, INFINITY) - exact != half_gap * 2)
        return false;
    static const double bounds[] = {1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3};
    int magnitude = -4; /* of the first digit */
    while (magnitude < 3 && exact >= bounds[magnitude + 4])
        magnitude++;
    for (int digits = 6; digits <= 9; digits++) {
        double scale = POWERS[digits - 1 - magnitude];
        double scaled = floor(exact * scale + 0.5);
        double distance = fabs(scaled / scale - exact);
        if (distance < half_gap * (1 - 1e-6)) {
            *out = (decimal){(uint32_t)scaled, magnitude + 1 - digits};
            return true;
        }
        if (distance < half_gap * (1 + 1e-6))
            return false;
    }
    return false;
}

static void put_zeros(buf *out, int n)
{
    while (n-- > 0)
        buf_putc(out, '0');
}

static void put_decimal(buf *out, decimal d)
{
    while (d.digits % 10 == 0) {
        d.digits /= 10;
        d.exponent++;
    }
    char text[12];
    int n = snprintf(text, sizeof text, "%u", d.digits);
    int point = n + d.exponent; /* digits before the decimal point */
    if (point < -3 || point > 16) {
        buf_append(out, text, 1);
        if (n > 1)
            buf_putc(out, '.');
        buf_append(out, text + 1, (size_t)n - 1);
        buf_putc(out, 'e');
        json_int(out, point - 1);
    } else if (point <= 0) {
        JSON_LIT(out, "0.");
        put_zeros(out, -point);
        buf_append(out, text, (size_t)n);
    } else if (point >= n) {
        buf_append(out, text, (size_t)n);
        put_zeros(out, point - n);
        JSON_LIT(out, ".0");
    } else {
        buf_append(out, text, (size_t)point);
        buf_putc(out, '.');
        buf_append(out, text + point, (size_t)(n - point));
    }
}

static void put_float(buf *out, float v)
{
    if (v == 0) {
        JSON_LIT(out, "0.0");
        return;
    }
    if (v < 0)
        buf_putc(out, '-');
    decimal d;
    if (!shortest_by_scaling(fabsf(v), &d))
        d = shortest_by_printing(fabsf(v));
    put_decimal(out, d);
}

void json_logprob(buf *out, float v)
{
    if (!isfinite(v) || v <= -9999.0f)
        JSON_LIT(out, "-9999.0");
    else
        put_float(out, v);
}

void json_double(buf *out, double v)
{
    if (!isfinite(v)) {
        JSON_LIT(out, "null");
        return;
    }
    char text[32];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    buf_puts(out, text);
}

void json_float(buf *out, float v)
{
    if (isfinite(v))
        put_float(out, v);
    else
        JSON_LIT(out, "null");
}
