/* SPDX-License-Identifier: MIT
 * Names, whatever they hold: a schema takes or refuses them, a quoted name is one identifier, a DDL is text. The input is
 * a table's name and columns' names, with newlines between. */
#include "fuzz.h"

#include "base/env.h"
#include "rows/quote.h"

enum { MOST = 40 };

/* Where a quoted identifier ends. */
static const char *end_of_name(const char *sql)
{
    HOLDS(*sql == '"');
    for (sql++; *sql != '"' || sql[1] == '"'; sql++) {
        HOLDS(*sql != '\0');
        sql += *sql == '"';
    }
    return sql + 1;
}

static void check_names(const char *name)
{
    wb_buffer sql = WB_BUFFER_EMPTY;
    wb_put_name(&sql, name);
    char *quoted = wb_buffer_take(&sql, NULL);
    HOLDS(*end_of_name(quoted) == '\0');
    wb_free(quoted);
    wb_put_table(&sql, name);
    quoted = wb_buffer_take(&sql, NULL);
    const char *at = end_of_name(quoted);
    for (; *at != '\0'; at = end_of_name(at + 1))
        HOLDS(*at == '.');
    wb_free(quoted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const char *const dialects[] = {"postgresql", "sqlite"};
    char *text = text_of(data, bytes), *rest = text, *table = strsep(&rest, "\n"), *name;
    wb_column columns[MOST] = {{0}};
    size_t count = 0;
    wb_schema *schema = NULL;
    wb_err err = {0};
    check_names(table);
    while (count < MOST && (name = strsep(&rest, "\n")) != NULL) {
        columns[count] =
            (wb_column){.name = name, .type = (int)(strlen(name) % 13), .null = count % 2};
        check_names(name);
        count++;
    }
    int code = wb_schema_new(columns, count, &schema, &err);
    if (code != WB_OK)
        check_message(&err);
    for (int i = 0; code == WB_OK && i < 2; i++) {
        char *ddl = NULL;
        if (wb_schema_ddl(schema, dialects[i], table, &ddl, &err) == WB_OK)
            HOLDS(strncmp(ddl, "CREATE TABLE ", 13) == 0);
        else
            check_message(&err);
        wb_free(ddl);
    }
    if (code == WB_OK)
        wb_schema_unref(schema);
    free(text);
    return 0;
}
