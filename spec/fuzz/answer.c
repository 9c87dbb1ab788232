/* SPDX-License-Identifier: MIT
 * What a server answers, made of any bytes: results, their comparison, numbers, the words of a failed connection. */
#include "fuzz.h"

#include "stores/postgres/postgres.h"

static uint8_t take(const uint8_t **data, size_t *bytes)
{
    if (*bytes == 0)
        return 0;
    --*bytes;
    return *(*data)++;
}

/* A result of a few columns and rows, with short texts. */
static PGresult *make_result(const uint8_t **data, size_t *bytes)
{
    PGresAttDesc columns[WB_PG_TABLE_FIELDS + 2] = {{0}};
    char names[WB_PG_TABLE_FIELDS + 2][2] = {{0}};
    int count = take(data, bytes) % (WB_PG_TABLE_FIELDS + 3), rows = take(data, bytes) % 4;
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    for (int i = 0; i < count; i++) {
        names[i][0] = (char)('a' + take(data, bytes) % 3);
        columns[i] = (PGresAttDesc){.name = names[i], .typid = take(data, bytes)};
    }
    HOLDS(PQsetResultAttrs(result, count, columns));
    for (int row = 0; row < rows; row++)
        for (int i = 0; i < count; i++) {
            char text[8];
            int length = take(data, bytes) % 7;
            for (int k = 0; k < length; k++)
                text[k] = (char)take(data, bytes);
            HOLDS(PQsetvalue(result, row, i, length == 0 ? NULL : text, length == 0 ? -1 : length));
        }
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    wb_err err = {0};
    uint64_t number = 0;
    char *text = text_of(data, bytes);
    if (wb_pg_number(text, &number))
        HOLDS(number < UINT64_C(1000000000000000000));
    char sqlstate[6];
    wb_pg_sqlstate_in(text, sqlstate);
    HOLDS(strlen(sqlstate) == 0 || strlen(sqlstate) == 5);
    wb_pg_fail_connect(&err, text, false);
    check_message(&err);
    wb_pg_class(text);
    wb_pg_doubtful(text);
    free(text);
    PGresult *columns = make_result(&data, &bytes), *now = make_result(&data, &bytes);
    if (PQnfields(columns) == WB_PG_TABLE_FIELDS && PQntuples(columns) > 0) {
        wb_pg_is_as_checked(columns, now);
        HOLDS(wb_pg_find(columns, "a") >= -1);
        for (int row = 0; row < PQntuples(columns); row++)
            wb_pg_type(columns, row);
    }
    size_t line;
    wb_pg_fail_row(&err, now, "a", &line);
    check_message(&err);
    PQclear(columns);
    PQclear(now);
    return 0;
}
