/* SPDX-License-Identifier: MIT
 * Records of a text as they stand, for a command that has no schema yet. */
#include <string.h>

#include "base/env.h"
#include "lua/objects/reader.h"
#include "lua/objects/reader_options.h"

typedef struct lwb_records {
    const lwb_kind *kind;
    wb_records records;
} lwb_records;

const lwb_kind lwb_records_kind = {"records", sizeof(lwb_records)};

static const char *const kind_names[] = {
    [WB_PIECE_NULL] = "null",     [WB_PIECE_FIELD] = "field", [WB_PIECE_STRING] = "string",
    [WB_PIECE_NUMBER] = "number", [WB_PIECE_BOOL] = "bool",   [WB_PIECE_JSON] = "json",
};

static wb_records *check_records(lua_State *L)
{
    lwb_records *records = lwb_check(L, 1, &lwb_records_kind);
    return &records->records;
}

/* records(options) → records, or nil, message, code. As reader's; what stands for NULL is anchored in the table. */
static int raw_records(lua_State *L)
{
    wb_reader_options options;
    wb_err err;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lwb_reader_options(L, 1, &options);
    lwb_records *records = lwb_new(L, &lwb_records_kind);
    lua_pushvalue(L, 1);
    lwb_setuservalue(L, -2);
    int code = wb_records_init(&records->records, &options, &err);
    return code == WB_OK ? 1 : lwb_refused(L, code, &err);
}

/* give(records, text); without a text nothing follows. */
static int raw_give(lua_State *L)
{
    size_t bytes;
    wb_records *records = check_records(L);
    if (lua_isnoneornil(L, 2)) {
        records->final = true;
        return 0;
    }
    const char *text = luaL_checklstring(L, 2, &bytes);
    return wb_records_put(records, text, bytes) ? 0 : luaL_error(L, "out of memory for a text");
}

static void push_piece(lua_State *L, const wb_piece *piece)
{
    lua_createtable(L, 0, 3);
    lua_pushstring(L, kind_names[piece->kind]);
    lua_setfield(L, -2, "kind");
    lua_pushlstring(L, piece->text, piece->bytes);
    lua_setfield(L, -2, "text");
    if (piece->name == NULL)
        return;
    lua_pushlstring(L, piece->name, piece->name_bytes);
    lua_setfield(L, -2, "name");
}

/* next(records) → the line of the next record, and a list of its pieces, { kind, text, name }, or nil and why it can't be
 * read; false and a message where the text is of another kind; nothing where no whole one is left */
static int raw_next(lua_State *L)
{
    wb_records *records = check_records(L);
    int next = wb_records_next(records);
    if (next == WB_NEXT_NONE)
        return 0;
    if (next == WB_NEXT_MEMORY)
        return luaL_error(L, "out of memory for a record");
    const wb_record *record = &records->record;
    if (next == WB_NEXT_FAILED) {
        lua_pushboolean(L, 0);
        lua_pushstring(L, record->wrong);
        return 2;
    }
    lua_pushinteger(L, (lua_Integer)records->at.line);
    if (record->wrong != NULL) {
        lua_pushnil(L);
        lua_pushfstring(L, "%s at byte %d", record->wrong, (int)record->wrong_at + 1);
        return 3;
    }
    lua_createtable(L, (int)record->count, 0);
    for (size_t i = 0; i < record->count; i++) {
        push_piece(L, &record->pieces[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 2;
}

/* text(records) → that of the record that next answered */
static int raw_text(lua_State *L)
{
    const wb_refusal *at = &check_records(L)->at;
    lua_pushlstring(L, at->text, at->bytes);
    return 1;
}

static int kind_of(const char *name)
{
    for (int kind = WB_PIECE_NULL; kind <= WB_PIECE_JSON; kind++)
        if (strcmp(kind_names[kind], name) == 0)
            return kind;
    return WB_PIECE_FIELD;
}

/* fits(kind, text, type) → can a column of that type keep such a piece exactly? */
static int raw_fits(lua_State *L)
{
    size_t bytes, type_bytes, written;
    int kind = kind_of(luaL_checkstring(L, 1));
    const char *text = luaL_checklstring(L, 2, &bytes),
               *type = luaL_checklstring(L, 3, &type_bytes);
    const wb_column column = {.name = "", .type = wb_type_find(type, type_bytes)};
    const wb_piece piece = {.kind = kind, .text = text, .bytes = (uint32_t)bytes};
    wb_value_room room = {.exact = true};
    wb_value value;
    bool fits = false;
    luaL_argcheck(L, column.type >= 0, 3, "no type of this library");
    if (wb_piece_value(&column, &piece, &room, &value, NULL) == WB_OK) {
        uint8_t *field = wb_alloc(sizeof(uint32_t) + WB_FIELD_SLACK + bytes + room.texts.bytes);
        fits = field != NULL && wb_field_encode(&column, &value, field, &written, NULL) == WB_OK;
        wb_free(field);
    }
    wb_value_room_fini(&room);
    lua_pushboolean(L, fits);
    return 1;
}

static int records_gc(lua_State *L)
{
    wb_records_fini(check_records(L));
    return 0;
}

void lwb_raw_records(lua_State *L)
{
    static const luaL_Reg functions[] = {{"records", raw_records}, {"give", raw_give},
                                         {"next", raw_next},       {"fits", raw_fits},
                                         {"text", raw_text},       {NULL, NULL}};
    lwb_setfuncs(L, functions);
}

void lwb_open_records(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", records_gc}, {NULL, NULL}};
    lwb_class(L, &lwb_records_kind, (const luaL_Reg[]){{NULL, NULL}}, meta);
}
