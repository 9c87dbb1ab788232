/* SPDX-License-Identifier: MIT
 * A row straight from the stack to its tuple, in one pass, outside of every lock: what is usual. Whatever is not (a value
 * that is refused, a list, a cdata, a large text) is left to the caller, who converts values one by one and says what is
 * wrong.
 * Invariant: while the tuple is being made no Lua code runs but for a table's JSON, and then the tuple is known to be lent:
 * an add from inside there finds no tuple to use. Nothing here raises. */
#include "base/bigendian.h"
#include "base/json.h"
#include "base/timestamp.h"
#include "base/utf8.h"
#include "engine/batcher.h"
#include "lua/base/convert.h"
#include "lua/base/json_encode.h"
#include "lua/base/pipeline.h"

/* Larger texts and rows are left to the caller, so that the tuple's memory stays small. */
enum { MOST_BYTES = 1 << 18 };
/* What a table's JSON may leave behind. */
enum { LARGE_BYTES = 4 * MOST_BYTES };

typedef struct encoder {
    lua_State *L;
    wb_buffer *out;
    size_t fixed; /* room that all of a row but its texts takes */
} encoder;

/* Room for a text of so many bytes, and what is fixed of the row, at the place `at`, which may move. */
static inline uint8_t *room(encoder *e, uint8_t *at, size_t bytes)
{
    size_t used = (size_t)(at - (uint8_t *)e->out->data);
    if (__builtin_expect(used + bytes + e->fixed <= e->out->capacity, 1))
        return at;
    e->out->bytes = used;
    bool kept =
        bytes <= MOST_BYTES && used <= MOST_BYTES && wb_buffer_reserve(e->out, bytes + e->fixed);
    return kept ? (uint8_t *)e->out->data + used : NULL;
}

/* A value of any of the plain types. */
static uint8_t *any_put(encoder *e, const wb_column_plan *plan, int index, int type, uint8_t *at)
{
    wb_value value;
    size_t bytes;
    bool other = type == LUA_TLIGHTUSERDATA && lua_touserdata(e->L, index) != NULL;
    if (type > LUA_TSTRING || other || !lwb_to_value_of(e->L, index, type, &value))
        return NULL;
    if (value.kind <= WB_NULL)
        return wb_missing_put(plan, value.kind == WB_NULL, at, NULL);
    if (value.kind == WB_TEXT && (at = room(e, at, value.bytes)) == NULL)
        return NULL;
    bool taken = wb_field_encode(&plan->column, &value, at, &bytes, NULL) == WB_OK;
    return taken ? at + bytes : NULL;
}

/* A table as JSON, into the tuple. What is not surely JSON is left to the core's check. */
static uint8_t *json_put(encoder *e, const wb_column_plan *plan, int index, uint8_t *at)
{
    size_t version = plan->code == WB_TYPE_JSONB;
    size_t field = (size_t)(at - (uint8_t *)e->out->data);
    size_t text = field + sizeof(uint32_t) + version;
    e->out->bytes = text;
    if (lwb_json_encode(e->L, index, e->out) != LWB_JSON_DONE)
        return NULL;
    uint8_t *data = (uint8_t *)e->out->data;
    size_t end = e->out->bytes;
    if (end > MOST_BYTES)
        return NULL;
    memset(wb_put32(data + field, (uint32_t)(end - text + version)), 1, version);
    return room(e, data + end, 0);
}

static inline uint8_t *default_put(const wb_column_plan *plan, uint8_t *at)
{
    if (plan->default_bytes == 0 || plan->column.server_default)
        return wb_missing_put(plan, false, at, NULL);
    memcpy(at, plan->default_field, plan->default_bytes);
    return at + plan->default_bytes;
}

static inline uint8_t *uuid_put(encoder *e, const wb_column_plan *plan, int index, uint8_t *at)
{
    size_t bytes;
    const char *text = lua_tolstring(e->L, index, &bytes);
    if (bytes == 36 && wb_uuid_parse(text, bytes, wb_put32(at, 16)))
        return at + sizeof(uint32_t) + 16;
    return any_put(e, plan, index, LUA_TSTRING, at);
}

static inline uint8_t *text_put(encoder *e, const wb_column_plan *plan, int index, uint8_t *at)
{
    size_t bytes;
    const char *text = lua_tolstring(e->L, index, &bytes);
    bool usual = plan->column.max == 0 && plan->column.values == NULL && bytes <= MOST_BYTES;
    if (!usual || wb_utf8_check(text, bytes) != bytes || (at = room(e, at, bytes)) == NULL)
        return NULL;
    return (uint8_t *)memcpy(wb_put32(at, (uint32_t)bytes), text, bytes) + bytes;
}

