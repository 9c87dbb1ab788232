/* SPDX-License-Identifier: MIT
 * Statistics and hook events as Lua tables. Reads plain structs, so only a lack of memory raises. */
#include <string.h>

#include "lua/base/pipeline.h"

static void set_count(lua_State *L, const char *name, uint64_t count)
{
    lwb_push_int64(L, (int64_t)count);
    lua_setfield(L, -2, name);
}

static void set_number(lua_State *L, const char *name, double number)
{
    lua_pushnumber(L, number);
    lua_setfield(L, -2, name);
}

static void set_text(lua_State *L, const char *name, const char *text)
{
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

static void set_latency(lua_State *L, const char *name, const wb_latency *latency)
{
    lua_createtable(L, 0, 6);
    set_number(L, "p50", latency->p50_s);
    set_number(L, "p90", latency->p90_s);
    set_number(L, "p99", latency->p99_s);
    set_number(L, "p999", latency->p999_s);
    set_number(L, "max", latency->max_s);
    set_count(L, "count", latency->count);
    lua_setfield(L, -2, name);
}

void lwb_push_last(lua_State *L, const wb_last *last)
{
    if (last->rows > 0)
        lwb_push_int64(L, (int64_t)last->rows);
    else
        lua_pushnil(L);
    lwb_push_seconds(L, last->elapsed_us);
    lua_pushboolean(L, last->ok);
}

void lwb_push_stats(lua_State *L, const wb_stats *stats)
{
    lua_createtable(L, 0, 24);
#define X(field, text) set_count(L, #field, stats->field);
#include <writebehind/metrics.def>
#undef X
    set_count(L, "marked", stats->accepted);
    set_text(L, "health", wb_health_name(stats->health));
    if (stats->last_error[0] != '\0')
        set_text(L, "last_error", stats->last_error);
    set_latency(L, "latency", &stats->latency);
    set_latency(L, "write", &stats->write);
}

/* { [table] = { pending =, consecutive_failures = [, last_error =] } } */
void lwb_push_tables(lua_State *L, const wb_table_stats *tables, size_t count)
{
    lua_createtable(L, 0, (int)count);
    for (size_t i = 0; i < count; i++) {
        lua_createtable(L, 0, 3);
        set_count(L, "pending", tables[i].pending);
        set_count(L, "consecutive_failures", tables[i].consecutive_failures);
        if (tables[i].last_error[0] != '\0')
            set_text(L, "last_error", tables[i].last_error);
        lua_setfield(L, -2, tables[i].table);
    }
}

static void set_failure(lua_State *L, const wb_event *event)
{
    if (event->code == WB_OK)
        return;
    set_text(L, "code", wb_code_name(event->code));
    set_text(L, "class", lwb_class_names[event->error_class]);
    set_text(L, "error", event->text);
}

/* What the object is called, and a table, unless a script alone knows it. */
static void set_names(lua_State *L, const wb_event *event)
{
    set_text(L, "name", event->name);
    if (event->table[0] != '\0')
        set_text(L, "table", event->table);
}

/* Of a batch's write: id, bytes [, ids] */
static void set_batch(lua_State *L, const wb_event *event)
{
    static const uint8_t none[sizeof event->id];
    if (memcmp(event->id, none, sizeof none) == 0)
        return;
    lwb_push_uuid(L, event->id);
    lua_setfield(L, -2, "id");
    set_count(L, "bytes", event->bytes);
    if (event->ids == NULL)
        return;
    lua_createtable(L, (int)event->rows, 0);
    for (int i = 0; i < (int)event->rows; i++) {
        lwb_push_uuid(L, event->ids + (size_t)i * 16);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "ids");
}

void lwb_event_told(lwb_pipeline *pipeline)
{
    wb_free(pipeline->ids);
    pipeline->ids = NULL;
}

/* "flush", { ok, rows, reason, attempt, elapsed, name [, table] [, id, bytes [, ids]] [, code, class, error] } */
static int push_flush(lua_State *L, const wb_event *event)
{
    lua_pushliteral(L, "flush");
    lua_createtable(L, 0, 13);
    lua_pushboolean(L, event->code == WB_OK);
    lua_setfield(L, -2, "ok");
    set_count(L, "rows", event->rows);
    set_count(L, "attempt", event->attempt);
    set_number(L, "elapsed", event->elapsed_s);
    set_text(L, "reason", wb_reason_name(event->reason));
    set_names(L, event);
    set_batch(L, event);
    set_failure(L, event);
    return 2;
}

/* "log", level, message, { rows, suppressed, name [, table] } */
static int push_log(lua_State *L, const wb_event *event)
{
    lua_pushliteral(L, "log");
    lua_pushstring(L, wb_level_name(event->level));
    lua_pushstring(L, event->text);
    lua_createtable(L, 0, 4);
    set_count(L, "rows", event->rows);
    set_count(L, "suppressed", event->suppressed);
    set_names(L, event);
    return 4;
}

int lwb_push_event(lua_State *L, const wb_event *event)
{
    return event->kind == WB_EVENT_FLUSH ? push_flush(L, event) : push_log(L, event);
}
