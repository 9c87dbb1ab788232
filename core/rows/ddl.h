/* SPDX-License-Identifier: MIT
 * CREATE TABLE for a schema, as wb_schema_ddl has it. Pure, no locks. */
#ifndef WB_DDL_H
#define WB_DDL_H

#include <writebehind.h>

/* The same with a unique index of an upsert's key; NULL: without. */
int wb_table_ddl(const wb_schema *schema, const wb_upsert *upsert, const char *dialect,
                 const char *table, char **out, wb_err *err);

#endif
