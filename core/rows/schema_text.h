/* SPDX-License-Identifier: MIT
 * A schema as text, for rows that outlive it: what stands between their tuples and a table. Of each column its name, its
 * type's name, its flags ("a" an array, "n" null, "s" left to the server, "4" or "7" generated) and its cast, each with a
 * NUL behind it. Defaults and limits are of rows that come, and are left out. */
#ifndef WB_SCHEMA_TEXT_H
#define WB_SCHEMA_TEXT_H

#include "base/buffer.h"
#include "rows/schema.h"

/* The caller frees it with wb_free. NULL: no memory. */
uint8_t *wb_schema_text(const wb_schema *schema, size_t *bytes);
/* WB_INVALID, of a text that is none of these; WB_MEMORY. */
int wb_schema_of_text(const uint8_t *text, size_t bytes, wb_schema **out, wb_err *err);

#endif
