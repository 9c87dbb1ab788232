/* SPDX-License-Identifier: MIT
 * Numbers and values as text. Invariant: what is shown is UTF-8 and fits its array. No state, no locks, no failure: a
 * text that doesn't fit is cut. */
#include "base/show.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

enum { PIECE_BYTES = 16 }; /* of what stands for one character */
static size_t piece_show(const char *text, size_t left, char out[PIECE_BYTES], size_t *shown);

/* C writes a NaN with its sign, which has no meaning: 0/0 is "-nan" on x86. */
static size_t nan_format(char out[WB_NUMBER_BYTES])
{
    return (size_t)sprintf(out, "nan");
}

/* Writes digits with a point before the last `decimals` of them. */
static size_t digits_format(bool negative, uint64_t digits, int decimals, char *out)
{
    char text[WB_NUMBER_BYTES];
    char *const end = text + sizeof text - 1;
    char *at = end;
    *end = '\0';
    for (int i = 0; digits > 0 || i <= decimals; i++) {
        if (i == decimals && decimals > 0)
            *--at = '.';
        *--at = (char)('0' + digits % 10);
        digits /= 10;
    }
    if (negative)
        *--at = '-';
    memcpy(out, at, (size_t)(end - at) + 1);
    return (size_t)(end - at);
}

size_t wb_integer_format(int64_t number, char out[WB_NUMBER_BYTES])
{
    uint64_t digits = number < 0 ? -(uint64_t)number : (uint64_t)number;
    size_t bytes = 1 + (number < 0);
    for (uint64_t rest = digits; rest >= 10; rest /= 10)
        bytes++;
    out[0] = '-';
    out[bytes] = '\0';
    char *at = out + bytes;
    do {
        *--at = (char)('0' + digits % 10);
        digits /= 10;
    } while (digits > 0);
    return bytes;
}

/* What %.15g makes of a number from 1e-4 to 1e15, which has no exponent there; 0 where it takes more digits. Fifteen
 * digits and a power of ten are exact as doubles: their quotient is what strtod reads. */
static size_t short_format(double number, char *out)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
                                    1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};
    double size = fabs(number);
    int decimals = 18;
    while (size * powers[decimals] >= 1e15)
        decimals--;
    uint64_t digits = (uint64_t)(size * powers[decimals] + 0.5);
    if ((double)digits / powers[decimals] != size)
        return 0;
    for (; decimals >= 6 && digits % 1000000 == 0; decimals -= 6)
        digits /= 1000000;
    for (; decimals > 0 && digits % 10 == 0; decimals--)
        digits /= 10;
    return digits_format(number < 0, digits, decimals, out);
}

size_t wb_number_format(double number, char out[WB_NUMBER_BYTES])
{
    if (isnan(number))
        return nan_format(out);
    bool usual = fabs(number) >= 1e-4 && fabs(number) < 1e15;
    size_t bytes = usual ? short_format(number, out) : 0;
    if (bytes > 0)
        return bytes;
    for (int digits = usual ? 16 : 15; digits <= 17; digits++) {
        snprintf(out, WB_NUMBER_BYTES, "%.*g", digits, number);
        if (strtod(out, NULL) == number)
            break;
    }
    return wb_number_point(out);
}

size_t wb_number_format4(float number, char out[WB_NUMBER_BYTES])
{
    if (isnan(number))
        return nan_format(out);
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(out, WB_NUMBER_BYTES, "%.*g", digits, (double)number);
        if (strtof(out, NULL) == number)
            break;
    }
    return wb_number_point(out);
}

/* The locale's point may be several bytes. */
size_t wb_number_point(char *text)
{
    static const char plain[] = "0123456789+-einfa";
    size_t before = strspn(text, plain);
    if (text[before] == '\0')
        return before;
    size_t point = strcspn(text + before, plain);
    size_t after = strlen(text + before + point);
    text[before] = '.';
    memmove(text + before + 1, text + before + point, after + 1);
    return before + 1 + after;
}

