/* SPDX-License-Identifier: MIT
 * See value.h. What is usual takes a few comparisons and no memory. No locks. */
#include "intake/value.h"

#include <string.h>

#include "base/bigendian.h"
#include "base/buffer.h"
#include "base/env.h"
#include "base/calendar.h"
#include "base/json.h"
#include "base/show.h"
#include "base/words.h"
#include "intake/literal.h"
#include "intake/ndjson.h"
#include "rows/array.h"
#include "rows/convert.h"
#include "rows/from_text.h"

struct wb_list {
    struct wb_list *next;
    wb_value items[];
};

static wb_value text_of(const char *text, uint32_t bytes)
{
    return (wb_value){.kind = WB_TEXT, .text = text, .bytes = bytes};
}

static int refuse(const wb_column *column, const wb_piece *piece, const char *why, wb_err *err)
{
    wb_value value = text_of(piece->text, piece->bytes);
    wb_refuse(column, &value, why, err);
    return WB_INVALID;
}

static int no_memory(wb_err *err)
{
    return wb_fail(err, WB_MEMORY, "out of memory for a row's values");
}

/* ---- what is made ---- */

/* What a buffer has, which is freed, as a text that stays. */
static int keep(wb_value_room *room, wb_buffer *buffer, wb_value *value, wb_err *err)
{
    size_t bytes = buffer->bytes;
    const char *text = buffer->failed ? NULL : wb_texts_put(&room->texts, buffer->data, bytes);
    wb_buffer_fini(buffer);
    if (text == NULL)
        return no_memory(err);
    *value = text_of(text, (uint32_t)bytes);
    return WB_OK;
}

static bool is_hex_form(const wb_piece *piece)
{
    return piece->bytes >= 2 && piece->text[0] == '\\' && piece->text[1] == 'x';
}

static bool is_pairs(const wb_piece *piece)
{
    bool hex = piece->bytes % 2 == 0;
    for (uint32_t i = 2; i < piece->bytes && hex; i++)
        hex = wb_hex_digit(piece->text[i]) >= 0;
    return hex;
}

static int read_hex(const wb_column *column, const wb_piece *piece, wb_value_room *room,
                    wb_value *value, wb_err *err)
{
    wb_buffer buffer = WB_BUFFER_EMPTY;
    if (!is_pairs(piece))
        return refuse(column, piece, "after \\x there are no pairs of hex digits", err);
    for (uint32_t i = 2; i < piece->bytes; i += 2)
        wb_buffer_put_char(
            &buffer, (char)(wb_hex_digit(piece->text[i]) << 4 | wb_hex_digit(piece->text[i + 1])));
    return keep(room, &buffer, value, err);
}

static int read_json_string(const wb_piece *piece, wb_value_room *room, wb_value *value,
                            wb_err *err)
{
    wb_buffer buffer = WB_BUFFER_EMPTY;
    wb_buffer_put_json_string(&buffer, piece->text, piece->bytes);
    return keep(room, &buffer, value, err);
}

/* ---- arrays ---- */

static int split_list(const wb_column *column, const wb_piece *piece, wb_value_room *room,
                      wb_err *err)
{
    size_t at = 0;
    const char *text = piece->text;
    while (at < piece->bytes && wb_is_space(text[at]))
        at++;
    bool literal = at == piece->bytes || text[at] != '[';
    int split = literal ? wb_literal_split(text, piece->bytes, &room->elements)
                        : wb_json_elements(text, piece->bytes, &room->elements);
    if (split == WB_SPLIT_MEMORY)
        return no_memory(err);
    if (room->elements.wrong == NULL)
        return WB_OK;
    wb_value value = text_of(text, piece->bytes);
    wb_refuse_at(column, &value, room->elements.wrong, room->elements.wrong_at, err);
    return WB_INVALID;
}

static bool is_json(const wb_column *column)
{
    return column->type == WB_TYPE_JSON || column->type == WB_TYPE_JSONB;
}

static int keep_element(const wb_column *element, const wb_piece *piece, wb_value_room *room,
                        wb_value *item, wb_err *err)
{
    wb_piece stays = *piece;
    if (piece->kind == WB_PIECE_NULL)
        return wb_piece_value(element, piece, room, item, err);
    if (piece->kind == WB_PIECE_JSON && *piece->text == '[' && !is_json(element))
        return refuse(element, piece, "an array of more than one dimension", err);
    stays.text = wb_texts_put(&room->texts, piece->text, piece->bytes);
    return stays.text != NULL ? wb_piece_value(element, &stays, room, item, err) : no_memory(err);
}

/* The elements' texts are put aside: the next array's come where they are. */
static int read_list(const wb_column *column, const wb_piece *piece, wb_value_room *room,
                     wb_value *value, wb_err *err)
{
    int code = split_list(column, piece, room, err);
    if (code != WB_OK)
        return code;
    size_t count = room->elements.count;
    struct wb_list *list = wb_alloc(sizeof *list + count * sizeof *list->items);
    if (list == NULL)
        return no_memory(err);
    list->next = room->lists;
    room->lists = list;
    const wb_column element = wb_array_element(column);
    for (size_t i = 0; i < count; i++) {
        code = keep_element(&element, &room->elements.pieces[i], room, &list->items[i], err);
        if (code != WB_OK)
            return wb_wrap(err, code, "element %zu", i + 1);
    }
    *value = (wb_value){.kind = WB_LIST, .list = list->items, .bytes = (uint32_t)count};
    return WB_OK;
}

/* ---- by the kind of the piece ---- */

