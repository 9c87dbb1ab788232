/* SPDX-License-Identifier: MIT
 * The memory store: the newest rows of each table, and a time for each id that was put there.
 * Invariant: a table's segments hold its newest rows, oldest first, and all but the first segment hold fewer than
 * keep_rows; so what is kept bounds the memory. All rows of a table have the columns of its first write.
 * Locks: one for all that a store holds, held for a copy. It is a monitor, on which nobody waits.
 * Fails: WB_HOLD where the columns differ from the first write's, WB_RETRY without memory. A write copies all rows or
 * none; a touch without memory for a row has made some. */
#include <string.h>

#include "base/env.h"
#include "base/sync.h"
#include "stores/memory/times.h"
#include "stores/store.h"

/* Smaller writes share a segment until it has so many rows. */
enum { SEGMENT_ROWS = 1024 };

typedef struct memory_table {
    struct memory_table *next;
    char *name;
    wb_schema *schema;     /* the first write's; NULL before it */
    wb_batch *head, *tail; /* segments, oldest first */
    size_t kept;           /* rows in them */
    uint64_t total;        /* rows ever written */
    wb_memory_times times; /* for put and touch */
} memory_table;

typedef struct memory_store {
    wb_store base;
    wb_monitor monitor;
    size_t keep_rows;
    memory_table *tables; /* freed with the store */
} memory_store;

typedef struct memory_session {
    wb_session base;
    memory_store *store; /* a reference */
    const wb_target *target;
} memory_session;

static int rows_keep(memory_store *store, memory_table *table, const wb_batch *batch);
static int schema_adopt(memory_table *table, wb_schema *schema, wb_err *err);

/* ---- tables ---- */

static memory_table *table_find(memory_store *store, const char *name)
{
    memory_table *table = store->tables;
    while (table != NULL && strcmp(table->name, name) != 0)
        table = table->next;
    return table;
}

static memory_table *table_make(memory_store *store, const char *name)
{
    memory_table *table = table_find(store, name);
    if (table != NULL)
        return table;
    table = wb_alloc_zeroed(sizeof *table);
    char *copy = wb_strdup(name);
    if (table == NULL || copy == NULL) {
        wb_free(table);
        wb_free(copy);
        return NULL;
    }
    table->name = copy;
    table->next = store->tables;
    store->tables = table;
    return table;
}

static void head_drop(memory_table *table)
{
    wb_batch *head = table->head;
    table->head = head->next;
    if (table->head == NULL)
        table->tail = NULL;
    table->kept -= wb_batch_left(head);
    wb_batch_free(head);
}

static void table_free(memory_table *table)
{
    while (table->head != NULL)
        head_drop(table);
    wb_schema_unref(table->schema);
    wb_memory_times_fini(&table->times);
    wb_free(table->name);
    wb_free(table);
}

static int no_table(const char *name, wb_err *err)
{
    return wb_fail_store(err, WB_HOLD, "table \"%s\": the memory store has no rows of it", name);
}

static int no_memory(const char *name, wb_err *err)
{
    return wb_fail_store(err, WB_RETRY, "table \"%s\": out of memory", name);
}

/* ---- rows ---- */

static int memory_write(wb_session *base, const wb_batch *batch, const wb_deadline *deadline,
                        wb_err *err)
{
    (void)deadline;
    memory_session *session = (memory_session *)base;
    memory_store *store = session->store;
    const char *name = wb_target_table(session->target, batch);

    wb_monitor_lock(&store->monitor);
    memory_table *table = table_make(store, name);
    int code = table == NULL ? no_memory(name, err) : schema_adopt(table, batch->schema, err);
    if (code == WB_OK && rows_keep(store, table, batch) != WB_OK)
        code = no_memory(name, err);
    wb_monitor_unlock(&store->monitor);
    return code;
}

static int columns_differ(const char *name, const wb_column *kept, const wb_column *given,
                          wb_err *err)
{
    const char *kept_type = wb_type_name(kept->type), *given_type = wb_type_name(given->type);
    if (strcmp(kept->name, given->name) != 0)
        return wb_fail_store(
            err, WB_HOLD,
            "table \"%s\": where it has column \"%s\" (%s), the schema has \"%s\" (%s)", name,
            kept->name, kept_type, given->name, given_type);
    if (kept->type != given->type)
        return wb_fail_store(err, WB_HOLD,
                             "table \"%s\": column \"%s\" is %s in the store, %s in the schema",
                             name, kept->name, kept_type, given_type);
    return WB_OK;
}

