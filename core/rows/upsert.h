/* SPDX-License-Identifier: MIT
 * What an upsert is (wb_upsert): checked against a schema, copied, and what follows from it. Pure, no locks. */
#ifndef WB_UPSERT_H
#define WB_UPSERT_H

#include <writebehind.h>

/* WB_MISUSE names the column that is wrong. */
int wb_upsert_check(const wb_upsert *upsert, const wb_schema *schema, wb_err *err);
/* The same of how rows that wait are coalesced: no expression, a key may be NULL or left to the server. */
int wb_coalesce_check(const wb_upsert *coalesce, const wb_schema *schema, wb_err *err);
wb_upsert *wb_upsert_copy(const wb_upsert *upsert, const wb_schema *schema); /* NULL: no memory */
void wb_upsert_free(wb_upsert *upsert, const wb_schema *schema);

bool wb_upsert_is_key(const wb_upsert *upsert, size_t column);
/* May a write be repeated that was carried out already? */
bool wb_upsert_repeats(const wb_upsert *upsert, const wb_schema *schema);
/* Does the outcome depend on which of two rows is written first? */
bool wb_upsert_ordered(const wb_upsert *upsert, const wb_schema *schema);
/* Does the row that comes of several still tell of each: by a sum, a min, a max, a first or a last? */
bool wb_upsert_gathers(const wb_upsert *upsert, const wb_schema *schema);
/* Does an expression say what a column becomes? Then rows of a key are written one after the other; else they make one
 * before they are written. */
bool wb_upsert_expresses(const wb_upsert *upsert, const wb_schema *schema);
/* May a row change nothing, since the one that is there stays as it is? */
bool wb_upsert_skips(const wb_upsert *upsert, const wb_schema *schema);

#endif
