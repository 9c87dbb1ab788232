/* SPDX-License-Identifier: MIT
 * The memory store: the contract; what it keeps of the newest rows; failing allocations; opening by URL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/env.h"
#include "rows/types.h"
#include "support/touch_types.h"

static wb_store *store_of(size_t keep_rows)
{
    wb_store *store = NULL;
    assert_int_equal(wb_store_memory(keep_rows, &store, NULL), WB_OK);
    return store;
}

static wb_batch *probe_rows(void *context, const char *table, wb_schema *schema)
{
    (void)schema;
    wb_batch *rows = NULL;
    wb_err err;
    if (wb_store_memory_rows(context, table, &rows, NULL, &err) != WB_OK)
        fail_msg("%s", err.text);
    return rows;
}

/* Of the 16 bytes of a uuid. */
#define UUID(id) (&(wb_value){.kind = WB_TEXT, .bytes = 16, .text = (const char *)(id)})

static void probe_put(void *context, const uint8_t id[16], int64_t time_us)
{
    assert_int_equal(wb_store_memory_put(context, "spaces", WB_TYPE_UUID, UUID(id), time_us, NULL),
                     WB_OK);
}

static int64_t probe_time_us(void *context, const uint8_t id[16])
{
    return wb_store_memory_time_us(context, "spaces", WB_TYPE_UUID, UUID(id));
}

static void run_contract(void (*contract)(const store_probe *probe))
{
    wb_store *store = store_of(SIZE_MAX);
    store_probe probe = {
        .store = store,
        .context = store,
        .rows = probe_rows,
        .put = probe_put,
        .time_us = probe_time_us,
    };
    contract(&probe);
    wb_store_unref(store);
}

#define CONTRACT(name)                                                                             \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        run_contract(contract_##name);                                                             \
    }
CONTRACT(write_every_type)
CONTRACT(write_batches)
CONTRACT(write_tables)
CONTRACT(write_schema_held)
CONTRACT(describe)
CONTRACT(touch_forward)
CONTRACT(touch_exact)
CONTRACT(touch_min_advance)

/* ---- what is kept ---- */

/* Writes `count` rows, numbered from `from`, in batches of `size`. */
static void write_notes(wb_session *session, wb_schema *schema, unsigned from, unsigned count,
                        unsigned size)
{
    for (unsigned done = 0; done < count; done += size) {
        wb_batch *batch = contract_note_rows(schema, from + done, size);
        contract_write(session, batch);
        wb_batch_free(batch);
    }
}

static void check_kept(wb_store *store, wb_schema *schema, unsigned from, unsigned count,
                       uint64_t total)
{
    wb_batch *expected = contract_note_rows(schema, from, count), *kept = NULL;
    uint64_t written = 0;
    assert_int_equal(wb_store_memory_rows(store, "notes", &kept, &written, NULL), WB_OK);
    contract_same_rows(expected, kept);
    assert_int_equal(written, total);
    wb_batch_free(kept);
    wb_batch_free(expected);
}

static void check_keeping(size_t keep_rows, unsigned size, unsigned from, unsigned count)
{
    wb_store *store = store_of(keep_rows);
    wb_schema *schema = contract_notes();
    wb_target target = {.table = "notes", .schema = schema};
    wb_session *session = contract_session(store, &target);
    write_notes(session, schema, 0, 6000, size);
    check_kept(store, schema, from, count, 6000);
    session->class->end(session);
    wb_schema_unref(schema);
    wb_store_unref(store);
}

static void test_keeps_the_newest_rows(void **state)
{
    (void)state;
    check_keeping(SIZE_MAX, 100, 0, 6000);
    check_keeping(2500, 100, 3500, 2500);
    check_keeping(2500, 1, 3500, 2500);
    check_keeping(10, 3000, 5990, 10);
    check_keeping(1, 1, 5999, 1);
    check_keeping(0, 100, 0, 0);
}

static void test_tables_are_apart(void **state)
{
    (void)state;
    wb_store *store = store_of(SIZE_MAX);
    wb_schema *schema = contract_notes();
    wb_target target = {.table = "notes", .schema = schema};
    wb_target others = {.table = "others", .schema = schema};
    wb_session *session = contract_session(store, &target),
               *other = contract_session(store, &others);
    write_notes(session, schema, 0, 2, 1);
    write_notes(other, schema, 2, 1, 1);
    check_kept(store, schema, 0, 2, 2);
    session->class->end(session);
    other->class->end(other);
    wb_schema_unref(schema);
    wb_store_unref(store);
}

