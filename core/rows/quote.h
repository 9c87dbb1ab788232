/* SPDX-License-Identifier: MIT
 * Identifiers, quoted for SQL: a"b becomes "a""b", which PostgreSQL and SQLite read alike. Only memory fails; the
 * buffer says so. */
#ifndef WB_QUOTE_H
#define WB_QUOTE_H

#include "base/buffer.h"

void wb_put_name(wb_buffer *sql, const char *name);
/* "table" or "schema.table", with each part quoted. A part that comes quoted stays as it is, so that a name may hold a
 * dot. */
void wb_put_table(wb_buffer *sql, const char *table);

#endif
