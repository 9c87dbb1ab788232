/* SPDX-License-Identifier: MIT
 * Quoting of names. Invariant: what is put reads as one identifier, or as some with dots between, whatever the name
 * holds. No state, no locks; only the buffer fails. */
#include "rows/quote.h"

#include <string.h>

static void put_quoted(wb_buffer *sql, const char *name, size_t bytes)
{
    wb_buffer_put_char(sql, '"');
    for (size_t i = 0; i < bytes; i++) {
        if (name[i] == '"')
            wb_buffer_put_char(sql, '"');
        wb_buffer_put_char(sql, name[i]);
    }
    wb_buffer_put_char(sql, '"');
}

void wb_put_name(wb_buffer *sql, const char *name)
{
    put_quoted(sql, name, strlen(name));
}

/* The length of a quoted part that starts here and ends at a dot or at the end; 0: there is none. */
static size_t quoted_bytes(const char *name)
{
    if (name[0] != '"')
        return 0;
    size_t i = 1;
    while (name[i] != '\0' && (name[i] != '"' || name[i + 1] == '"'))
        i += name[i] == '"' ? 2 : 1;
    bool whole = i > 1 && name[i] == '"' && (name[i + 1] == '.' || name[i + 1] == '\0');
    return whole ? i + 1 : 0;
}

void wb_put_table(wb_buffer *sql, const char *table)
{
    for (;;) {
        size_t bytes = quoted_bytes(table);
        if (bytes > 0) {
            wb_buffer_put(sql, table, bytes);
        } else {
            bytes = strcspn(table, ".");
            put_quoted(sql, table, bytes);
        }
        table += bytes;
        if (*table != '.')
            return;
        wb_buffer_put_char(sql, *table++);
    }
}
