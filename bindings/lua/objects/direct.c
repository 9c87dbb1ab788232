/* SPDX-License-Identifier: MIT
 * What LuaJIT's compiled code calls through its FFI to add a row (lua/writebehind/forms/direct.lua): it never calls the Lua
 * API, and so no Lua code runs in here. A row is in slots, by place: `texts` has a string or one of the lwb_direct_marks, `numbers` a
 * number or a string's length, and an empty slot is EMPTY in `numbers` alone. What is not usual is left to the methods
 * (add.c): LWB_DIRECT_UNUSUAL, and nothing has happened.
 * Invariants: the object is a batcher, which Lua has made sure of; it may be collected. The slots are empty after an add. */
#include <math.h>
#include <string.h>

#include "base/bigendian.h"
#include "base/show.h"
#include "engine/batcher.h"
#include "lua/base/convert.h"
#include "lua/objects/direct.h"

#if !LWB_HAS_INTEGERS

/* Rows that are added by one call, at the most. */
enum { MANY = 32 };

/* The bits of a NaN that no calculation makes. */
#define EMPTY UINT64_C(0x7FF8574244495245)

/* Empties the slots of so many rows. */
static void clear(void *object, double *numbers, const char **texts, int32_t rows)
{
    lwb_pipeline *p = object;
    const uint64_t bits = EMPTY;
    for (int i = 0; i < rows * p->columns; i++) {
        texts[i] = NULL;
        memcpy(&numbers[i], &bits, sizeof bits);
    }
    p->json.bytes = 0;
    if (p->json.failed)
        wb_buffer_fini(&p->json);
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
        return at + LWB_DIRECT_HEAD + 16;
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
    memcpy(at + version, document + LWB_DIRECT_HEAD, bytes);
    return at + version + bytes;
}

static inline uint8_t *mark_put(const wb_buffer *json, const wb_column_plan *plan, const char *mark,
                                double number, uint8_t *at)
{
    wb_value value = {.kind = WB_BOOL, .i = mark == &lwb_direct_marks[LWB_DIRECT_TRUE]};
    if (mark == &lwb_direct_marks[LWB_DIRECT_DOCUMENT])
        return document_put(plan, json->data + (size_t)number, at);
    return mark == &lwb_direct_marks[LWB_DIRECT_NULLED] ? wb_missing_put(plan, true, at, NULL)
                                                        : value_put(plan, &value, at);
}

/* ---- the row ---- */

static size_t bound(const lwb_pipeline *p, const double *numbers, const char *const *texts)
{
    size_t bytes = p->schema->fixed_bytes + p->json.bytes;
    for (int i = 0; i < p->columns; i++) {
        if (texts[i] != NULL && !lwb_direct_is_mark(texts[i]))
            bytes += (size_t)numbers[i];
    }
    return bytes;
}

/* Behind what the tuple's memory has, which may move. */
static bool row_put(lwb_pipeline *p, const double *numbers, const char *const *texts,
                    wb_tuple *tuple)
{
    size_t most = bound(p, numbers, texts), used = p->tuple.bytes;
    if (used + most > LWB_DIRECT_MOST_BYTES || !wb_buffer_reserve(&p->tuple, most))
        return false;
    uint8_t *start = (uint8_t *)p->tuple.data + used, *at = wb_put16(start, p->schema->count);
    const wb_column_plan *plan = p->schema->columns, *end = plan + p->schema->count;
    for (; plan < end && at != NULL; plan++) {
        const char *text = texts[plan->place];
        double number = numbers[plan->place];
        if (text == NULL)
            at = number_put(plan, number, at);
        else if (lwb_direct_is_mark(text))
            at = mark_put(&p->json, plan, text, number, at);
        else
            at = text_put(plan, text, (size_t)number, at);
    }
    *tuple = (wb_tuple){.at = start, .bytes = at != NULL ? (size_t)(at - start) : 0};
    p->tuple.bytes += tuple->bytes;
    return at != NULL;
}

static bool is_ready(lwb_pipeline *p)
{
    p->tuple.bytes = 0;
    return p->core != NULL && !p->lent && !p->json.failed;
}

static int32_t add(void *object, double *numbers, const char **texts)
{
    lwb_pipeline *p = object;
    wb_tuple tuple;
    bool taken = is_ready(p) && row_put(p, numbers, texts, &tuple);
    clear(p, numbers, texts, 1);
    return taken ? wb_batcher_add_tuple(p->core, &tuple, NULL, NULL, &p->said) : LWB_DIRECT_UNUSUAL;
}

/* Adds the first rows of the slots, and empties `used` of them → how many were added. Where they are fewer, `said` is WB_OK
 * if the next is not usual. */
static int32_t add_rows(void *object, double *numbers, const char **texts, int32_t rows,
                        int32_t used)
{
    lwb_pipeline *p = object;
    wb_tuple tuples[MANY];
    size_t ready = 0, added = 0, columns = (size_t)p->columns;
    bool taken = is_ready(p);
    while (taken && ready < (size_t)rows) {
        taken = row_put(p, numbers + ready * columns, texts + ready * columns, &tuples[ready]);
        ready += taken;
    }
    const uint8_t *at = (const uint8_t *)p->tuple.data;
    for (size_t i = 0; i < ready; at += tuples[i++].bytes)
        tuples[i].at = at;
    clear(p, numbers, texts, used);
    p->said.code = WB_OK;
    if (ready > 0)
        wb_batcher_add_tuples(p->core, tuples, ready, &added, NULL, &p->said);
    return (int32_t)added;
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
    push(L, "add_rows", (const void *)add_rows);
    push(L, "open", (const void *)lwb_direct_open);
    push(L, "pair", (const void *)lwb_direct_pair);
    push(L, "close", (const void *)lwb_direct_close);
    push(L, "marks", lwb_direct_marks);
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
    lua_pushinteger(L, MANY);
    lua_setfield(L, -2, "many");
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
