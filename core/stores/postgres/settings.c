/* SPDX-License-Identifier: MIT
 * What bounds a write on the server: settings that are gone with its transaction. What a write may wait for its table
 * (lock_timeout), and then for rows or a slow server (statement_timeout, which each statement of a query has for
 * itself), ends together before the client gives up: so what the server cuts off is known to have failed. Pure, no
 * locks; only the buffer fails. */
#include "stores/postgres/postgres.h"

enum { TABLE_LOCK_PERCENT = 15, STATEMENT_PERCENT = 75 };
enum {
    CHECK_INTERVAL_MS = 1000
}; /* how often a server that waits looks whether we are still there */
enum { DEFAULT_TIMEOUT_US = 10 * 1000 * 1000 }; /* where a session has no target */

int wb_pg_share_ms(const wb_pg_session *session, int percent)
{
    int64_t timeout_us = session->target.write_timeout_us;
    int64_t share = (timeout_us > 0 ? timeout_us : DEFAULT_TIMEOUT_US) / 100 * percent / 1000;
    return share < 1 ? 1 : share > INT32_MAX ? INT32_MAX : (int)share;
}

void wb_pg_put_limits(wb_buffer *sql, const wb_pg_session *session, int lock_ms)
{
    wb_buffer_printf(sql, "SET LOCAL statement_timeout = %d; SET LOCAL lock_timeout = %d; ",
                     wb_pg_share_ms(session, STATEMENT_PERCENT), lock_ms);
}

static void put_watched(wb_buffer *sql, const wb_pg_session *session)
{
    if (session->watched)
        wb_buffer_printf(sql, "SET LOCAL client_connection_check_interval = %d; ",
                         CHECK_INTERVAL_MS);
}

void wb_pg_put_settings(wb_buffer *sql, const wb_pg_session *session)
{
    put_watched(sql, session);
    wb_pg_put_limits(sql, session, wb_pg_share_ms(session, TABLE_LOCK_PERCENT));
}

void wb_pg_put_config(wb_buffer *sql, const wb_pg_session *session, int lock_ms)
{
    wb_buffer_printf(sql,
                     "SELECT pg_catalog.set_config('statement_timeout', '%d', true), "
                     "pg_catalog.set_config('lock_timeout', '%d', true)",
                     wb_pg_share_ms(session, STATEMENT_PERCENT), lock_ms);
    if (session->watched)
        wb_buffer_printf(sql,
                         ", pg_catalog.set_config('client_connection_check_interval', '%d', true)",
                         CHECK_INTERVAL_MS);
}

void wb_pg_put_end(wb_buffer *sql, const wb_pg_session *session, int64_t left_us)
{
    int64_t ms = left_us / 1000;
    put_watched(sql, session);
    if (ms < INT32_MAX)
        wb_buffer_printf(sql, "SET LOCAL statement_timeout = %d; ", ms < 1 ? 1 : (int)ms);
}

void wb_pg_put_watch(wb_buffer *sql)
{
    wb_buffer_printf(sql,
                     "SELECT pg_catalog.set_config('client_connection_check_interval', '%d', true)",
                     CHECK_INTERVAL_MS);
}
