/* SPDX-License-Identifier: MIT
 * Rows that another process left may be of another schema: they go out with their own. */
#ifndef WB_EARLIER_H
#define WB_EARLIER_H

#include "stores/store.h"

/* What `target` is for rows of that schema: the same table, and the same options, by the names of their columns. WB_STORE:
 * the rows are held, as they lack a column that the options name; WB_MEMORY. */
int wb_earlier_target(const wb_target *target, wb_schema *schema, wb_target *out, wb_err *err);
void wb_earlier_fini(wb_target *earlier); /* all zero: nothing */

#endif
