/* SPDX-License-Identifier: MIT
 * What LuaJIT's compiled code calls through its FFI to add a row (lua/writebehind/forms/direct.lua): it never calls the Lua
 * API, and so no Lua code runs in here. A row is in slots, by place: `texts` has a string or one of the marks, `numbers` a
 * number or a string's length, and an empty slot is EMPTY in `numbers` alone. What is not usual is left to the methods
 * (add.c): UNUSUAL, and nothing has happened.
 * Invariants: the object is a batcher, which Lua has made sure of; it may be collected. The slots are empty after an add. */
#include <math.h>
#include <string.h>

#include "base/bigendian.h"
#include "base/show.h"
#include "engine/batcher.h"
#include "lua/base/convert.h"
#include "lua/base/json_scalar.h"
#include "lua/base/pipeline.h"

#if !LWB_HAS_INTEGERS

/* Larger rows are left to the methods, so that the memory of the tuple and of the JSON stays small. */
enum { MOST_BYTES = 1 << 18 };
enum { UNUSUAL = -1, HEAD = sizeof(uint32_t) };

/* The bits of a NaN that no calculation makes. */
#define EMPTY UINT64_C(0x7FF8574244495245)

enum { FALSE, TRUE, NULLED, DOCUMENT, MARKS };
static const char marks[MARKS];

/* Empties the slots. */
static void clear(void *object, double *numbers, const char **texts)
{
    lwb_pipeline *p = object;
    const uint64_t bits = EMPTY;
    for (int i = 0; i < p->columns; i++) {
        texts[i] = NULL;
        memcpy(&numbers[i], &bits, sizeof bits);
    }
    p->json.bytes = 0;
    if (p->json.failed)
        wb_buffer_fini(&p->json);
}

static inline bool is_mark(const char *text)
{
    return (uintptr_t)text - (uintptr_t)marks < MARKS;
}

/* ---- fields ---- */

static uint8_t *value_put(const wb_column_plan *plan, const wb_value *value, uint8_t *at)
{
    size_t bytes;
    return wb_field_encode(&plan->column, value, at, &bytes, NULL) == WB_OK ? at + bytes : NULL;
}

static inline uint8_t *number_put(const wb_column_plan *plan, double number, uint8_t *at)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    if (bits == EMPTY) {
        if (plan->default_bytes == 0 || plan->column.server_default)
            return wb_missing_put(plan, false, at, NULL);
        memcpy(at, plan->default_field, plan->default_bytes);
        return at + plan->default_bytes;
    }
    int64_t integer;
    if (plan->code == WB_TYPE_INT8 && lwb_integer_of(number, &integer))
        return wb_put64(wb_put32(at, sizeof integer), (uint64_t)integer);
    if (plan->code == WB_TYPE_FLOAT8)
        return wb_put64(wb_put32(at, sizeof bits), bits);
    wb_value value;
    lwb_number_of(number, &value);
    return value_put(plan, &value, at);
}

static inline uint8_t *text_put(const wb_column_plan *plan, const char *text, size_t bytes,
                                uint8_t *at)
{
    if (plan->code == WB_TYPE_UUID && bytes == 36 && wb_uuid_parse(text, bytes, wb_put32(at, 16)))
        return at + HEAD + 16;
    wb_value value = {.kind = WB_TEXT, .bytes = (uint32_t)bytes, .text = text};
    return value_put(plan, &value, at);
}

/* A document begins, in the buffer, with its length. */
static uint8_t *document_put(const wb_column_plan *plan, const char *document, uint8_t *at)
{
    uint32_t bytes, version = plan->code == WB_TYPE_JSONB;
    memcpy(&bytes, document, sizeof bytes);
    at = wb_put32(at, version + bytes);
    memset(at, 1, version);
    memcpy(at + version, document + HEAD, bytes);
    return at + version + bytes;
}

static inline uint8_t *mark_put(const wb_buffer *json, const wb_column_plan *plan, const char *mark,
                                double number, uint8_t *at)
{
    wb_value value = {.kind = WB_BOOL, .i = mark == &marks[TRUE]};
    if (mark == &marks[DOCUMENT])
        return document_put(plan, json->data + (size_t)number, at);
    return mark == &marks[NULLED] ? wb_missing_put(plan, true, at, NULL)
                                  : value_put(plan, &value, at);
}

/* ---- the row ---- */

static size_t bound(const lwb_pipeline *p, const double *numbers, const char *const *texts)
{
    size_t bytes = p->schema->fixed_bytes + p->json.bytes;
    for (int i = 0; i < p->columns; i++) {
        if (texts[i] != NULL && !is_mark(texts[i]))
            bytes += (size_t)numbers[i];
    }
    return bytes;
}

