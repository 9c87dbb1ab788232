/* SPDX-License-Identifier: MIT
 * Numbers and values as text. Invariant: what is shown is UTF-8 and fits its array. No state, no locks, no failure: a
 * text that doesn't fit is cut. */
#include "base/show.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

static size_t point_made_plain(char *text);
static size_t piece_show(const char *text, size_t left, char out[8], size_t *shown);

size_t wb_number_format(double number, char out[WB_NUMBER_BYTES])
{
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, WB_NUMBER_BYTES, "%.*g", digits, number);
        if (strtod(out, NULL) == number)
            break;
    }
    return point_made_plain(out);
}

size_t wb_number_format4(float number, char out[WB_NUMBER_BYTES])
{
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(out, WB_NUMBER_BYTES, "%.*g", digits, (double)number);
        if (strtof(out, NULL) == number)
            break;
    }
    return point_made_plain(out);
}

/* Puts '.' in the place of the locale's decimal point, which may be several bytes. Answers the length. */
static size_t point_made_plain(char *text)
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
        char piece[8];
        size_t shown, taken = piece_show(text + at, bytes - at, piece, &shown);
        if (used + shown + TAIL > WB_SHOWN_BYTES)
            break;
        memcpy(out + used, piece, shown);
        used += shown;
        at += taken;
    }
    snprintf(out + used, WB_SHOWN_BYTES - used, "%s\"", at < bytes ? "…" : "");
    return out;
}

/* What shows the next character, or the next byte where it isn't UTF-8. Answers how many bytes of the text that is. */
static size_t piece_show(const char *text, size_t left, char out[8], size_t *shown)
{
    unsigned char lead = (unsigned char)text[0];
    size_t taken = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (taken > left || wb_utf8_check(text, taken) != taken)
        taken = 1;
    if (lead == '"' || lead == '\\') {
        *shown = (size_t)sprintf(out, "\\%c", lead);
    } else if (lead == '\n') {
        *shown = (size_t)sprintf(out, "\\n");
    } else if (lead < 0x20 || lead == 0x7f || (lead >= 0x80 && taken == 1)) {
        *shown = (size_t)sprintf(out, "\\x%02x", lead);
    } else {
        memcpy(out, text, taken);
        *shown = taken;
    }
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
    default:
        snprintf(out, WB_SHOWN_BYTES, "a value of kind %d", (int)value->kind);
        return out;
    }
}