static void test_unknown_table_and_kind(void **state)
{
    (void)state;
    wb_store *store = store_of(SIZE_MAX), *file = NULL;
    wb_batch *rows = NULL;
    wb_err err = {0};
    uint8_t id[16];
    contract_id(1, id);
    assert_int_equal(wb_store_memory_rows(store, "notes", &rows, NULL, &err), WB_STORE);
    assert_string_equal(err.text, "table \"notes\": the memory store has no rows of it");
    assert_int_equal(wb_store_memory_time_us(store, "notes", WB_TYPE_UUID, UUID(id)), WB_NEVER);
    assert_int_equal(wb_store_sqlite("/tmp/never-made.db", false, &file, NULL), WB_OK);
    assert_int_equal(wb_store_memory_rows(file, "notes", &rows, NULL, &err), WB_MISUSE);
    assert_string_equal(err.text, "store: it is a sqlite store, not a memory store");
    assert_int_equal(wb_store_memory_put(file, "notes", WB_TYPE_UUID, UUID(id), 0, NULL),
                     WB_MISUSE);
    assert_int_equal(wb_store_memory_time_us(file, "notes", WB_TYPE_UUID, UUID(id)), WB_NEVER);
    assert_null(rows);
    wb_store_unref(file);
    wb_store_unref(store);
}

/* ---- keys and columns of every type ---- */

/* What a store keeps is never taken out: each combination has one of its own. */
static void typed_make(void *context, const tracked *t)
{
    touch_probe *probe = context;
    (void)t;
    wb_store_unref(probe->store);
    probe->store = store_of(0);
}

static wb_store *store_in(void *context)
{
    return ((touch_probe *)context)->store;
}

static void typed_put(void *context, const tracked *t, const wb_value *id, const wb_value *time)
{
    assert_int_equal(wb_store_memory_put(store_in(context), "spaces", t->key_type, id,
                                         time->i * t->unit_us, NULL),
                     WB_OK);
}

static void typed_get(void *context, const tracked *t, const wb_value *id, char out[TRACKED_TEXT])
{
    int64_t time_us = wb_store_memory_time_us(store_in(context), "spaces", t->key_type, id);
    wb_value time = {.kind = WB_INT, .i = time_us / t->unit_us};
    if (time_us == WB_NEVER)
        strcpy(out, "none");
    else
        out[wb_type_text(t->column_type, &time, out)] = '\0';
}

static void test_touch_types(void **state)
{
    (void)state;
    touch_probe probe = {
        .store = store_of(0), .make = typed_make, .put = typed_put, .get = typed_get};
    probe.context = &probe;
    contract_touch_types(&probe);
    wb_store_unref(probe.store);
}

static void test_wrong_ids(void **state)
{
    (void)state;
    wb_store *store = store_of(0);
    wb_err err;
    wb_value id = {.kind = WB_INT, .i = 5};
    assert_int_equal(wb_store_memory_put(store, "spaces", WB_TYPE_UUID, &id, 0, &err), WB_INVALID);
    assert_non_null(strstr(err.text, "column \"id\" (uuid) can't hold 5"));
    assert_int_equal(wb_store_memory_put(store, "spaces", WB_TYPE_BOOL, &id, 0, &err), WB_MISUSE);
    assert_int_equal(wb_store_memory_time_us(store, "spaces", WB_TYPE_TEXT, &id), WB_NEVER);
    wb_store_unref(store);
}

static void test_many_times(void **state)
{
    (void)state;
    wb_store *store = store_of(0);
    uint8_t id[16];
    for (unsigned i = 0; i < 5000; i++) {
        contract_id(i * 7, id);
        assert_int_equal(wb_store_memory_put(store, "spaces", WB_TYPE_UUID, UUID(id), i, NULL),
                         WB_OK);
    }
    contract_id(7, id);
    assert_int_equal(wb_store_memory_put(store, "spaces", WB_TYPE_UUID, UUID(id), -5, NULL), WB_OK);
    assert_int_equal(wb_store_memory_time_us(store, "spaces", WB_TYPE_UUID, UUID(id)), -5);
    contract_id(4999 * 7, id);
    assert_int_equal(wb_store_memory_time_us(store, "spaces", WB_TYPE_UUID, UUID(id)), 4999);
    contract_id(4999 * 7 + 1, id);
    assert_int_equal(wb_store_memory_time_us(store, "spaces", WB_TYPE_UUID, UUID(id)), WB_NEVER);
    wb_store_unref(store);
}

