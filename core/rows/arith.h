/* SPDX-License-Identifier: MIT
 * The order of values and their sums, as PostgreSQL has them. Pure, no locks; only the buffer can fail for want of
 * memory. */
#ifndef WB_ARITH_H
#define WB_ARITH_H

#include <writebehind.h>

#include "base/buffer.h"

/* Below, at or above 0, of two values of one column: NULL first, NaN after all numbers, -0 as 0, text by its bytes. */
int wb_value_compare(const wb_value *a, const wb_value *b);
/* The same of what has an order that does not depend on the server: a numeric is compared as a number. */
int wb_value_rank(int type, const wb_value *a, const wb_value *b);

/* Appends the field of the sum of two fields of a type that has sums; neither is NULL. False: it is out of the type's
 * range, and nothing is appended. */
bool wb_field_add(int type, const uint8_t *a, const uint8_t *b, wb_buffer *out);

#endif
