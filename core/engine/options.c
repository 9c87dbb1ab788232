/* SPDX-License-Identifier: MIT
 * The defaults of a batcher's and a tracker's options, and their checks: what options.def says, and besides what
 * must be given and what must fit together. Pure functions. A member whose type is not the one that the list says
 * does not compile. */
#include "engine/options.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/err.h"
#include "rows/key.h"
#include "rows/schema.h"
#include "rows/upsert.h"
#include "stores/store.h"

/* ---- the lists ---- */

static const char *const overflow_names[] = {
    [WB_OVERFLOW_REJECT] = "reject",
    [WB_OVERFLOW_BLOCK] = "block",
    [WB_OVERFLOW_DROP_OLDEST] = "drop_oldest",
    [WB_OVERFLOW_DROP_NEWEST] = "drop_newest",
};
static const char *const spool_durability_names[] = {
    [WB_DURABLE_PROCESS] = "process", [WB_DURABLE_MACHINE] = "machine"};
static const char *const spool_on_error_names[] = {
    [WB_SPOOL_MEMORY] = "memory", [WB_SPOOL_REJECT] = "reject"};
static const char *const dedupe_names[] = {
    [WB_DEDUPE_NONE] = "none", [WB_DEDUPE_COLUMN] = "column", [WB_DEDUPE_LEDGER] = "ledger"};
static const char *const unit_names[] = {
    [WB_UNIT_S] = "s", [WB_UNIT_MS] = "ms", [WB_UNIT_US] = "us"};

typedef uint64_t type_COUNT, type_LIMIT;
typedef uint32_t type_TRIES;
typedef double type_SHARE;
typedef int64_t type_TIME;
typedef int32_t type_CHOICE, type_INDEX;
typedef bool type_FLAG;

#define NAMES_CHOICE(member) member##_names
#define NAMES_COUNT(member)  NULL
#define NAMES_LIMIT(member)  NULL
#define NAMES_TRIES(member)  NULL
#define NAMES_SHARE(member)  NULL
#define NAMES_TIME(member)   NULL
#define NAMES_INDEX(member)  NULL
#define NAMES_FLAG(member)   NULL

enum { change_FIXED = false, change_LIVE = true };

#define ENTRY(struct, change, kind, text, member, measure, start, from, to)                        \
    {.name = text,                                                                                 \
     .unit = measure,                                                                              \
     .choices = NAMES_##kind(member),                                                              \
     .offset = _Generic(((struct *)0)->member, type_##kind                                         \
                        : offsetof(struct, member)),                                               \
     .live = change_##change,                                                                      \
     .type = WB_OPTION_##kind,                                                                     \
     .initial = start,                                                                             \
     .least = from,                                                                                \
     .most = to},

#define BATCHER(...) ENTRY(wb_batcher_options, __VA_ARGS__)
#define TRACKER(...)
#define EACH BATCHER
const wb_option wb_batcher_option_list[] = {
#include <writebehind/options.def>
    {.name = NULL}};
#undef BATCHER
#undef TRACKER
#undef EACH

#define BATCHER(...)
#define TRACKER(...) ENTRY(wb_tracker_options, __VA_ARGS__)
#define EACH         TRACKER
const wb_option wb_tracker_option_list[] = {
#include <writebehind/options.def>
    {.name = NULL}};

/* ---- one option ---- */

void wb_option_set(const wb_option *option, void *options, double value)
{
    const double largest = (double)WB_NO_LIMIT;
    void *member = (char *)options + option->offset;
    switch (option->type) {
    case WB_OPTION_COUNT:
    case WB_OPTION_LIMIT:
        *(uint64_t *)member = (uint64_t)(value >= 0 && value < largest ? value : largest);
        break;
    case WB_OPTION_TRIES:
        *(uint32_t *)member = value >= 0 && value <= UINT32_MAX ? (uint32_t)value : 0;
        break;
    case WB_OPTION_SHARE:
        *(double *)member = value;
        break;
    case WB_OPTION_TIME:
        *(int64_t *)member = (int64_t)llround(value);
        break;
    case WB_OPTION_FLAG:
        *(bool *)member = value != 0;
        break;
    default:
        *(int32_t *)member = (int32_t)value;
    }
}

static double value_of(const wb_option *option, const void *options)
{
    const void *member = (const char *)options + option->offset;
    switch (option->type) {
    case WB_OPTION_COUNT:
    case WB_OPTION_LIMIT:
        return (double)*(const uint64_t *)member;
    case WB_OPTION_TRIES:
        return *(const uint32_t *)member != 0 ? *(const uint32_t *)member : INFINITY;
    case WB_OPTION_SHARE:
        return *(const double *)member;
    case WB_OPTION_TIME:
        return (double)*(const int64_t *)member;
    case WB_OPTION_FLAG:
        return *(const bool *)member;
    default:
        return *(const int32_t *)member;
    }
}