/* Whether a number's column has got a number: a text that stayed one is none, or would change. */
static int check_number(const wb_column *column, const wb_piece *piece, const wb_value *value,
                        wb_err *err)
{
    bool number = column->type >= WB_TYPE_INT2 && column->type <= WB_TYPE_FLOAT8;
    if (!number || column->array || value->kind != WB_TEXT)
        return WB_OK;
    return refuse(column, piece,
                  column->type <= WB_TYPE_INT8 ? "no whole number of 64 bits"
                                               : "no number, or one that would change",
                  err);
}

/* Digits as a number is written: no zeros before others, no plus, no exponent, no -0. */
static bool is_plain_number(const wb_piece *piece)
{
    const char *at = piece->text, *end = at + piece->bytes;
    bool negative = at < end && *at == '-', zero = true;
    at += negative;
    const char *first = at;
    while (at < end && wb_is_digit(*at))
        zero = *at++ == '0' && zero;
    if (at == first || (*first == '0' && at - first > 1))
        return false;
    if (at < end && *at == '.') {
        const char *point = at++;
        while (at < end && wb_is_digit(*at))
            zero = *at++ == '0' && zero;
        if (at == point + 1)
            return false;
    }
    return at == end && !(negative && zero);
}

static bool is_text(const wb_piece *piece, const char *text, size_t bytes)
{
    return piece->bytes == bytes && memcmp(piece->text, text, bytes) == 0;
}

/* Is it written as the value of its column would be? */
static bool is_exact(const wb_column *column, const wb_piece *piece, const wb_value *value)
{
    char text[WB_NUMBER_BYTES];
    switch (value->kind) {
    case WB_BOOL:
        return is_text(piece, value->i ? "true" : "false", value->i ? 4 : 5);
    case WB_INT:
        return is_text(piece, text, wb_integer_format(value->i, text));
    case WB_FLOAT:
        return is_text(piece, text, wb_number_format(value->f, text));
    default:
        return column->type != WB_TYPE_NUMERIC || is_plain_number(piece);
    }
}

static int read_text(const wb_column *column, const wb_piece *piece, wb_value_room *room,
                     wb_value *value, wb_err *err)
{
    if (column->type == WB_TYPE_BYTEA && is_hex_form(piece))
        return read_hex(column, piece, room, value, err);
    if (piece->kind == WB_PIECE_STRING && is_json(column))
        return read_json_string(piece, room, value, err);
    wb_value_from_text(column, value);
    if (room->exact && !is_exact(column, piece, value))
        return refuse(column, piece, "not written as it would be read back", err);
    return check_number(column, piece, value, err);
}

static void read_seconds(wb_value *value)
{
    int64_t whole;
    double number;
    if (wb_int_from_text(value->text, value->bytes, &whole))
        *value = (wb_value){.kind = WB_INT, .i = whole};
    else if (wb_seconds_from_text(value->text, value->bytes, &number))
        *value = (wb_value){.kind = WB_FLOAT, .f = number};
}

static int read_number(const wb_column *column, const wb_piece *piece, wb_value *value, wb_err *err)
{
    if (column->array)
        return WB_OK;
    switch (column->type) {
    case WB_TYPE_TIMESTAMPTZ:
    case WB_TYPE_TIMESTAMP:
    case WB_TYPE_TIME:
    case WB_TYPE_INTERVAL:
        read_seconds(value);
        return value->kind != WB_TEXT ? WB_OK
                                      : refuse(column, piece, "seconds that would change", err);
    default:
        wb_value_from_text(column, value);
        return check_number(column, piece, value, err);
    }
}

static bool keeps_spelling(const wb_column *column)
{
    return is_json(column) || (column->type == WB_TYPE_TEXT);
}

/* Why it is not what the encoder would take its text for; NULL: it may be. */
static const char *mistaken(const wb_column *column, const wb_piece *piece)
{
    if (column->array)
        return NULL;
    if (column->type == WB_TYPE_UUID && piece->bytes == 16)
        return "not a uuid of 36 characters";
    if (column->type == WB_TYPE_BYTEA && piece->kind == WB_PIECE_JSON)
        return "a nested value";
    if (column->type == WB_TYPE_DATE && piece->kind == WB_PIECE_NUMBER)
        return "a number, which may be days as well as a date's digits";
    return NULL;
}

int wb_piece_value(const wb_column *column, const wb_piece *piece, wb_value_room *room,
                   wb_value *value, wb_err *err)
{
    if (piece->kind == WB_PIECE_NULL) {
        *value = (wb_value){.kind = WB_NULL};
        return WB_OK;
    }
    *value = text_of(piece->text, piece->bytes);
    const char *why = mistaken(column, piece);
    if (why != NULL)
        return refuse(column, piece, why, err);
    if (column->array && piece->kind != WB_PIECE_NUMBER && piece->kind != WB_PIECE_BOOL)
        return read_list(column, piece, room, value, err);
    if (piece->kind <= WB_PIECE_STRING)
        return read_text(column, piece, room, value, err);
    if (piece->kind == WB_PIECE_NUMBER)
        return read_number(column, piece, value, err);
    if (piece->kind == WB_PIECE_BOOL && !keeps_spelling(column))
        *value = (wb_value){.kind = WB_BOOL, .i = *piece->text == 't'};
    return WB_OK;
}

void wb_value_room_clear(wb_value_room *room)
{
    while (room->lists != NULL) {
        struct wb_list *list = room->lists;
        room->lists = list->next;
        wb_free(list);
    }
    if (room->texts.newest != NULL)
        wb_texts_fini(&room->texts);
}

void wb_value_room_fini(wb_value_room *room)
{
    wb_value_room_clear(room);
    wb_record_fini(&room->elements);
}
