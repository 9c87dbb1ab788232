/* SPDX-License-Identifier: MIT
 * What the tests of upserts to PostgreSQL share. */
#ifndef SPEC_UPSERT_SUPPORT_H
#define SPEC_UPSERT_SUPPORT_H

#include "support/postgres_support.h"
#include "rows/upsert.h"
#include "support/values.h"

static const int32_t first_column[] = {0};

/* A session that upserts by the first column. `merge` and the upsert itself stay where they are. */
static inline wb_session *upserter(fixture *f, const char *table, wb_schema *schema,
                                   const wb_upsert *upsert)
{
    wb_err err = {.code = WB_OK};
    int code = wb_upsert_check(upsert, schema, &err);
    assert_string_equal(err.text, "");
    assert_ok(code);
    wb_session *session = writer(f, table, schema);
    ((wb_pg_session *)session)->target.upsert = upsert;
    return session;
}

/* How many rows are superseded. */
static inline uint64_t upserted(wb_session *session, wb_schema *schema, const wb_value *values,
                                size_t rows)
{
    wb_err err;
    wb_batch *batch = batch_of(schema, values, rows);
    int code = write_until(session, batch, 30 * SECOND_US, &err);
    assert_string_equal(err.text, "");
    assert_ok(code);
    wb_batch_free(batch);
    return session->superseded;
}

static inline void not_upserted(wb_session *session, wb_schema *schema, const wb_value *values,
                                size_t rows, int class, const char *words)
{
    wb_err err;
    wb_batch *batch = batch_of(schema, values, rows);
    int code = write_until(session, batch, 30 * SECOND_US, &err);
    assert_failed(code, &err, class, words);
    assert_false(err.in_doubt);
    assert_int_equal(err.row, 0);
    wb_batch_free(batch);
}

#endif
