/* SPDX-License-Identifier: MIT
 * A schema read from a live table. It has the columns that a row can be given. What the server fills by itself is
 * left out: identities, generated columns, defaults that are no constants. A uuid that the server would make at
 * random is made here instead, so that a row has the same id at every attempt. So is a primary key that is one uuid
 * without a default.
 * Used by one thread, so not locked. Fails with WB_STORE, with WB_MEMORY, or with WB_INVALID naming a column that
 * must be given but has no supported type. */
#include "stores/postgres/postgres.h"

#include <string.h>

#include "base/env.h"
#include "base/timestamp.h"
#include "rows/row.h"
#include "rows/types.h"

/* A column on its way into the schema. Its name and texts point into results. */
struct draft {
    wb_column column;
    const char *constant; /* the default's SQL; NULL: none */
    const char *type_sql;
    uint8_t field[4 + 16]; /* a binary default of fixed size */
    char time[40];         /* a time's default */
};

struct drafts {
    struct draft *draft;
    wb_column *columns; /* for wb_schema_new */
    size_t count;
};

/* ---- which columns, and how ---- */

static bool is_filled(const PGresult *columns, int row)
{
    return PQgetlength(columns, row, WB_PG_IDENTITY) > 0 ||
           PQgetlength(columns, row, WB_PG_GENERATED) > 0;
}

/* False: the column's default is the server's business. */
static bool take_default(struct draft *draft, const PGresult *columns, int row)
{
    wb_column *column = &draft->column;
    if (!wb_pg_true(columns, row, WB_PG_DEFAULT)) {
        bool is_key = wb_pg_true(columns, row, WB_PG_KEY) && column->type == WB_TYPE_UUID;
        column->generate = is_key ? WB_UUIDV7 : WB_GIVEN;
        return true;
    }
    const char *sql = PQgetvalue(columns, row, WB_PG_DEFAULT_SQL);
    int generate = column->type == WB_TYPE_UUID ? wb_pg_default_generate(sql) : -1;
    if (generate >= 0) {
        column->generate = generate;
        column->null = false;
        return true;
    }
    draft->constant = sql;
    return wb_pg_default_constant(sql, column->type);
}

static int take_column(struct drafts *drafts, const PGresult *columns, int row, wb_err *err)
{
    struct draft *draft = &drafts->draft[drafts->count];
    const char *name = PQgetvalue(columns, row, WB_PG_NAME);
    int type = wb_pg_type(columns, row);
    bool must = wb_pg_true(columns, row, WB_PG_NOT_NULL);
    if (is_filled(columns, row))
        return WB_OK;
    if (type < 0 && must && !wb_pg_true(columns, row, WB_PG_DEFAULT))
        return wb_fail(err, WB_INVALID,
                       "column \"%s\" has the type %s, which is not supported, and must be given: "
                       "it is NOT NULL without a default",
                       name, PQgetvalue(columns, row, WB_PG_TYPE));
    if (type < 0)
        return WB_OK;
    memset(draft, 0, sizeof *draft);
    draft->column = (wb_column){.name = name, .type = type, .null = !must};
    draft->column.default_value.kind = WB_ABSENT;
    draft->type_sql = PQgetvalue(columns, row, WB_PG_TYPE);
    if (take_default(draft, columns, row))
        drafts->count++;
    return WB_OK;
}

static int take_columns(struct drafts *drafts, const PGresult *columns, wb_err *err)
{
    size_t rows = (size_t)PQntuples(columns);
    drafts->draft = wb_alloc(rows * sizeof *drafts->draft);
    drafts->columns = wb_alloc(rows * sizeof *drafts->columns);
    if (drafts->draft == NULL || drafts->columns == NULL)
        return wb_fail(err, WB_MEMORY, "out of memory for %zu columns", rows);
    int code = WB_OK;
    for (int row = 0; row < PQntuples(columns) && code == WB_OK; row++)
        if (!PQgetisnull(columns, row, WB_PG_NAME))
            code = take_column(drafts, columns, row, err);
    if (code == WB_OK && drafts->count == 0)
        code = wb_fail(err, WB_INVALID, "it has no column that a row could be given");
    return code;
}

/* ---- the values of constant defaults ---- */

/* A day in µs. */
#define DAY_US INT64_C(86400000000)

static bool in_range(int64_t value, int64_t unit_us)
{
    return value >= WB_TIME_MIN_US / unit_us && value <= WB_TIME_MAX_US / unit_us;
}