const char *wb_show_text(const char *text, size_t bytes, char out[WB_SHOWN_BYTES])
{
    enum { TAIL = 5 }; /* ellipsis, quote, NUL */
    size_t used = 0, at = 0;
    out[used++] = '"';
    while (at < bytes && at < WB_SHOWN_TEXT) {
        char piece[PIECE_BYTES];
        size_t shown, taken = piece_show(text + at, bytes - at, piece, &shown);
        if (text[at] == '"' || text[at] == '\\')
            shown = (size_t)sprintf(piece, "\\%c", text[at]);
        if (used + shown + TAIL > WB_SHOWN_BYTES)
            break;
        memcpy(out + used, piece, shown);
        used += shown;
        at += taken;
    }
    snprintf(out + used, WB_SHOWN_BYTES - used, "%s\"", at < bytes ? "…" : "");
    return out;
}

/* snprintf may have cut a character in two. */
static size_t whole_bytes(const char *text, size_t size)
{
    size_t end = strlen(text);
    if (end + 1 < size)
        return end;
    size_t lead = end;
    while (lead > 0 && end - lead < 3 && ((unsigned char)text[lead - 1] & 0xC0) == 0x80)
        lead--;
    bool cut = lead > 0 && (unsigned char)text[lead - 1] >= 0xC0 &&
               wb_utf8_check(text + lead - 1, end - lead + 1) != end - lead + 1;
    return cut ? lead - 1 : end;
}

void wb_show_line(char *text, size_t size)
{
    char from[WB_LINE_BYTES];
    size_t bytes = whole_bytes(text, size), used = 0, at = 0;
    memcpy(from, text, bytes);
    while (at < bytes) {
        char piece[PIECE_BYTES];
        size_t shown, taken = piece_show(from + at, bytes - at, piece, &shown);
        if (used + shown >= size)
            break;
        memcpy(text + used, piece, shown);
        used += shown;
        at += taken;
    }
    text[used] = '\0';
}

/* Unicode, "Bidirectional Algorithm", 2.7 and "Special Areas and Format Characters": C1 controls, marks, embeddings,
 * overrides and isolates, line and paragraph separators, the byte order mark. Of whole characters, by their bytes. */
static bool is_hidden(const unsigned char *text, size_t bytes)
{
    if (bytes == 2)
        return (text[0] == 0xc2 && text[1] < 0xa0) || (text[0] == 0xd8 && text[1] == 0x9c);
    if (bytes != 3)
        return false;
    if (text[0] == 0xe2 && text[1] == 0x80)
        return text[2] == 0x8e || text[2] == 0x8f || (text[2] >= 0xa8 && text[2] <= 0xae);
    if (text[0] == 0xe2 && text[1] == 0x81)
        return text[2] >= 0xa6 && text[2] <= 0xa9;
    return text[0] == 0xef && text[1] == 0xbb && text[2] == 0xbf;
}

/* What shows the next character, or the next byte where it isn't UTF-8. Answers how many bytes of the text that is. */
static size_t piece_show(const char *text, size_t left, char out[PIECE_BYTES], size_t *shown)
{
    const unsigned char *bytes = (const unsigned char *)text;
    unsigned char lead = bytes[0];
    size_t taken = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (taken > left || wb_utf8_check(text, taken) != taken)
        taken = 1;
    bool plain = taken == 1 ? lead >= 0x20 && lead < 0x7f : !is_hidden(bytes, taken);
    *shown = 0;
    if (plain)
        memcpy(out, text, *shown = taken);
    else if (lead == '\n')
        *shown = (size_t)sprintf(out, "\\n");
    else
        for (size_t i = 0; i < taken; i++)
            *shown += (size_t)sprintf(out + *shown, "\\x%02x", bytes[i]);
    return taken;
}

const char *wb_show_value(const wb_value *value, char out[WB_SHOWN_BYTES])
{
    switch (value->kind) {
    case WB_ABSENT:
        return "nothing";
    case WB_NULL:
        return "NULL";
    case WB_BOOL:
        return value->i ? "true" : "false";
    case WB_INT:
        snprintf(out, WB_SHOWN_BYTES, "%" PRId64, value->i);
        return out;
    case WB_FLOAT:
        wb_number_format(value->f, out);
        return out;
    case WB_TEXT:
        return wb_show_text(value->text, value->bytes, out);
    case WB_LIST:
        snprintf(out, WB_SHOWN_BYTES, "a list of %u", (unsigned)value->bytes);
        return out;
    default:
        snprintf(out, WB_SHOWN_BYTES, "a value of kind %d", (int)value->kind);
        return out;
    }
}
