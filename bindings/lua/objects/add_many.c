/* SPDX-License-Identifier: MIT
 * Adding a list of rows. Usual rows are encoded into a chunk on the C stack, and a chunk's rows are added under one taking of
 * the lock, which so is never held for long. Any other row is added alone, after those before it: so rows keep their order.
 * Invariant: no Lua code runs while rows are in the chunk, but for a table's JSON; an error of it is the row's. */
#include <string.h>

#include "engine/batcher.h"
#include "lua/base/pipeline.h"

enum { BATCHER = 1, ROWS, PROGRESS, TOP = PROGRESS };
/* Of the list PROGRESS: rows that are done; of them, accepted; rows that there are; whether to go on though work is due. */
enum { DONE = 1, ACCEPTED, COUNT, GOES_ON };

enum { CHUNK_ROWS = 64, CHUNK_BYTES = 16384 };

typedef struct chunk {
    lwb_pipeline *pipeline;
    int done, accepted, count; /* as in PROGRESS; `done` without the rows that are in here */
    bool stops;                /* where work is due */
    bool due;
    size_t rows, bytes;
    wb_tuple tuples[CHUNK_ROWS];
    uint8_t memory[CHUNK_BYTES];
} chunk;

static int progress_get(lua_State *L, int key)
{
    lua_rawgeti(L, PROGRESS, key);
    int value = (int)lua_tonumber(L, -1);
    lua_pop(L, 1);
    return value;
}

static void progress_set(lua_State *L, int key, int value)
{
    lua_pushinteger(L, value);
    lua_rawseti(L, PROGRESS, key);
}

static void begin(lua_State *L, chunk *to, lwb_pipeline *pipeline)
{
    to->pipeline = pipeline;
    to->done = progress_get(L, DONE);
    to->accepted = progress_get(L, ACCEPTED);
    to->count = progress_get(L, COUNT);
    lua_rawgeti(L, PROGRESS, GOES_ON);
    to->stops = pipeline->driven && !lua_toboolean(L, -1);
    lua_pop(L, 1);
    to->due = false;
    to->rows = to->bytes = 0;
}

static void tell_progress(lua_State *L, const chunk *to)
{
    progress_set(L, DONE, to->done);
    progress_set(L, ACCEPTED, to->accepted);
}

/* Adds what is in the chunk, up to a row that is refused, or after which work is due. */
static int empty(lua_State *L, chunk *to, wb_err *err)
{
    size_t added = 0;
    int code = WB_OK;
    if (to->pipeline->core == NULL)
        lwb_batcher_check(L); /* what the encoder called has collected it */
    if (to->rows > 0)
        code = wb_batcher_add_tuples(to->pipeline->core, to->tuples, to->rows, &added,
                                     to->stops ? &to->due : NULL, err);
    to->done += (int)added;
    to->accepted += (int)added;
    to->rows = to->bytes = 0;
    return code;
}

/* Encodes the row at the top into the chunk. False: it is not a usual one, or too large for what is left. */
static bool put(lua_State *L, chunk *to)
{
    lwb_pipeline *pipeline = to->pipeline;
    uint8_t slots[LWB_PLAN_COLUMNS];
    lwb_given given = {.slots = slots};
    wb_tuple *tuple = &to->tuples[to->rows];
    if (!lwb_row_read(L, &pipeline->plan, TOP + 1, 0, slots) ||
        !lwb_row_encode(L, pipeline, &given, tuple) || tuple->bytes > CHUNK_BYTES - to->bytes)
        return false;
    tuple->at = memcpy(to->memory + to->bytes, tuple->at, tuple->bytes);
    to->bytes += tuple->bytes;
    to->rows++;
    return true;
}

/* Fills the chunk with the rows that follow. True: the next one does not get into it, and is at TOP + 1. */
static bool fill(lua_State *L, chunk *to)
{
    while (to->rows < CHUNK_ROWS && to->done + (int)to->rows < to->count) {
        lua_settop(L, TOP);
        lua_rawgeti(L, ROWS, to->done + (int)to->rows + 1);
        if (!lua_istable(L, TOP + 1)) { /* somebody has changed the list */
            to->count = to->done + (int)to->rows;
            progress_set(L, COUNT, to->count);
        } else if (!put(L, to)) {
            lua_settop(L, TOP + 1);
            return true;
        }
    }
    return false;
}

/* Adds the row at TOP + 1 as `add` does → its answer. */
static int add_alone(lua_State *L, chunk *to)
{
    lua_pushcfunction(L, lwb_batcher_add);
    lua_pushvalue(L, BATCHER);
    lua_pushvalue(L, TOP + 1);
    lua_call(L, 2, 3);
    if (!lua_toboolean(L, -3))
        return 3;
    to->done++;
    to->accepted++;
    to->due = lua_toboolean(L, -2) && to->stops;
    return 0;
}

static bool is_due(const lwb_pipeline *pipeline)
{
    return pipeline->driven &&
           wb_pipeline_next_due_us(pipeline->pipeline) <= wb_pipeline_now_us(pipeline->pipeline);
}

/* add_some(batcher, rows, progress) → as add, of the first row that is not done; true where all are. */
int lwb_batcher_add_some(lua_State *L)
{
    chunk to;
    wb_err err;
    lwb_pipeline *pipeline = lwb_batcher_check(L);
    luaL_checktype(L, ROWS, LUA_TTABLE);
    luaL_checktype(L, PROGRESS, LUA_TTABLE);
    luaL_checkstack(L, 8, "no memory");
    begin(L, &to, pipeline);
    while (to.done < to.count && !to.due) {
        bool alone = fill(L, &to);
        int code = empty(L, &to, &err), answers = 0;
        if (code == WB_OK && alone && !to.due)
            answers = add_alone(L, &to);
        tell_progress(L, &to);
        if (code != WB_OK)
            return lwb_add_answer(L, pipeline, code, &err, false);
        if (answers > 0)
            return answers;
    }
    lua_pushboolean(L, 1);
    lua_pushboolean(L, to.due || (!to.stops && is_due(pipeline)));
    return 2;
}

/* rows(list) → how many rows it has; or nil, the index of what is no table, and its type */
static int raw_rows(lua_State *L)
{
    int count = 0, type;
    luaL_checktype(L, 1, LUA_TTABLE);
    for (;; count++) {
        lua_rawgeti(L, 1, count + 1);
        type = lua_type(L, -1);
        lua_pop(L, 1);
        if (type != LUA_TTABLE)
            break;
    }
    if (type == LUA_TNIL) {
        lua_pushinteger(L, count);
        return 1;
    }
    lua_pushnil(L);
    lua_pushinteger(L, count + 1);
    lua_pushstring(L, lua_typename(L, type));
    return 3;
}

void lwb_raw_many(lua_State *L)
{
    lua_pushcfunction(L, raw_rows);
    lua_setfield(L, -2, "rows");
}
