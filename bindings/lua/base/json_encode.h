/* SPDX-License-Identifier: MIT
 * A Lua value as JSON text. A table is a list where its keys are 1 to n, and an object otherwise. An empty one is an
 * object unless its metatable is marked: it is in helpers.json_arrays, or says __jsontype = "array". Every number is
 * exact: a float is the shortest text that reads back as the same. */
#ifndef LWB_JSON_ENCODE_H
#define LWB_JSON_ENCODE_H

#include "lua/base/lwb.h"

enum lwb_json {
    LWB_JSON_DONE,    /* appended; surely JSON that jsonb takes */
    LWB_JSON_UNSURE,  /* appended; a string has bytes that are no UTF-8, or a NUL, as \u0000 */
    LWB_JSON_REFUSED, /* it is no JSON; pushed a message with the path */
    LWB_JSON_MEMORY,  /* as with any failed buffer */
};

/* Appends the text of the value at `index`, or nothing. Leaves the stack as it was but for the message. Calls no
 * metamethod of a table, and of an empty table's metatable none but __index, for __jsontype. Raises nothing, and Lua makes
 * no memory for it, but for those, the message, LuaJIT's 64-bit integers, and the stack that a deep table needs. */
int lwb_json_encode(lua_State *L, int index, wb_buffer *out);

#endif
