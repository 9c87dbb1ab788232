/* SPDX-License-Identifier: MIT
 * See takers.h. Objects of a text mostly have their members in the same order, so a member is first compared with the one
 * that was at its place before. No locks. */
#include "intake/takers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/env.h"
#include "base/err.h"
#include "base/show.h"

static int compare(const void *a, const void *b)
{
    const wb_taker *x = a, *y = b;
    size_t least = x->bytes < y->bytes ? x->bytes : y->bytes;
    int order = memcmp(x->name, y->name, least);
    return order != 0 ? order : (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static const wb_taker *find(const wb_takers *takers, const char *name, size_t bytes)
{
    const wb_taker wanted = {.name = name, .bytes = (uint32_t)bytes};
    return bsearch(&wanted, takers->sorted, takers->count, sizeof wanted, compare);
}

/* ---- by the schema ---- */

static const char *name_in_text(const char *const *map, const char *column)
{
    for (; map != NULL && *map != NULL; map += 2)
        if (strcmp(*map, column) == 0)
            return map[1];
    return column;
}

static int check_map(const wb_schema *schema, const char *const *map, wb_err *err)
{
    for (; map != NULL && *map != NULL; map += 2)
        if (map[1] == NULL || wb_schema_find(schema, *map, strlen(*map)) < 0)
            return wb_fail(err, WB_MISUSE, "map: there is no column \"%s\"", *map);
    return WB_OK;
}

int wb_takers_init(wb_takers *takers, const wb_schema *schema, const char *const *map, wb_err *err)
{
    size_t count = wb_schema_count(schema);
    int code = check_map(schema, map, err);
    if (code != WB_OK)
        return code;
    takers->sorted = wb_alloc(count * sizeof *takers->sorted);
    if (takers->sorted == NULL)
        return wb_fail(err, WB_MEMORY, "out of memory for a reader");
    takers->count = count;
    for (size_t i = 0; i < count; i++) {
        const char *name = name_in_text(map, wb_schema_column(schema, i)->name);
        takers->sorted[i] =
            (wb_taker){.name = name, .bytes = (uint32_t)strlen(name), .column = (int32_t)i};
    }
    qsort(takers->sorted, count, sizeof *takers->sorted, compare);
    for (size_t i = 1; i < count; i++)
        if (compare(&takers->sorted[i - 1], &takers->sorted[i]) == 0)
            return wb_fail(err, WB_MISUSE, "map: two columns take \"%s\"", takers->sorted[i].name);
    return WB_OK;
}

void wb_takers_fini(wb_takers *takers)
{
    wb_free(takers->sorted);
    wb_free(takers->fields);
    *takers = (wb_takers){0};
}

static bool make_fields(wb_takers *takers, size_t count)
{
    if (count <= takers->field_room)
        return true;
    size_t room = takers->field_room > 0 ? takers->field_room : 16;
    while (room < count)
        room *= 2;
    int32_t *fields = wb_realloc(takers->fields, room * sizeof *fields);
    if (fields == NULL)
        return false;
    takers->fields = fields;
    takers->field_room = room;
    return true;
}

/* ---- by a header ---- */

/* The fields of a header, and what they are called. */
typedef struct wb_names {
    const wb_record *header;
    uint32_t *times; /* how often the header has each one's text before it */
    wb_buffer name;  /* of the newest */
} wb_names;

static int compare_with_place(const void *a, const void *b)
{
    const wb_taker *x = a, *y = b;
    int order = compare(a, b);
    return order != 0 ? order : (x->column > y->column) - (x->column < y->column);
}

/* Sorts them, so that long names that begin alike are compared a few times each. */
static bool begin_names(wb_names *names, const wb_record *header)
{
    size_t count = header->count;
    wb_taker *sorted = wb_alloc((count + 1) * sizeof *sorted);
    *names = (wb_names){.header = header, .times = wb_alloc((count + 1) * sizeof *names->times)};
    bool begun = sorted != NULL && names->times != NULL;
    for (size_t i = 0; i < count && begun; i++)
        sorted[i] = (wb_taker){header->pieces[i].text, header->pieces[i].bytes, (int32_t)i};
    if (begun)
        qsort(sorted, count, sizeof *sorted, compare_with_place);
    for (size_t i = 0, times = 0; i < count && begun; i++) {
        times = i > 0 && compare(&sorted[i - 1], &sorted[i]) == 0 ? times + 1 : 0;
        names->times[sorted[i].column] = (uint32_t)times;
    }
    wb_free(sorted);
    return begun;
}

static void end_names(wb_names *names)
{
    wb_free(names->times);
    wb_buffer_fini(&names->name);
}

static const wb_buffer *field_name(wb_names *names, size_t place)
{
    const wb_piece *piece = &names->header->pieces[place];
    wb_buffer *name = &names->name;
    name->bytes = 0;
    wb_buffer_put(name, piece->text, piece->bytes);
    if (piece->bytes == 0)
        wb_buffer_printf(name, "column_%zu", place + 1);
    else if (names->times[place] > 0)
        wb_buffer_printf(name, "_%u", (unsigned)names->times[place] + 1);
    return name;
}

static bool is_required(const wb_column *column)
{
    return column->generate == WB_GIVEN && !column->null && !column->server_default &&
           column->default_value.kind == WB_ABSENT;
}

static bool has_field(const wb_takers *takers, int32_t column)
{
    for (size_t i = 0; i < takers->field_count; i++)
        if (takers->fields[i] == column)
            return true;
    return false;
}

/* Names, as many as a message holds. */
typedef struct list {
    char text[100];
    size_t used;
} list;

static void put_name(list *to, const char *name, size_t bytes)
{
    char shown[WB_SHOWN_BYTES];
    if (to->used < sizeof to->text)
        to->used += (size_t)snprintf(to->text + to->used, sizeof to->text - to->used, "%s%s",
                                     to->used > 0 ? ", " : "", wb_show_text(name, bytes, shown));
}

static void list_missing(const wb_takers *takers, const wb_schema *schema, list *missing)
{
    for (size_t i = 0; i < wb_schema_count(schema); i++) {
        const wb_column *column = wb_schema_column(schema, i);
        if (is_required(column) && !has_field(takers, (int32_t)i))
            put_name(missing, column->name, strlen(column->name));
    }
}

/* What no column takes. */
static void list_unknown(const wb_takers *takers, wb_names *names, list *unknown)
{
    for (size_t i = 0; i < takers->field_count; i++) {
        if (takers->fields[i] != WB_NO_TAKER)
            continue;
        const wb_buffer *name = field_name(names, i);
        put_name(unknown, name->data, name->bytes);
    }
}

/* A header of one field that has a delimiter of another kind in it. */
static char other_delimiter(const wb_record *header)
{
    const wb_piece *piece = &header->pieces[0];
    for (const char *at = ";\t|,"; header->count == 1 && *at != '\0'; at++)
        if (memchr(piece->text, *at, piece->bytes) != NULL)
            return *at;
    return '\0';
}

static int refuse_delimiter(const list *unknown, char delimiter, wb_err *err)
{
    char shown[] = {'"', delimiter, '"', '\0'};
    return wb_fail(err, WB_INVALID, "the header is one field, %s: is the delimiter %s?",
                   unknown->text, delimiter == '\t' ? "a tab" : shown);
}

/* All that is wrong with it, at once. */
static int check_names(const wb_takers *takers, const wb_schema *schema, wb_names *names,
                       bool ignore_unknown, wb_err *err)
{
    list unknown = {.used = 0}, missing = {.used = 0};
    if (!ignore_unknown)
        list_unknown(takers, names, &unknown);
    list_missing(takers, schema, &missing);
    char delimiter = unknown.used > 0 ? other_delimiter(names->header) : '\0';
    if (delimiter != '\0')
        return refuse_delimiter(&unknown, delimiter, err);
    if (unknown.used + missing.used == 0)
        return WB_OK;
    return wb_fail(err, WB_INVALID, "%s%s%s%s%s", unknown.used > 0 ? "no column takes " : "",
                   unknown.text, unknown.used > 0 && missing.used > 0 ? "; " : "",
                   missing.used > 0 ? "required, and not in the header: " : "", missing.text);
}

static int refuse_twice(const wb_buffer *name, wb_err *err)
{
    char shown[WB_SHOWN_BYTES];
    return wb_fail(err, WB_INVALID, "the header names %s twice",
                   wb_show_text(name->data, name->bytes, shown));
}

static int set_fields(wb_takers *takers, wb_names *names, wb_err *err)
{
    size_t count = names->header->count;
    if (!make_fields(takers, count))
        return wb_fail(err, WB_MEMORY, "out of memory for a header");
    takers->field_count = 0;
    for (size_t i = 0; i < count; i++) {
        const wb_buffer *name = field_name(names, i);
        if (name->failed)
            return wb_fail(err, WB_MEMORY, "out of memory for a header");
        const wb_taker *taker = find(takers, name->data, name->bytes);
        if (taker != NULL && has_field(takers, taker->column))
            return refuse_twice(name, err);
        takers->fields[takers->field_count++] = taker != NULL ? taker->column : WB_NO_TAKER;
    }
    return WB_OK;
}

/* No table has so many columns. */
enum { MOST_FIELDS = 10000 };

int wb_takers_read_header(wb_takers *takers, const wb_schema *schema, const wb_record *header,
                          bool ignore_unknown, wb_err *err)
{
    wb_names names;
    if (header->count > MOST_FIELDS)
        return wb_fail(err, WB_INVALID, "the header has %zu fields, more than %d", header->count,
                       MOST_FIELDS);
    int code = begin_names(&names, header) ? set_fields(takers, &names, err)
                                           : wb_fail(err, WB_MEMORY, "out of memory for a header");
    if (code == WB_OK)
        code = check_names(takers, schema, &names, ignore_unknown, err);
    end_names(&names);
    return code;
}

/* ---- by a member ---- */

static bool is_taker_of(const wb_taker *taker, const char *name, size_t bytes)
{
    return taker->bytes == bytes && memcmp(taker->name, name, bytes) == 0;
}

/* `fields` are places in `sorted` here. Where there is no memory for one more, it is only found more slowly. */
int32_t wb_takers_find(wb_takers *takers, size_t place, const char *name, size_t bytes)
{
    if (place < takers->field_count) {
        const wb_taker *expected = &takers->sorted[takers->fields[place]];
        if (is_taker_of(expected, name, bytes))
            return expected->column;
    }
    const wb_taker *taker = find(takers, name, bytes);
    if (taker == NULL)
        return WB_NO_TAKER;
    if (place <= takers->field_count && make_fields(takers, place + 1)) {
        takers->fields[place] = (int32_t)(taker - takers->sorted);
        if (place == takers->field_count)
            takers->field_count++;
    }
    return taker->column;
}
