/* SPDX-License-Identifier: MIT
 * The unique index that an upsert goes by: of exactly the key's columns, in any order, over all rows, immediate and valid.
 * The server finds it by the columns' names (ON CONFLICT); where there is none, or one that does not do, it says so in words
 * that help nobody. So it is looked up when the table is checked. A view has no index: the server looks behind it.
 * Used by the session's thread, so not locked. Fails with HOLD, saying what is there and what to do, or as wire.c does. */
#include "stores/postgres/postgres.h"

#include <stdlib.h>
#include <string.h>

#include "rows/types.h"

/* FOLDS: keys of other bytes may become one, by a collation, or by a trigger for each row before INSERT (the bits of tgtype
 * in src/include/catalog/pg_trigger.h). */
enum field { STATE, NAME, OVER, WHERE, FOLDS, FIELDS };

/* The best comes first. But one that would fit if it were not deferrable is refused even beside another (55000). */
enum state { DEFERRABLE = 1, FITS, INVALID, PARTIAL, EXPRESSION, OTHER };

static const char indexes_begin[] =
    "WITH wanted AS (SELECT ARRAY(SELECT k.n FROM pg_catalog.unnest(";
static const char indexes_of[] =
    ") AS k(n) ORDER BY k.n COLLATE \"C\") AS names), indexes AS (SELECT i.*,"
    " ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute a"
    "  WHERE a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])"
    "  ORDER BY a.attname::pg_catalog.text COLLATE \"C\") AS names,"
    " 0 = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]) AS expresses"
    " FROM pg_catalog.pg_index i WHERE i.indisunique AND NOT i.indisexclusion AND i.indrelid = ";
static const char states[] =
    ") SELECT CASE"
    " WHEN x.expresses AND x.names <@ w.names AND x.indnkeyatts = pg_catalog.cardinality(w.names)"
    "  THEN 5"
    " WHEN x.expresses OR x.names <> w.names THEN 6"
    " WHEN x.indpred IS NOT NULL THEN 4"
    " WHEN NOT x.indimmediate THEN 1"
    " WHEN NOT (x.indisvalid AND x.indisready) THEN 3 ELSE 2 END,"
    " c.relname, (SELECT pg_catalog.string_agg(pg_catalog.pg_get_indexdef(c.oid, n, true), ', '"
    "  ORDER BY n) FROM pg_catalog.generate_series(1, x.indnkeyatts) n),"
    " pg_catalog.pg_get_expr(x.indpred, x.indrelid, true),"
    " EXISTS (SELECT FROM pg_catalog.pg_attribute a"
    "  JOIN pg_catalog.pg_collation o ON o.oid = a.attcollation"
    "  WHERE a.attrelid = x.indrelid AND a.attname = ANY (w.names)"
    "  AND NOT o.collisdeterministic)"
    " OR EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.tgrelid = x.indrelid"
    "  AND NOT g.tgisinternal AND g.tgtype::pg_catalog.int4 & 7 = 7)"
    " FROM indexes x JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid CROSS JOIN wanted w"
    " ORDER BY 1, 2";

static const wb_column *key_column(const wb_target *target, size_t i)
{
    return &target->schema->columns[target->upsert->key[i]].column;
}

static void put_question(wb_buffer *sql, const wb_pg_session *session)
{
    const wb_target *target = &session->target;
    wb_pg_put_settings(sql, session);
    wb_buffer_put_text(sql, indexes_begin);
    wb_pg_begin_array(sql);
    for (size_t i = 0; i < target->upsert->key_count; i++) {
        const char *name = key_column(target, i)->name;
        const wb_value value = {.kind = WB_TEXT, .text = name, .bytes = (uint32_t)strlen(name)};
        wb_pg_put_element(sql, WB_TYPE_TEXT, &value);
    }
    wb_pg_end_array(sql, WB_TYPE_TEXT);
    wb_buffer_put_text(sql, indexes_of);
    wb_buffer_put_text(sql, PQgetvalue(wb_pg_table_now(session)->columns, 0, WB_PG_TABLE));
    wb_buffer_put_text(sql, states);
}

/* ---- does one fit? ---- */

