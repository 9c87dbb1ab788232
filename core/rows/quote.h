/* SPDX-License-Identifier: MIT
 * Identifiers, quoted for SQL: a name becomes "a""b". PostgreSQL and SQLite read them alike. Without memory the buffer
 * is marked as failed; nothing else can go wrong. */
#ifndef WB_QUOTE_H
#define WB_QUOTE_H

#include "base/buffer.h"

void wb_put_name(wb_buffer *sql, const char *name);
/* "table" or "schema.table", quoted by its parts. A part that is quoted already stays as it is, so that a name that
 * holds a dot can be given. */
void wb_put_table(wb_buffer *sql, const char *table);

#endif