/* ---- without memory ---- */

/* Every allocation of a write fails once: all of its rows are in afterwards, or none. */
static void test_write_without_memory(void **state)
{
    (void)state;
    wb_schema *schema = contract_notes();
    wb_target target = {.table = "notes", .schema = schema};
    wb_batch *batch = contract_note_rows(schema, 0, 600),
             *more = contract_note_rows(schema, 600, 600);
    unsigned failures = 0;
    for (size_t n = 1; n < 20; n++) {
        wb_store *store = store_of(SIZE_MAX);
        wb_session *session = contract_session(store, &target);
        contract_write(session, batch);
        wb_deadline deadline = contract_until(1000);
        wb_err err;
        wb_alloc_fail_after(n);
        int code = session->class->write(session, more, &deadline, &err);
        wb_alloc_fail_after(0);
        failures += code != WB_OK;
        if (code != WB_OK) {
            assert_int_equal(err.error_class, WB_RETRY);
            check_kept(store, schema, 0, 600, 600);
            contract_write(session, more);
        }
        check_kept(store, schema, 0, 1200, 1200);
        session->class->end(session);
        wb_store_unref(store);
    }
    assert_in_range(failures, 2, 18);
    wb_batch_free(more);
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

/* ---- opening ---- */

static void url_refused(const char *url, const char *text)
{
    wb_store *store = NULL;
    wb_err err = {0};
    assert_int_equal(wb_store_open(url, true, &store, &err), WB_INVALID);
    assert_null(store);
    assert_string_equal(err.text, text);
}

static void test_open_by_url(void **state)
{
    (void)state;
    wb_store *store = NULL;
    assert_int_equal(wb_store_open("memory:", false, &store, NULL), WB_OK);
    assert_string_equal(wb_store_kind(store), "memory");
    assert_ptr_equal(wb_store_ref(store), store);
    wb_store_unref(store);
    wb_store_unref(store);
    wb_store_unref(NULL);
    assert_int_equal(wb_store_open("sqlite:some.db", false, &store, NULL), WB_OK);
    assert_string_equal(wb_store_kind(store), "sqlite");
    wb_store_unref(store);
    assert_int_equal(wb_store_open("sqlite:///tmp/some.db", false, &store, NULL), WB_OK);
    wb_store_unref(store);
}

static void test_refused_urls(void **state)
{
    (void)state;
    url_refused("mysql://user:secret@host/db",
                "store URL: there is no store for the scheme \"mysql\"; known are postgresql://, "
                "sqlite:PATH, nats://HOST:PORT/STREAM and memory:");
    url_refused("stats.db", "store URL: it has no scheme; known are postgresql://, sqlite:PATH, "
                            "nats://HOST:PORT/STREAM and memory:");
    url_refused("postgresql:/host",
                "store URL: there is no store for the scheme \"postgresql\"; known are "
                "postgresql://, sqlite:PATH, nats://HOST:PORT/STREAM and memory:");
    url_refused("memory:rows", "store URL: \"memory:\" takes nothing after it");
    url_refused(
        "sqlite://host/some.db",
        "store URL \"sqlite://host/some.db\": a host has no place in it, write sqlite:PATH");
    url_refused("sqlite:", "sqlite store: the path is empty");
    url_refused("sqlite::memory:", "sqlite store: \":memory:\" would be another database in every "
                                   "session; give a file, or use "
                                   "the memory store");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_every_type),
        cmocka_unit_test(test_write_batches),
        cmocka_unit_test(test_write_tables),
        cmocka_unit_test(test_write_schema_held),
        cmocka_unit_test(test_describe),
        cmocka_unit_test(test_touch_forward),
        cmocka_unit_test(test_touch_exact),
        cmocka_unit_test(test_touch_min_advance),
        cmocka_unit_test(test_keeps_the_newest_rows),
        cmocka_unit_test(test_tables_are_apart),
        cmocka_unit_test(test_unknown_table_and_kind),
        cmocka_unit_test(test_touch_types),
        cmocka_unit_test(test_wrong_ids),
        cmocka_unit_test(test_many_times),
        cmocka_unit_test(test_write_without_memory),
        cmocka_unit_test(test_open_by_url),
        cmocka_unit_test(test_refused_urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
