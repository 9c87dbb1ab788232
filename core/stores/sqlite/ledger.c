/* SPDX-License-Identifier: MIT
 * The ledger: which writes are in. The id of a batch is put into table writebehind_ledger in the transaction of its rows,
 * so one is there where the other is. Ids are uuids of version 7, so the table's order is that of time; a key is forgotten
 * once it is old by its own time and by that of its write.
 * Whoever finds that a key is not there holds the write lock. So an earlier write under it never comes, but for one case:
 * its COMMIT may have failed when its frames were in the write-ahead log already, behind its end. They stay there until
 * a commit overwrites them, and a recovery before that would bring them in. So an earlier write is ruled out by a commit.
 * Invariant: between two calls the statements are reset and have no bindings.
 * Locks: none. Fails as connection.c says, but never with WB_REJECT: no row has a part in it. */
#include "stores/ledger.h"
#include "stores/sqlite/sqlite.h"

#define LEDGER "writebehind_ledger"

static const char make[] =
    "CREATE TABLE IF NOT EXISTS main." LEDGER
    " (key TEXT PRIMARY KEY, rows INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID";
static const char enter[] =
    "INSERT INTO main." LEDGER " (key, rows, at) VALUES (?1, ?2, ?3) ON CONFLICT (key) DO NOTHING";
static const char prune[] = "DELETE FROM main." LEDGER " WHERE key IN (SELECT key FROM main." LEDGER
                            " WHERE key < ?1 AND at < ?2 ORDER BY key LIMIT 1000)";
/* Writes a page, though it leaves all as it was. */
static const char rule_out[] =
    "BEGIN IMMEDIATE; INSERT INTO main." LEDGER
    " (key, rows, at) VALUES ('', 0, 0); DELETE FROM main." LEDGER " WHERE key = ''; COMMIT";

/* ---- preparing ---- */

void wb_sqlite_ledger_forget(wb_sqlite_ledger *ledger)
{
    sqlite3_finalize(ledger->enter);
    sqlite3_finalize(ledger->prune);
    ledger->enter = ledger->prune = NULL;
}

static int prepare(wb_sqlite_ledger *ledger, wb_sqlite_connection *connection, wb_err *err)
{
    if (ledger->prune != NULL)
        return WB_OK;
    int code = wb_sqlite_exec(connection, make, err);
    if (code == WB_OK && ledger->enter == NULL)
        code = wb_sqlite_prepare(connection, enter, &ledger->enter, err);
    return code == WB_OK ? wb_sqlite_prepare(connection, prune, &ledger->prune, err) : code;
}

/* ---- writing ---- */

static void key_bind(sqlite3_stmt *statement, const uint8_t id[16], char text[WB_SQLITE_SHORT_TEXT])
{
    wb_sqlite_bind_uuid(statement, 1, id, false, text);
}

static int run(wb_sqlite_connection *connection, sqlite3_stmt *statement, wb_err *err)
{
    int code = wb_sqlite_run(connection, statement, NULL, err);
    sqlite3_clear_bindings(statement);
    return code;
}

static int forget_old(wb_sqlite_ledger *ledger, wb_sqlite_connection *connection, wb_err *err)
{
    char text[WB_SQLITE_SHORT_TEXT];
    uint8_t first[16];
    wb_ledger_first_kept(first);
    key_bind(ledger->prune, first, text);
    sqlite3_bind_int64(ledger->prune, 2, wb_ledger_key_us(first) / 1000000);
    return run(connection, ledger->prune, err);
}

/* The key is not there. */
static int doubt_check(const wb_batch *batch, const wb_sqlite_connection *connection, wb_err *err)
{
    if (wb_ledger_knows(batch))
        return WB_OK;
    return wb_wrap(err, wb_ledger_forgot(batch, err), "table \"%s\"", connection->table);
}

static int key_put(wb_sqlite_ledger *ledger, wb_sqlite_connection *connection,
                   const wb_batch *batch, bool *there, wb_err *err)
{
    char text[WB_SQLITE_SHORT_TEXT];
    key_bind(ledger->enter, batch->id, text);
    sqlite3_bind_int64(ledger->enter, 2, (int64_t)wb_batch_left(batch));
    sqlite3_bind_int64(ledger->enter, 3, wb_unix_us() / 1000000);
    int code = run(connection, ledger->enter, err);
    *there = code == WB_OK && sqlite3_changes(connection->db) == 0;
    return code;
}

/* Names the ledger where it fails. */
static int put_and_prune(wb_sqlite_ledger *ledger, wb_sqlite_connection *connection,
                         const wb_batch *batch, bool *there, wb_err *err)
{
    const char *table = connection->table;
    connection->table = LEDGER;
    int code = prepare(ledger, connection, err);
    if (code == WB_OK)
        code = key_put(ledger, connection, batch, there, err);
    if (code == WB_OK && !*there && ledger->stored % WB_LEDGER_PRUNE_EVERY == 0)
        code = forget_old(ledger, connection, err);
    connection->table = table;
    if (code != WB_OK)
        wb_sqlite_ledger_forget(ledger);
    if (code != WB_OK && err != NULL && err->error_class == WB_REJECT)
        err->error_class = WB_HOLD;
    return code;
}

int wb_sqlite_ledger_enter(wb_sqlite_ledger *ledger, wb_sqlite_connection *connection,
                           const wb_batch *batch, bool *there, wb_err *err)
{
    int code = put_and_prune(ledger, connection, batch, there, err);
    if (code != WB_OK || *there || !batch->in_doubt)
        return code;
    code = doubt_check(batch, connection, err);
    ledger->absent = code == WB_OK;
    return code;
}

/* ---- a batch in doubt that was refused ---- */

void wb_sqlite_ledger_rule_out(wb_sqlite_ledger *ledger, wb_sqlite_connection *connection,
                               wb_err *err)
{
    bool absent = ledger->absent && !err->in_doubt;
    ledger->absent = false;
    if (!absent)
        return;
    err->ruled_out = sqlite3_exec(connection->db, make, NULL, NULL, NULL) == SQLITE_OK &&
                     sqlite3_exec(connection->db, rule_out, NULL, NULL, NULL) == SQLITE_OK;
    if (!err->ruled_out && err->error_class == WB_REJECT)
        err->error_class = WB_RETRY;
    if (!sqlite3_get_autocommit(connection->db))
        wb_sqlite_end(connection, WB_STORE, NULL);
}
