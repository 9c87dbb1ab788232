/* SPDX-License-Identifier: MIT
 * The text of the statements that write a batch: the table's lock, the question what the table looks like, the COPY. All
 * names are quoted. Pure: no connection, no locks; only the buffer fails. */
#include "stores/postgres/postgres.h"

#include "rows/shape.h"

/* How long a COPY may wait for rows that another transaction has locked; of the write's timeout. */
enum { ROW_LOCK_PERCENT = 60 };

/* The columns that a shape gives; without one, all. */
static void put_columns(wb_buffer *sql, const wb_schema *schema, const uint64_t *shape)
{
    const char *before = "";
    for (size_t i = 0; i < schema->count; i++) {
        if (shape != NULL && !wb_shape_gives(schema, shape, i))
            continue;
        wb_buffer_put_text(sql, before);
        wb_put_name(sql, schema->columns[i].column.name);
        before = ", ";
    }
}

/* LOCK TABLE wants a right to the whole table, and no foreign table. Where it is refused, EXPLAIN takes the same lock,
 * with the rights that COPY needs; it runs nothing. */
static void put_lock(wb_buffer *sql, const wb_pg_session *session, const uint64_t *shape)
{
    const PGresult *columns = wb_pg_table_now(session)->columns;
    const char *table = PQgetvalue(columns, 0, WB_PG_FULL);
    if (wb_pg_true(columns, 0, WB_PG_LOCKABLE)) {
        wb_buffer_printf(sql, "LOCK TABLE ONLY %s IN ROW EXCLUSIVE MODE; ", table);
        return;
    }
    const wb_schema *schema = session->target.schema;
    const char *value = " VALUES (NULL";
    wb_buffer_printf(sql, "EXPLAIN INSERT INTO %s (", table);
    put_columns(sql, schema, shape);
    wb_buffer_put_char(sql, ')');
    for (size_t i = 0; i < schema->count; i++) {
        if (shape != NULL && !wb_shape_gives(schema, shape, i))
            continue;
        wb_buffer_put_text(sql, value);
        value = ", NULL";
    }
    wb_buffer_put_text(sql, "); ");
}

/* A row's description has the names and the types that its table's columns have now. */
static void put_question(wb_buffer *sql, const char *table)
{
    wb_buffer_put_text(sql, "SELECT ");
    wb_pg_put_literal(sql, table);
    wb_buffer_printf(sql, "::pg_catalog.regclass::pg_catalog.oid, (NULL::%s).*; ", table);
}

void wb_pg_put_copy(wb_buffer *sql, const wb_pg_session *session, const wb_pg_rows *rows,
                    const uint64_t *shape)
{
    const char *table = PQgetvalue(wb_pg_table_now(session)->columns, 0, WB_PG_FULL);
    wb_pg_put_settings(sql, session);
    put_lock(sql, session, shape);
    put_question(sql, table);
    wb_pg_put_ledger(sql, session, rows->batch);
    wb_buffer_printf(sql, "SET LOCAL lock_timeout = %d; COPY %s (",
                     wb_pg_share_ms(session, ROW_LOCK_PERCENT), table);
    put_columns(sql, session->target.schema, shape);
    wb_buffer_printf(sql, ") FROM STDIN (FORMAT %s)",
                     wb_pg_table_now(session)->as_text ? "text" : "binary");
}

static void put_row(wb_buffer *sql, const wb_batch *batch, size_t row)
{
    size_t bytes;
    const uint8_t *field = wb_batch_row(batch, row, &bytes) + sizeof(uint16_t);
    for (size_t i = 0; i < batch->schema->count; i++) {
        const wb_column *column = &batch->schema->columns[i].column;
        wb_value value;
        field = wb_field_value(column, field, &value);
        wb_buffer_put_text(sql, i > 0 ? ", " : "(");
        wb_pg_put_value(sql, column, &value);
    }
    wb_buffer_put_char(sql, ')');
}

void wb_pg_put_insert(wb_buffer *sql, const wb_pg_session *session, const wb_pg_rows *rows)
{
    const char *before = "";
    wb_pg_put_settings(sql, session);
    wb_pg_put_ledger(sql, session, rows->batch);
    wb_buffer_printf(sql, "SET LOCAL lock_timeout = %d; INSERT INTO %s (",
                     wb_pg_share_ms(session, ROW_LOCK_PERCENT),
                     PQgetvalue(wb_pg_table_now(session)->columns, 0, WB_PG_FULL));
    put_columns(sql, session->target.schema, NULL);
    wb_buffer_put_text(sql, ") VALUES ");
    for (size_t row = 0; row < wb_batch_left(rows->batch); row++) {
        if (rows->there != NULL && rows->there[row])
            continue;
        wb_buffer_put_text(sql, before);
        put_row(sql, rows->batch, row);
        before = ", ";
    }
}