static int refuse_all(const PGresult *indexes, const wb_target *target, wb_err *err)
{
    wb_buffer key = WB_BUFFER_EMPTY, there = WB_BUFFER_EMPTY;
    for (size_t i = 0; i < target->upsert->key_count; i++) {
        wb_buffer_put_text(&key, i > 0 ? ", " : "");
        wb_buffer_put_text(&key, key_column(target, i)->name);
    }
    for (int row = 0; row < PQntuples(indexes); row++)
        wb_buffer_printf(&there, "%s\"%s\" (%s)",
                         row > 0 ? ", " : "; the unique ones are: ", PQgetvalue(indexes, row, NAME),
                         PQgetvalue(indexes, row, OVER));
    int code = wb_fail_store(err, WB_HOLD,
                             "an upsert needs a unique index of exactly (%.*s), which there is "
                             "not: make it%.*s",
                             (int)key.bytes, key.bytes > 0 ? key.data : "", (int)there.bytes,
                             there.bytes > 0 ? there.data : "");
    wb_buffer_fini(&key);
    wb_buffer_fini(&there);
    return code;
}

static int refuse_one(const PGresult *indexes, enum state state, wb_err *err)
{
    const char *name = PQgetvalue(indexes, 0, NAME);
    switch (state) {
    case DEFERRABLE:
        return wb_fail_store(err, WB_HOLD,
                             "unique constraint \"%s\" is DEFERRABLE, and no upsert can go by such "
                             "a one: make it NOT DEFERRABLE",
                             name);
    case INVALID:
        return wb_fail_store(err, WB_HOLD,
                             "unique index \"%s\" is not valid, and an upsert can't go by it: it "
                             "is being built, or has to be dropped and made again",
                             name);
    case PARTIAL:
        return wb_fail_store(err, WB_HOLD,
                             "unique index \"%s\" is of some rows alone, and an upsert can't go by "
                             "it: make one without its WHERE %s",
                             name, PQgetvalue(indexes, 0, WHERE));
    default:
        return wb_fail_store(err, WB_HOLD,
                             "unique index \"%s\" is of an expression, and an upsert can't go by "
                             "it: make one of the columns, not of (%s)",
                             name, PQgetvalue(indexes, 0, OVER));
    }
}

static int check_index(const PGresult *indexes, const wb_target *target, wb_err *err)
{
    uint64_t state = OTHER;
    if (PQntuples(indexes) > 0 && !wb_pg_number(PQgetvalue(indexes, 0, STATE), &state))
        state = OTHER;
    return state == FITS                              ? WB_OK
           : state < DEFERRABLE || state > EXPRESSION ? refuse_all(indexes, target, err)
                                                      : refuse_one(indexes, (enum state)state, err);
}

/* ---- how keys are compared ---- */

enum { VARCHAR_OID = 1043 };

/* One of few digits rounds: timestamp(0), or a domain over it. */
static bool may_round(const PGresult *columns, int row, int type)
{
    bool time = type == WB_TYPE_TIMESTAMPTZ || type == WB_TYPE_TIMESTAMP || type == WB_TYPE_TIME;
    bool domain =
        strcmp(PQgetvalue(columns, row, WB_PG_OWN_TYPE), PQgetvalue(columns, row, WB_PG_BASE)) != 0;
    return time && (domain || strchr(PQgetvalue(columns, row, WB_PG_TYPE), '(') != NULL);
}

static bool keeps_bytes(const PGresult *columns, const wb_column *column)
{
    int row = wb_pg_find(columns, column->name);
    unsigned long base = strtoul(PQgetvalue(columns, row, WB_PG_BASE), NULL, 10);
    return base == VARCHAR_OID ||
           (base == wb_type_oid(column->type) && !may_round(columns, row, column->type));
}

static bool folds(const PGresult *columns, const wb_target *target)
{
    for (size_t i = 0; i < target->upsert->key_count; i++)
        if (!keeps_bytes(columns, key_column(target, i)))
            return true;
    return false;
}

int wb_pg_check_index(wb_pg_session *session, const wb_deadline *deadline, wb_err *err)
{
    wb_pg_table *table = wb_pg_table_now(session);
    PGresult *indexes = NULL;
    wb_buffer sql = WB_BUFFER_EMPTY;
    table->folds = true;
    if (wb_pg_true(table->columns, 0, WB_PG_VIEW))
        return WB_OK;
    put_question(&sql, session);
    int code = wb_pg_ask(session, &sql, (wb_pg_shape){.columns = FIELDS}, deadline, &indexes, err);
    if (code == WB_OK)
        code = check_index(indexes, &session->target, err);
    if (code == WB_OK)
        table->folds = wb_pg_true(indexes, 0, FOLDS) || folds(table->columns, &session->target);
    PQclear(indexes);
    return code;
}
