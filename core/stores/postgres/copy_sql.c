/* SPDX-License-Identifier: MIT
 * The text of the statements that write a batch: the table's lock, the question what the table looks like, the COPY. All
 * names are quoted. Pure: no connection, no locks; only the buffer fails. */
#include "stores/postgres/postgres.h"

/* How long a COPY may wait for rows that another transaction has locked; of the write's timeout. */
enum { ROW_LOCK_PERCENT = 60 };

static void put_columns(wb_buffer *sql, const wb_schema *schema)
{
    for (size_t i = 0; i < schema->count; i++) {
        wb_buffer_put_text(sql, i > 0 ? ", " : "");
        wb_put_name(sql, schema->columns[i].column.name);
    }
}

/* LOCK TABLE wants a right to the whole table, and no foreign table. Where it is refused, EXPLAIN takes the same lock,
 * with the rights that COPY needs; it runs nothing. */
static void put_lock(wb_buffer *sql, const char *table, bool lockable, const wb_schema *schema)
{
    if (lockable) {
        wb_buffer_printf(sql, "LOCK TABLE ONLY %s IN ROW EXCLUSIVE MODE; ", table);
        return;
    }
    wb_buffer_printf(sql, "EXPLAIN INSERT INTO %s (", table);
    put_columns(sql, schema);
    wb_buffer_put_text(sql, ") VALUES (NULL");
    for (size_t i = 1; i < schema->count; i++)
        wb_buffer_put_text(sql, ", NULL");
    wb_buffer_put_text(sql, "); ");
}

/* A row's description has the names and the types that its table's columns have now. */
static void put_question(wb_buffer *sql, const char *table)
{
    wb_buffer_put_text(sql, "SELECT ");
    wb_pg_put_literal(sql, table);
    wb_buffer_printf(sql, "::pg_catalog.regclass::pg_catalog.oid, (NULL::%s).*; ", table);
}

void wb_pg_put_copy(wb_buffer *sql, const wb_pg_session *session, const PGresult *columns)
{
    const wb_schema *schema = session->target.schema;
    const char *table = PQgetvalue(columns, 0, WB_PG_FULL);
    put_lock(sql, table, wb_pg_true(columns, 0, WB_PG_LOCKABLE), schema);
    put_question(sql, table);
    wb_buffer_printf(sql, "SET LOCAL lock_timeout = %d; COPY %s (",
                     wb_pg_share_ms(session, ROW_LOCK_PERCENT), table);
    put_columns(sql, schema);
    wb_buffer_put_text(sql, ") FROM STDIN (FORMAT binary)");
}