/* Says what an option must be. */
static int refuse(const wb_option *option, wb_err *err)
{
    const char *name = option->name;
    switch (option->type) {
    case WB_OPTION_CHOICE:
        return wb_fail(err, WB_MISUSE, "%s: unknown", name);
    case WB_OPTION_SHARE:
        return wb_fail(err, WB_MISUSE, "%s: must be above %g and at most %g", name, option->least,
                       option->most);
    case WB_OPTION_TIME:
        return wb_fail(err, WB_MISUSE,
                       option->least > 0 ? "%s: must be above 0" : "%s: must not be below 0", name);
    default:
        if (isinf(option->most))
            return wb_fail(err, WB_MISUSE, "%s: must be %g or more", name, option->least);
        return wb_fail(err, WB_MISUSE, "%s: must be from %g to 2^%d", name, option->least,
                       ilogb(option->most));
    }
}

static int check_ranges(const wb_option *list, const void *options, wb_err *err)
{
    for (const wb_option *option = list; option->name != NULL; option++) {
        double value = value_of(option, options);
        bool above =
            option->type == WB_OPTION_SHARE ? value > option->least : value >= option->least;
        if (!(above && value <= option->most))
            return refuse(option, err);
    }
    return WB_OK;
}

static void set_defaults(const wb_option *list, void *options)
{
    for (const wb_option *option = list; option->name != NULL; option++)
        wb_option_set(option, options, option->initial);
}

/* ---- together ---- */

static int check_given(const char *name, const char *what, wb_err *err)
{
    if (name == NULL || name[0] == '\0')
        return wb_fail(err, WB_MISUSE, "%s: is required", what);
    return WB_OK;
}

static int check_table_name(const char *table, wb_err *err)
{
    int code = check_given(table, "table", err);
    if (code == WB_OK && strlen(table) > WB_TABLE_BYTES)
        return wb_fail(err, WB_MISUSE, "table: must have up to %d bytes, has %zu", WB_TABLE_BYTES,
                       strlen(table));
    return code;
}

static int check_name(const char *name, wb_err *err)
{
    return name == NULL ? WB_OK : check_given(name, "name", err);
}

static int check_retry(const wb_retry *retry, wb_err *err)
{
    if (retry->max_us < retry->initial_us)
        return wb_fail(err, WB_MISUSE, "retry.max: must not be below retry.initial");
    return WB_OK;
}

static int check_upsert(const wb_batcher_options *options, wb_err *err)
{
    const wb_upsert *upsert = options->upsert;
    if (upsert == NULL)
        return WB_OK;
    int code = wb_upsert_check(upsert, options->schema, err);
    if (code != WB_OK)
        return code;
    if (options->dedupe == WB_DEDUPE_COLUMN && options->dedupe_column >= 0)
        return wb_fail(err, WB_MISUSE,
                       "dedupe: a row of an upsert is known by its key: leave the column out");
    if (options->dedupe == WB_DEDUPE_COLUMN && !wb_upsert_repeats(upsert, options->schema))
        return wb_fail(err, WB_MISUSE,
                       "upsert: a sum or an expression counts twice where a write is repeated: "
                       "say dedupe = \"ledger\", or \"none\" if that does not matter");
    return WB_OK;
}

static int check_coalesce(const wb_batcher_options *options, wb_err *err)
{
    return options->coalesce != NULL ? wb_coalesce_check(options->coalesce, options->schema, err)
                                     : WB_OK;
}

/* A script decides itself what a row becomes. */
static int check_store_takes(const wb_batcher_options *options, wb_err *err)
{
    const wb_store_class *class = options->store != NULL ? options->store->class : NULL;
    if (options->dedupe == WB_DEDUPE_LEDGER && (class == NULL || !class->ledger))
        return wb_fail(err, WB_MISUSE,
                       "dedupe: %s%s keeps no ledger: a PostgreSQL or SQLite store does",
                       class != NULL ? "a store of the kind " : "who delivers by hand",
                       class != NULL ? class->kind : "");
    if (options->upsert != NULL && (class == NULL || !class->upserts))
        return wb_fail(err, WB_MISUSE, "upsert: %s%s makes none: a PostgreSQL or SQLite store does",
                       class != NULL ? "a store of the kind " : "who delivers by hand",
                       class != NULL ? class->kind : "");
    return WB_OK;
}

static int check_dedupe(const wb_batcher_options *options, wb_err *err)
{
    if (options->dedupe != WB_DEDUPE_COLUMN || options->dedupe_column < 0)
        return WB_OK;
    size_t index = (size_t)options->dedupe_column;
    if (index >= wb_schema_count(options->schema) ||
        wb_schema_column(options->schema, index)->generate == WB_GIVEN)
        return wb_fail(err, WB_MISUSE, "dedupe: must name a generated uuid column of the schema");
    return WB_OK;
}

static int check_ids(const wb_batcher_options *options, wb_err *err)
{
    if (options->ids && wb_schema_generated(options->schema) < 0)
        return wb_fail(err, WB_MISUSE, "ids: the schema has no generated column");
    return WB_OK;
}

