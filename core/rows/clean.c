/* SPDX-License-Identifier: MIT
 * See clean.h. Invariant: the values that were given are only read; what is made of them lies in one piece of memory, whose
 * room was counted before. No locks. */
#include "rows/clean.h"

#include <string.h>

#include "base/env.h"
#include "base/show.h"
#include "base/utf8.h"
#include "rows/from_text.h"
#include "rows/row.h"
#include "rows/types.h"

/* U+FFFD, for each byte that is no UTF-8, and for a NUL. */
static const char replacement[] = "\xef\xbf\xbd";

enum { REPLACEMENT_BYTES = sizeof replacement - 1 };

/* ---- text ---- */

/* The text as it is written, in at most `max` characters (0: any number). `to` may be NULL: it is measured. Answers its
 * length. */
static size_t fit_text(const wb_value *value, uint32_t max, char *to)
{
    size_t bytes = 0, characters = 0;
    const uint8_t *at = (const uint8_t *)value->text, *end = at + value->bytes;
    while (at < end && (max == 0 || characters < max)) {
        size_t sequence = *at >= 0x80 ? wb_utf8_sequence(at, (size_t)(end - at)) : *at != '\0';
        const void *from = sequence > 0 ? (const void *)at : replacement;
        size_t length = sequence > 0 ? sequence : REPLACEMENT_BYTES;
        if (to != NULL)
            memcpy(to + bytes, from, length);
        bytes += length;
        at += sequence > 0 ? sequence : 1;
        characters++;
    }
    return bytes;
}

static bool fits(const wb_value *value, uint32_t max)
{
    if (wb_utf8_check(value->text, value->bytes) != value->bytes)
        return false;
    return max == 0 || value->bytes <= max || fit_text(value, max, NULL) == value->bytes;
}

static void take(wb_cleaned *cleaned, wb_value *value, size_t bytes)
{
    value->kind = WB_TEXT;
    value->text = cleaned->texts + cleaned->used;
    value->bytes = (uint32_t)bytes;
    cleaned->used += bytes;
}

static void clean_text(const wb_column *column, wb_value *value, wb_cleaned *cleaned)
{
    char *to = cleaned->texts + cleaned->used;
    size_t bytes;
    if (value->kind == WB_TEXT) {
        if (fits(value, column->max))
            return;
        bytes = fit_text(value, column->max, to);
        cleaned->changed++;
    } else {
        const wb_column number = {.type = value->kind == WB_INT ? WB_TYPE_INT8 : WB_TYPE_FLOAT8};
        bytes = wb_value_text(&number, value, to, WB_TYPE_TEXT_BYTES);
        if (bytes == SIZE_MAX) /* no memory: the encoder says that it is no text */
            return;
    }
    take(cleaned, value, bytes);
}

/* ---- all ---- */

static bool is_text(const wb_column *column)
{
    return column->type == WB_TYPE_TEXT && column->cast == NULL;
}

/* Of a text column: may clean_text change it? What is too long for any tuple stays, for the encoder to refuse. */
static bool becomes_text(const wb_value *value)
{
    if (value->kind == WB_TEXT)
        return value->bytes <= WB_TUPLE_MAX_BYTES;
    return value->kind == WB_INT || value->kind == WB_FLOAT;
}

/* What clean_text may need. */
static size_t room_of(const wb_column *column, const wb_value *value)
{
    if (!is_text(column) || !becomes_text(value))
        return 0;
    if (value->kind != WB_TEXT)
        return WB_TYPE_TEXT_BYTES;
    return fits(value, column->max) ? 0 : (size_t)value->bytes * REPLACEMENT_BYTES;
}

static void clean_value(const wb_column *column, wb_value *value, wb_cleaned *cleaned)
{
    if (is_text(column)) {
        if (becomes_text(value))
            clean_text(column, value, cleaned);
        return;
    }
    if (value->kind == WB_TEXT)
        wb_value_from_text(column, value);
}

static const wb_column *lenient_column(const wb_schema *schema, size_t index, size_t count)
{
    const wb_column_plan *plan = &schema->columns[index];
    bool applies = plan->column.lenient && !plan->column.array && plan->place < count;
    return applies ? &plan->column : NULL;
}

static bool make_room(const wb_schema *schema, const wb_value *values, size_t count,
                      wb_cleaned *cleaned)
{
    size_t bytes = 0;
    for (size_t i = 0; i < schema->count; i++) {
        const wb_column *column = lenient_column(schema, i, count);
        bytes += column != NULL ? room_of(column, &values[schema->columns[i].place]) : 0;
    }
    cleaned->values =
        count <= WB_CLEAN_LOCAL ? cleaned->local : wb_alloc(count * sizeof *cleaned->values);
    cleaned->texts = bytes > 0 ? wb_alloc(bytes) : NULL;
    if (cleaned->values != NULL && (bytes == 0 || cleaned->texts != NULL))
        return true;
    wb_cleaned_fini(cleaned);
    return false;
}

bool wb_clean(const wb_schema *schema, const wb_value *values, size_t count, wb_cleaned *cleaned)
{
    cleaned->changed = cleaned->used = 0;
    cleaned->values = NULL;
    cleaned->texts = NULL;
    if (!make_room(schema, values, count, cleaned))
        return false;
    if (count > 0)
        memcpy(cleaned->values, values, count * sizeof *values);
    for (size_t i = 0; i < schema->count; i++) {
        const wb_column *column = lenient_column(schema, i, count);
        if (column != NULL)
            clean_value(column, &cleaned->values[schema->columns[i].place], cleaned);
    }
    return true;
}

void wb_cleaned_fini(wb_cleaned *cleaned)
{
    if (cleaned->values != cleaned->local)
        wb_free(cleaned->values);
    wb_free(cleaned->texts);
    cleaned->values = NULL;
    cleaned->texts = NULL;
}
