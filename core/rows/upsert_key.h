/* SPDX-License-Identifier: MIT
 * A row's key as bytes: those of two rows are equal where their keys are, and are in memcmp's order where the keys are,
 * column by column: by memcmp, of two texts the shorter one first where it begins the longer one. No key begins another
 * one of the same columns. Pure, no locks; only memory fails. */
#ifndef WB_UPSERT_KEY_H
#define WB_UPSERT_KEY_H

#include "base/buffer.h"
#include "rows/schema.h"

/* Appends a tuple's. */
void wb_upsert_key_put(const wb_upsert *upsert, const wb_schema *schema, const uint8_t *tuple,
                       wb_buffer *to);

#endif