static bool row_put(lwb_pipeline *p, const double *numbers, const char *const *texts,
                    wb_tuple *tuple)
{
    size_t most = bound(p, numbers, texts);
    p->tuple.bytes = 0;
    if (most > MOST_BYTES || !wb_buffer_reserve(&p->tuple, most))
        return false;
    uint8_t *start = (uint8_t *)p->tuple.data, *at = wb_put16(start, p->schema->count);
    const wb_column_plan *plan = p->schema->columns, *end = plan + p->schema->count;
    for (; plan < end && at != NULL; plan++) {
        const char *text = texts[plan->place];
        double number = numbers[plan->place];
        if (text == NULL)
            at = number_put(plan, number, at);
        else if (is_mark(text))
            at = mark_put(&p->json, plan, text, number, at);
        else
            at = text_put(plan, text, (size_t)number, at);
    }
    *tuple = (wb_tuple){.at = start, .bytes = at != NULL ? (size_t)(at - start) : 0};
    return at != NULL;
}

static int32_t add(void *object, double *numbers, const char **texts)
{
    lwb_pipeline *p = object;
    wb_tuple tuple;
    bool taken =
        p->core != NULL && !p->lent && !p->json.failed && row_put(p, numbers, texts, &tuple);
    clear(p, numbers, texts);
    return taken ? wb_batcher_add_tuple(p->core, &tuple, NULL, NULL, &p->said) : UNUSUAL;
}

/* ---- a table as JSON ---- */

/* Where the document begins. */
static double json_open(void *object)
{
    lwb_pipeline *p = object;
    size_t at = p->json.bytes;
    if (p->core == NULL || at > MOST_BYTES)
        return UNUSUAL;
    wb_buffer_put(&p->json, "....{", HEAD + 1);
    return p->json.failed ? UNUSUAL : (double)at;
}

static bool json_put(wb_buffer *json, const char *text, double number)
{
    if (text == &marks[TRUE] || text == &marks[FALSE]) {
        wb_buffer_put_text(json, text == &marks[TRUE] ? "true" : "false");
        return true;
    }
    if (text != NULL)
        return wb_buffer_put_json_string(json, text, (size_t)number);
    if (!isfinite(number) || !wb_buffer_reserve(json, WB_NUMBER_BYTES))
        return false;
    json->bytes += lwb_float_text(number, json->data + json->bytes);
    return true;
}

/* False: it is for the methods. */
static bool json_pair(void *object, const char *key, double bytes, const char *text, double number)
{
    wb_buffer *json = &((lwb_pipeline *)object)->json;
    bool sure = wb_buffer_put_json_string(json, key, (size_t)bytes);
    wb_buffer_put_char(json, ':');
    sure = json_put(json, text, number) && sure;
    wb_buffer_put_char(json, ',');
    return sure && !json->failed;
}

/* Is there anything in it? */
static bool json_close(void *object, double at)
{
    wb_buffer *json = &((lwb_pipeline *)object)->json;
    bool full = json->data[json->bytes - 1] == ',';
    json->bytes -= full;
    wb_buffer_put_char(json, '}');
    uint32_t bytes = (uint32_t)(json->bytes - (size_t)at - HEAD);
    memcpy(json->data + (size_t)at, &bytes, sizeof bytes);
    return full;
}

static void push(lua_State *L, const char *name, const void *address)
{
    lua_pushlightuserdata(L, (void *)address);
    lua_setfield(L, -2, name);
}

/* said(batcher) → what an add answers where the core refused the row */
static int raw_said(lua_State *L)
{
    const wb_err *said = &lwb_batcher_check(L)->said;
    return lwb_result(L, said->code, said);
}

/* direct(batcher) → addresses by name, and a list: is the column of that place JSON? nil: it is not for this. */
int lwb_direct(lua_State *L)
{
    const lwb_pipeline *p = lwb_batcher_check(L);
    if (p->schema->lenient || p->columns > LWB_PLAN_COLUMNS || p->driven)
        return 0;
    lua_newtable(L);
    push(L, "add", (const void *)add);
    push(L, "clear", (const void *)clear);
    push(L, "open", (const void *)json_open);
    push(L, "pair", (const void *)json_pair);
    push(L, "close", (const void *)json_close);
    push(L, "marks", marks);
    push(L, "null", NULL);
    lua_pushcfunction(L, raw_said);
    lua_setfield(L, -2, "said");
    for (int i = 0; i < p->schema->count; i++) {
        const wb_column_plan *plan = &p->schema->columns[i];
        lua_pushboolean(L, plan->code == WB_TYPE_JSON || plan->code == WB_TYPE_JSONB);
        lua_rawseti(L, -2, (int)plan->place);
    }
    lua_pushinteger(L, p->columns);
    lua_setfield(L, -2, "columns");
    lua_pushinteger(L, p->given);
    lua_setfield(L, -2, "given");
    return 1;
}

#else

int lwb_direct(lua_State *L)
{
    (void)L;
    return 0;
}

#endif