/* The value as a row would be given it. False: a row can't be given it ("infinity", a year before 1). */
static bool take_fixed(struct draft *draft, const char *data, int bytes)
{
    wb_value *value = &draft->column.default_value;
    draft->field[3] = (uint8_t)bytes; /* the end of an int32, which was zero */
    memcpy(draft->field + 4, data, (size_t)bytes);
    wb_field_value(&draft->column, draft->field, value);
    if (draft->column.type == WB_TYPE_DATE)
        return in_range(value->i, DAY_US);
    if (draft->column.type != WB_TYPE_TIMESTAMPTZ && draft->column.type != WB_TYPE_TIMESTAMP)
        return true;
    if (!in_range(value->i, 1))
        return false;
    wb_timestamp_format(value->i, draft->time);
    *value = (wb_value){.kind = WB_TEXT, .bytes = (uint32_t)strlen(draft->time)};
    value->text = draft->time;
    return true;
}

/* jsonb has a byte before its text. */
static bool has_length(int type, int bytes)
{
    uint32_t fixed = wb_type_bytes(type);
    return fixed > 0 ? bytes == (int)fixed : bytes >= (type == WB_TYPE_JSONB);
}

/* False: the default is the server's business after all. */
static bool take_value(struct draft *draft, const PGresult *values, int field)
{
    if (PQgetisnull(values, 0, field))
        return true;
    const char *data = PQgetvalue(values, 0, field);
    int bytes = PQgetlength(values, 0, field);
    if (!has_length(draft->column.type, bytes))
        return false;
    if (wb_type_bytes(draft->column.type) > 0)
        return take_fixed(draft, data, bytes);
    int version = draft->column.type == WB_TYPE_JSONB;
    draft->column.default_value = (wb_value){.kind = WB_TEXT, .bytes = (uint32_t)(bytes - version)};
    draft->column.default_value.text = data + version;
    return true;
}

/* A default's SQL, as standard_conforming_strings = on has it, in a form that reads the same without. */
static void put_constant(wb_buffer *sql, const char *constant)
{
    bool within = false;
    for (const char *at = constant; *at != '\0'; at++) {
        bool doubled = within && at[0] == '\'' && at[1] == '\'';
        if (*at == '\\' || doubled)
            wb_buffer_put_char(sql, *at);
        if (doubled)
            at++;
        else if (*at == '\'')
            within = !within;
        if (within && *at == '\'' && !doubled)
            wb_buffer_put_text(sql, " E");
        wb_buffer_put_char(sql, *at);
    }
}

/* Their values in binary, which a simple query gives through such a cursor. Puts nothing where no column has a
 * constant default. How many have one? */
static int put_values(wb_buffer *sql, const struct drafts *drafts)
{
    int count = 0;
    for (size_t i = 0; i < drafts->count; i++) {
        const struct draft *draft = &drafts->draft[i];
        if (draft->constant == NULL)
            continue;
        wb_buffer_put_text(sql, count > 0 ? ", (" : "DECLARE w BINARY CURSOR FOR SELECT (");
        put_constant(sql, draft->constant);
        wb_buffer_printf(sql, ")::%s", draft->type_sql);
        count++;
    }
    if (count > 0)
        wb_buffer_put_text(sql, "; FETCH ALL FROM w");
    return count;
}

static void take_values(struct drafts *drafts, const PGresult *values)
{
    size_t kept = 0;
    int field = 0;
    for (size_t i = 0; i < drafts->count; i++) {
        struct draft *draft = &drafts->draft[i];
        if (draft->constant == NULL || take_value(draft, values, field++))
            drafts->columns[kept++] = draft->column;
    }
    drafts->count = kept;
}

static int evaluate(wb_pg_session *session, struct drafts *drafts, const wb_deadline *deadline,
                    PGresult **values, wb_err *err)
{
    int code = WB_OK;
    wb_buffer sql = WB_BUFFER_EMPTY;
    const wb_pg_shape shape = {.columns = put_values(&sql, drafts), .rows = 1, .binary = true};
    if (shape.columns > 0)
        code = wb_pg_ask(session, &sql, shape, deadline, values, err);
    if (code == WB_OK)
        take_values(drafts, *values);
    return code;
}

/* ---- the call ---- */

static int build(wb_pg_session *session, const PGresult *columns, const wb_deadline *deadline,
                 wb_schema **out, wb_err *err)
{
    struct drafts drafts = {0};
    PGresult *values = NULL;
    int code = take_columns(&drafts, columns, err);
    if (code == WB_OK)
        code = evaluate(session, &drafts, deadline, &values, err);
    if (code == WB_OK)
        code = wb_schema_new(drafts.columns, drafts.count, out, err);
    PQclear(values);
    wb_free(drafts.draft);
    wb_free(drafts.columns);
    return code;
}

int wb_pg_describe(wb_pg_session *session, const wb_deadline *deadline, wb_schema **out,
                   wb_err *err)
{
    bool fresh;
    PGresult *columns = NULL;
    int code = wb_pg_connect(session, deadline, &fresh, err);
    if (code == WB_OK)
        code = wb_pg_columns(session, deadline, &columns, err);
    if (code == WB_OK)
        code = build(session, columns, deadline, out, err);
    PQclear(columns);
    return code;
}
