/* SPDX-License-Identifier: MIT
 * The options of a reader, which Lua has checked, as the core has them. */
#include <string.h>

#include "lua/objects/reader_options.h"

/* The string field of a table, anchored there; NULL where it is nil. */
static const char *text_field(lua_State *L, int index, const char *name)
{
    lua_getfield(L, index, name);
    const char *text = lua_tostring(L, -1);
    lua_pop(L, 1);
    return text;
}

/* The list of strings in a field as pointers up to a NULL, which stay on the stack; NULL where it is nil. */
static const char *const *list_field(lua_State *L, int index, const char *name)
{
    lua_getfield(L, index, name);
    if (!lua_istable(L, -1))
        return NULL;
    int list = lua_gettop(L), count = (int)lwb_rawlen(L, list);
    const char **texts = lua_newuserdata(L, ((size_t)count + 1) * sizeof *texts);
    for (int i = 0; i < count; i++) {
        lua_rawgeti(L, list, i + 1);
        texts[i] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    texts[count] = NULL;
    return texts;
}

static double number_field(lua_State *L, int index, const char *name)
{
    lua_getfield(L, index, name);
    double number = lua_tonumber(L, -1);
    lua_pop(L, 1);
    return number;
}

void lwb_reader_options(lua_State *L, int index, wb_reader_options *out)
{
    wb_reader_options_init(out);
    const char *format = text_field(L, index, "format"), *comment = text_field(L, index, "comment");
    const char *delimiter = text_field(L, index, "delimiter");
    out->format = wb_format_find(format, strlen(format));
    out->delimiter = delimiter != NULL ? *delimiter : '\0';
    out->comment = comment != NULL ? *comment : '\0';
    out->null = text_field(L, index, "null");
    out->skip = (uint64_t)number_field(L, index, "skip");
    out->max_record_bytes = (size_t)number_field(L, index, "max_record_bytes");
    lwb_field_bool(L, index, "ignore_unknown", &out->ignore_unknown);
    lwb_field_bool(L, index, "exact", &out->exact);
    out->header = list_field(L, index, "header");
    out->map = list_field(L, index, "map");
}