static int columns_compare(const memory_table *table, const wb_schema *schema, wb_err *err)
{
    size_t kept = table->schema->count, given = schema->count;
    for (size_t i = 0; i < kept && i < given; i++) {
        int code = columns_differ(table->name, &table->schema->columns[i].column,
                                  &schema->columns[i].column, err);
        if (code != WB_OK)
            return code;
    }
    if (kept == given)
        return WB_OK;
    const wb_schema *longer = kept > given ? table->schema : schema;
    const wb_column *extra = &longer->columns[kept < given ? kept : given].column;
    return wb_fail_store(err, WB_HOLD, "table \"%s\": column \"%s\" (%s) is in the %s alone",
                         table->name, extra->name, wb_type_name(extra->type),
                         kept > given ? "store" : "schema");
}

static int schema_adopt(memory_table *table, wb_schema *schema, wb_err *err)
{
    if (table->schema == schema)
        return WB_OK;
    if (table->schema != NULL)
        return columns_compare(table, schema, err);
    table->schema = wb_schema_ref(schema);
    return WB_OK;
}

static bool segment_append(wb_batch *segment, const wb_batch *batch, size_t from)
{
    return wb_batch_merge_run(segment, batch, from, wb_batch_left(batch) - from);
}

static bool segment_new(memory_table *table, const wb_batch *batch, size_t from)
{
    wb_batch *segment = wb_batch_new(table->schema);
    if (segment == NULL || !segment_append(segment, batch, from)) {
        wb_batch_free(segment);
        return false;
    }
    if (table->tail != NULL)
        table->tail->next = segment;
    else
        table->head = segment;
    table->tail = segment;
    return true;
}

/* Copies the newest rows of a batch; rows that would be dropped at once are passed over. */
static int rows_keep(memory_store *store, memory_table *table, const wb_batch *batch)
{
    size_t rows = wb_batch_left(batch);
    size_t copied = rows < store->keep_rows ? rows : store->keep_rows, from = rows - copied;
    wb_batch *tail = table->tail;
    bool joins = tail != NULL && wb_batch_left(tail) + copied <= SEGMENT_ROWS;
    if (copied > 0 && !(joins && segment_append(tail, batch, from)) &&
        !segment_new(table, batch, from))
        return WB_MEMORY;
    table->kept += copied;
    table->total += rows;
    while (table->head != NULL && table->kept - wb_batch_left(table->head) >= store->keep_rows)
        head_drop(table);
    return WB_OK;
}

/* The newest `keep` rows of a table, in one batch; NULL: no memory. */
static wb_batch *rows_copy(const memory_table *table, size_t keep)
{
    wb_batch *copy = wb_batch_new(table->schema);
    size_t surplus = table->kept > keep ? table->kept - keep : 0; /* of the head: the invariant */
    for (const wb_batch *segment = table->head; copy != NULL && segment != NULL;
         segment = segment->next) {
        if (!segment_append(copy, segment, surplus)) {
            wb_batch_free(copy);
            copy = NULL;
        }
        surplus = 0;
    }
    return copy;
}

/* ---- times ---- */

/* False: no memory for a row. */
static bool touch_one(memory_table *table, const wb_target *target, const wb_marks *marks, size_t i,
                      wb_touched *touched)
{
    const wb_key *key = &marks->marks[i].key;
    int64_t unit_us = target->unit_us;
    int64_t time_us = wb_unit_to_us(wb_marks_value(marks, i, unit_us), unit_us);
    wb_memory_time *row = wb_memory_times_find(&table->times, marks->key_type, key);
    bool makes = row == NULL && target->insert;
    bool moves = row != NULL && wb_unit_of_us(row->time_us, unit_us) <
                                    wb_marks_bound(marks, i, target->min_advance_us, unit_us);
    if (moves)
        row->time_us = time_us;
    touched->updated += moves || makes;
    touched->unmatched += row == NULL && !makes;
    return !makes || wb_memory_times_put(&table->times, marks->key_type, key, time_us);
}

static int memory_touch(wb_session *base, const wb_marks *marks, const wb_deadline *deadline,
                        wb_touched *out, wb_err *err)
{
    (void)deadline;
    memory_session *session = (memory_session *)base;
    const char *name = session->target->table;
    wb_touched touched = {0, 0};
    wb_monitor_lock(&session->store->monitor);
    memory_table *table = table_make(session->store, name);
    bool done = table != NULL;
    for (size_t i = 0; done && i < marks->count; i++)
        done = touch_one(table, session->target, marks, i, &touched);
    wb_monitor_unlock(&session->store->monitor);
    if (!done)
        return no_memory(name, err);
    *out = touched;
    return WB_OK;
}

/* ---- the class ---- */