static inline uint8_t *json_text_put(encoder *e, const wb_column_plan *plan, int index, uint8_t *at)
{
    size_t bytes, wrong, version = plan->code == WB_TYPE_JSONB;
    const char *text = lua_tolstring(e->L, index, &bytes);
    if (bytes > MOST_BYTES || wb_json_check(text, bytes, &wrong) != NULL ||
        (at = room(e, at, bytes)) == NULL)
        return NULL;
    at = wb_put32(at, (uint32_t)(bytes + version));
    *at = 1;
    return (uint8_t *)memcpy(at + version, text, bytes) + bytes;
}

static inline uint8_t *time_put(lua_State *L, int index, uint8_t *at)
{
    int64_t unix_us;
    if (!wb_timestamp_of_seconds(lua_tonumber(L, index), &unix_us))
        return NULL;
    return wb_put64(wb_put32(at, sizeof unix_us), (uint64_t)wb_pg_us(unix_us));
}

static inline uint8_t *float_put(lua_State *L, int index, uint8_t *at)
{
    double number = lua_tonumber(L, index);
    uint64_t word;
    memcpy(&word, &number, sizeof word);
    return wb_put64(wb_put32(at, sizeof word), word);
}

static inline uint8_t *value_put(encoder *e, const wb_column_plan *plan, int index, uint8_t *at)
{
    int64_t integer;
    int type = lua_type(e->L, index);
    if (type <= LUA_TNIL)
        return default_put(plan, at);
    switch (plan->code) {
    case WB_TYPE_INT8:
        if (type == LUA_TNUMBER && lwb_integer(e->L, index, &integer))
            return wb_put64(wb_put32(at, sizeof integer), (uint64_t)integer);
        break;
    case WB_TYPE_FLOAT8:
        if (type == LUA_TNUMBER)
            return float_put(e->L, index, at);
        break;
    case WB_TYPE_BOOL:
        if (type == LUA_TBOOLEAN) {
            at = wb_put32(at, 1);
            *at = (uint8_t)lua_toboolean(e->L, index);
            return at + 1;
        }
        break;
    case WB_TYPE_UUID:
        if (type == LUA_TSTRING)
            return uuid_put(e, plan, index, at);
        break;
    case WB_TYPE_TEXT:
        if (type == LUA_TSTRING)
            return text_put(e, plan, index, at);
        break;
    case WB_TYPE_TIMESTAMPTZ:
        if (type == LUA_TNUMBER)
            return time_put(e->L, index, at);
        break;
    case WB_TYPE_JSON:
    case WB_TYPE_JSONB:
        if (type == LUA_TTABLE)
            return json_put(e, plan, index, at);
        if (type == LUA_TSTRING)
            return json_text_put(e, plan, index, at);
        break;
    }
    return any_put(e, plan, index, type, at);
}

/* False: something is not usual, or there is no memory. */
static bool row_put(encoder *e, const wb_schema *schema, const lwb_given *given, wb_tuple *tuple)
{
    uint8_t *at = room(e, (uint8_t *)e->out->data, 0);
    if (at == NULL)
        return false;
    at = wb_put16(at, schema->count);
    const wb_column_plan *plan = schema->columns, *end = plan + schema->count;
    for (; plan < end && at != NULL; plan++) {
        int place = (int)plan->place;
        int index = given->slots != NULL   ? given->slots[place]
                    : place < given->count ? given->base + place
                                           : 0;
        at = index != 0 ? value_put(e, plan, index, at) : default_put(plan, at);
    }
    tuple->at = (uint8_t *)e->out->data;
    tuple->bytes = at != NULL ? (size_t)(at - tuple->at) : 0;
    tuple->cleaned = 0;
    return at != NULL;
}

bool lwb_row_encode(lua_State *L, lwb_pipeline *pipeline, const lwb_given *given, wb_tuple *tuple)
{
    const wb_schema *schema = pipeline->schema;
    if (pipeline->lent || schema->lenient || schema->fixed_bytes > MOST_BYTES)
        return false;
    encoder e = {.L = L, .out = &pipeline->tuple, .fixed = schema->fixed_bytes};
    if (e.out->failed || e.out->capacity > LARGE_BYTES)
        wb_buffer_fini(e.out);
    pipeline->lent = true;
    bool taken = row_put(&e, schema, given, tuple);
    pipeline->lent = false;
    return taken;
}