static bool is_same_text(const char *one, const char *other)
{
    return one == other || (one != NULL && other != NULL && strcmp(one, other) == 0);
}

static int refuse_change(const char *name, wb_err *err)
{
    return wb_fail(err, WB_MISUSE, "%s: can't change while the batcher runs", name);
}

static int check_unlisted(const wb_batcher_options *now, const wb_batcher_options *wanted,
                          wb_err *err)
{
    if (wanted->store != now->store)
        return refuse_change("store", err);
    if (wanted->schema != now->schema)
        return refuse_change("schema", err);
    if (wanted->clock != now->clock)
        return refuse_change("clock", err);
    if (wanted->policy != now->policy)
        return refuse_change("policy", err);
    if (wanted->upsert != now->upsert)
        return refuse_change("upsert", err);
    if (wanted->coalesce != now->coalesce)
        return refuse_change("coalesce", err);
    if (!is_same_text(wanted->table, now->table))
        return refuse_change("table", err);
    if (!is_same_text(wanted->spool_path, now->spool_path))
        return refuse_change("spool.path", err);
    if (!is_same_text(wanted->name, now->name))
        return refuse_change("name", err);
    return is_same_text(wanted->dead_path, now->dead_path) ? WB_OK
                                                           : refuse_change("dead_path", err);
}

int wb_batcher_options_check_change(const wb_batcher_options *now, const wb_batcher_options *wanted,
                                    wb_err *err)
{
    int code = check_unlisted(now, wanted, err);
    for (const wb_option *option = wb_batcher_option_list; code == WB_OK && option->name != NULL;
         option++) {
        if (!option->live && value_of(option, wanted) != value_of(option, now))
            code = refuse_change(option->name, err);
    }
    return code == WB_OK ? wb_batcher_options_check(wanted, err) : code;
}

/* ---- batcher ---- */

void wb_batcher_options_init(wb_batcher_options *options)
{
    *options = (wb_batcher_options){0};
    set_defaults(wb_batcher_option_list, options);
}

int wb_batcher_options_check(const wb_batcher_options *options, wb_err *err)
{
    if (options->schema == NULL)
        return wb_fail(err, WB_MISUSE, "schema: is required");
    int code = check_table_name(options->table, err);
    if (code == WB_OK)
        code = check_name(options->name, err);
    if (code == WB_OK)
        code = check_ranges(wb_batcher_option_list, options, err);
    if (code == WB_OK)
        code = check_retry(&options->retry, err);
    if (code == WB_OK)
        code = check_ids(options, err);
    if (code == WB_OK)
        code = check_dedupe(options, err);
    if (code == WB_OK)
        code = check_store_takes(options, err);
    if (code == WB_OK)
        code = check_upsert(options, err);
    return code == WB_OK ? check_coalesce(options, err) : code;
}

/* ---- tracker ---- */

void wb_tracker_options_init(wb_tracker_options *options)
{
    *options = (wb_tracker_options){
        .key = "id",
        .key_type = WB_TYPE_UUID,
        .column = "last_used_at",
        .column_type = WB_TYPE_TIMESTAMPTZ,
    };
    set_defaults(wb_tracker_option_list, options);
}

static int check_key(const wb_tracker_options *options, wb_err *err)
{
    int code = check_given(options->key, "key", err);
    if (code == WB_OK && !wb_key_may_be(options->key_type))
        return wb_fail(err, WB_MISUSE, "key: must be of type uuid, int4, int8 or text");
    return code;
}

static int check_column(const wb_tracker_options *options, wb_err *err)
{
    int code = check_given(options->column, "column", err);
    if (code == WB_OK && wb_unit_us(options->column_type, WB_UNIT_S) == 0)
        return wb_fail(err, WB_MISUSE,
                       "column: must be of type timestamptz, timestamp, date or int8");
    return code;
}

static bool is_scripted(const wb_tracker_options *options)
{
    return options->store == NULL || options->store->class->scripted;
}

/* Only a native store has a table to name. */
static int check_table(const wb_tracker_options *options, wb_err *err)
{
    return is_scripted(options) && options->table == NULL ? WB_OK
                                                          : check_table_name(options->table, err);
}

int wb_tracker_options_check(const wb_tracker_options *options, wb_err *err)
{
    int code = check_table(options, err);
    if (code == WB_OK)
        code = check_name(options->name, err);
    if (code == WB_OK)
        code = check_key(options, err);
    if (code == WB_OK)
        code = check_column(options, err);
    if (code == WB_OK && options->insert && is_scripted(options))
        return wb_fail(err, WB_MISUSE, "insert: a script makes its rows itself");
    if (code == WB_OK && options->store != NULL && options->store->class->touch == NULL)
        return wb_fail(err, WB_MISUSE, "store: a %s store has rows, and no times to move",
                       options->store->class->kind);
    if (code == WB_OK)
        code = check_ranges(wb_tracker_option_list, options, err);
    return code == WB_OK ? check_retry(&options->retry, err) : code;
}