static int memory_describe(wb_store *base, const char *name, wb_describing *describing,
                           const wb_deadline *deadline, wb_schema **out, wb_err *err)
{
    (void)deadline;
    (void)describing;
    memory_store *store = (memory_store *)base;
    wb_monitor_lock(&store->monitor);
    const memory_table *table = table_find(store, name);
    wb_schema *schema =
        table != NULL && table->schema != NULL ? wb_schema_ref(table->schema) : NULL;
    wb_monitor_unlock(&store->monitor);
    if (schema == NULL)
        return no_table(name, err);
    *out = schema;
    return WB_OK;
}

static wb_session *memory_session_new(wb_store *base, const wb_target *target)
{
    memory_session *session = wb_alloc_zeroed(sizeof *session);
    if (session == NULL)
        return NULL;
    session->base.class = base->class;
    session->store = (memory_store *)wb_store_ref(base);
    session->target = target;
    return &session->base;
}

static void memory_session_end(wb_session *base)
{
    memory_session *session = (memory_session *)base;
    wb_store_unref(&session->store->base);
    wb_free(session);
}

static void memory_free(wb_store *base)
{
    memory_store *store = (memory_store *)base;
    while (store->tables != NULL) {
        memory_table *table = store->tables;
        store->tables = table->next;
        table_free(table);
    }
    wb_monitor_fini(&store->monitor);
    wb_free(store);
}

static const wb_store_class memory_class = {
    .kind = "memory",
    .session = memory_session_new,
    .write = memory_write,
    .touch = memory_touch,
    .end = memory_session_end,
    .describe = memory_describe,
    .free = memory_free,
};

/* ---- the public functions ---- */

int wb_store_memory(size_t keep_rows, wb_store **out, wb_err *err)
{
    memory_store *store = wb_alloc_zeroed(sizeof *store);
    if (store == NULL)
        return wb_fail(err, WB_MEMORY, "memory store: out of memory");
    store->base.class = &memory_class;
    atomic_init(&store->base.references, 1);
    wb_monitor_init(&store->monitor);
    store->keep_rows = keep_rows;
    *out = &store->base;
    return WB_OK;
}

static memory_store *memory_of(wb_store *base, wb_err *err)
{
    if (base->class == &memory_class)
        return (memory_store *)base;
    wb_fail(err, WB_MISUSE, "store: it is a %s store, not a memory store", wb_store_kind(base));
    return NULL;
}

int wb_store_memory_rows(wb_store *base, const char *name, wb_batch **out, uint64_t *total,
                         wb_err *err)
{
    memory_store *store = memory_of(base, err);
    if (store == NULL)
        return WB_MISUSE;
    wb_monitor_lock(&store->monitor);
    const memory_table *table = table_find(store, name);
    bool known = table != NULL && table->schema != NULL;
    wb_batch *rows = known ? rows_copy(table, store->keep_rows) : NULL;
    uint64_t written = known ? table->total : 0;
    wb_monitor_unlock(&store->monitor);

    if (!known)
        return no_table(name, err);
    if (rows == NULL)
        return wb_fail(err, WB_MEMORY, "table \"%s\": no memory for its rows in one batch", name);
    *out = rows;
    if (total != NULL)
        *total = written;
    return WB_OK;
}

static int key_of(int type, const wb_value *id, wb_key *out, wb_err *err)
{
    const wb_column column = {.name = "id", .type = type};
    if (!wb_key_may_be(type))
        return wb_fail(err, WB_MISUSE, "key: must be of type uuid, int4, int8 or text");
    return wb_key_of(&column, id, out, err);
}

int64_t wb_store_memory_time_us(wb_store *base, const char *name, int key_type, const wb_value *id)
{
    wb_key key;
    memory_store *store = memory_of(base, NULL);
    if (store == NULL || key_of(key_type, id, &key, NULL) != WB_OK)
        return WB_NEVER;
    wb_monitor_lock(&store->monitor);
    const memory_table *table = table_find(store, name);
    const wb_memory_time *row =
        table == NULL ? NULL : wb_memory_times_find(&table->times, key_type, &key);
    int64_t time_us = row == NULL ? WB_NEVER : row->time_us;
    wb_monitor_unlock(&store->monitor);
    return time_us;
}

int wb_store_memory_put(wb_store *base, const char *name, int key_type, const wb_value *id,
                        int64_t unix_us, wb_err *err)
{
    wb_key key;
    memory_store *store = memory_of(base, err);
    int code = store == NULL ? WB_MISUSE : key_of(key_type, id, &key, err);
    if (code != WB_OK)
        return code;
    wb_monitor_lock(&store->monitor);
    memory_table *table = table_make(store, name);
    bool put = table != NULL && wb_memory_times_put(&table->times, key_type, &key, unix_us);
    wb_monitor_unlock(&store->monitor);
    return put ? WB_OK : wb_fail(err, WB_MEMORY, "table \"%s\": out of memory", name);
}
