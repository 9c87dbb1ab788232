/* SPDX-License-Identifier: MIT
 * Readers of text, which core.raw makes and uses: their public face is Lua's (forms/intake.lua). A reader is of a batcher's
 * schema. Invariant: what a refusal points to lives until the reader is used again, so it is pushed at once. */
#include <string.h>

#include "lua/objects/reader.h"
#include "lua/objects/reader_options.h"

typedef struct lwb_reader {
    const lwb_kind *kind;
    wb_reader *reader;
    uint64_t accepted;
} lwb_reader;

const lwb_kind lwb_reader_kind = {"reader", sizeof(lwb_reader)};

static lwb_reader *check_reader(lua_State *L, int index)
{
    return lwb_check(L, index, &lwb_reader_kind);
}

/* ---- making one ---- */

/* reader(batcher, options) → a reader, or nil, message, code. The options were checked. `map` is a list of pairs. */
static int raw_reader(lua_State *L)
{
    lwb_pipeline *pipeline = lwb_batcher_check(L);
    wb_reader_options options;
    wb_err err;
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    lwb_reader_options(L, 2, &options);
    options.schema = pipeline->schema;
    lwb_reader *reader = lwb_new(L, &lwb_reader_kind);
    int code = wb_reader_new(&options, &reader->reader, &err);
    return code == WB_OK ? 1 : lwb_refused(L, code, &err);
}

static int reader_gc(lua_State *L)
{
    lwb_reader *reader = check_reader(L, 1);
    wb_reader_free(reader->reader);
    reader->reader = NULL;
    return 0;
}

wb_reader *lwb_reader_living(lua_State *L, int index)
{
    lwb_reader *reader = check_reader(L, index);
    if (reader->reader == NULL)
        luaL_error(L, "the reader was collected");
    return reader->reader;
}

/* ---- text ---- */

/* put(reader, text) → true, or nil, message, code */
static int raw_put(lua_State *L)
{
    wb_err err;
    size_t bytes;
    wb_reader *reader = lwb_reader_living(L, 1);
    const char *text = luaL_checklstring(L, 2, &bytes);
    return lwb_result(L, wb_reader_put(reader, text, bytes, &err), &err);
}

static int raw_finish(lua_State *L)
{
    wb_reader_finish(lwb_reader_living(L, 1));
    return 0;
}

/* accepted(reader) → rows so far */
static int raw_accepted(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)check_reader(L, 1)->accepted);
    return 1;
}

/* line(reader) → of the next record */
static int raw_line(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)lwb_reader_living(L, 1)->records.line);
    return 1;
}

/* offset(reader) → of the next record, in all the text */
static int raw_offset(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)lwb_reader_living(L, 1)->records.offset);
    return 1;
}

/* refusal(reader) → the line, the text and the offset of the record that was read last */
static int raw_refusal(lua_State *L)
{
    const wb_refusal *at = &lwb_reader_living(L, 1)->records.at;
    lua_pushinteger(L, (lua_Integer)at->line);
    lua_pushlstring(L, at->text, at->bytes);
    lua_pushinteger(L, (lua_Integer)at->offset);
    return 3;
}

/* pass(reader): the row that comes next is not added. */
static int raw_pass(lua_State *L)
{
    wb_reader_pass(lwb_reader_living(L, 1));
    return 0;
}

/* ---- rows ---- */

/* As `add` would be given it: a time is seconds here, not what a row keeps of it. */
static void push_given(lua_State *L, const wb_value *value)
{
    if (value->kind == WB_NULL)
        lua_pushlightuserdata(L, NULL);
    else if (value->kind == WB_TEXT)
        lua_pushlstring(L, value->text, value->bytes);
    else if (value->kind == WB_BOOL)
        lua_pushboolean(L, value->i != 0);
    else if (value->kind == WB_FLOAT)
        lua_pushnumber(L, value->f);
    else
        lwb_push_int64(L, value->i);
}

static void push_list(lua_State *L, const wb_value *list)
{
    lua_createtable(L, (int)list->bytes, 0);
    for (uint32_t i = 0; i < list->bytes; i++) {
        push_given(L, &list->list[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
}

/* row(reader) → the row that comes next as a table, as it is in the text; nil where there is none, or what comes is
 * refused */
static int raw_row(lua_State *L)
{
    wb_reader *reader = lwb_reader_living(L, 1);
    if (wb_reader_look(reader) != WB_READ_ROW)
        return 0;
    lua_newtable(L);
    for (size_t i = 0; i < reader->schema->count; i++) {
        const wb_column_plan *plan = &reader->schema->columns[i];
        const wb_value *value = &reader->values[plan->place];
        if (value->kind == WB_ABSENT)
            continue;
        lua_pushstring(L, plan->column.name);
        if (value->kind == WB_LIST)
            push_list(L, value);
        else
            push_given(L, value);
        lua_rawset(L, -3);
    }
    return 1;
}

/* Adds rows, `most` at the most → as add. Where a record was refused the code is "invalid", where nothing can be read any
 * more "unreadable". */
static int add_read(lua_State *L, const wb_choice *choice, uint64_t most)
{
    lwb_pipeline *pipeline = lwb_batcher_check(L);
    wb_reader *reader = lwb_reader_living(L, 2);
    wb_reading reading;
    wb_err err;
    int code = wb_batcher_read(pipeline->core, reader, choice, most, &reading, &err);
    check_reader(L, 2)->accepted += reading.accepted;
    if (reading.unreadable) {
        lua_pushnil(L);
        lua_pushstring(L, err.text);
        lua_pushliteral(L, "unreadable");
        return 3;
    }
    return lwb_add_answer(L, pipeline, code, &err, reading.due);
}

int lwb_batcher_add_read(lua_State *L)
{
    return add_read(L, NULL, (uint64_t)luaL_optnumber(L, 3, 1e18));
}

/* One row, as a policy decided. */
int lwb_batcher_add_read_as(lua_State *L)
{
    lwb_decision decision;
    lwb_decision_take(L, &decision);
    return add_read(L, &decision.choice, 1);
}

void lwb_raw_reader(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"reader", raw_reader},   {"put", raw_put},
        {"finish", raw_finish},   {"accepted", raw_accepted},
        {"refusal", raw_refusal}, {"row", raw_row},
        {"pass", raw_pass},       {"offset", raw_offset},
        {"line", raw_line},       {NULL, NULL},
    };
    lwb_setfuncs(L, functions);
}

void lwb_open_reader(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", reader_gc}, {NULL, NULL}};
    lwb_class(L, &lwb_reader_kind, (const luaL_Reg[]){{NULL, NULL}}, meta);
}
