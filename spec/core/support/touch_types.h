/* SPDX-License-Identifier: MIT
 * A tracker's write, of every type of key and column, against a model. Each store's test looks at the table by itself. */
#ifndef WB_TOUCH_TYPES_H
#define WB_TOUCH_TYPES_H

#include "rows/types.h"
#include "support/store_contract.h"

/* One combination. The table is "spaces", with columns "id" and "used_at". */
typedef struct tracked {
    int key_type;
    int column_type;
    int64_t unit_us; /* what a stored number counts */
    bool exact;
    bool insert;
} tracked;

enum { TRACKED_TEXT = WB_TYPE_TEXT_BYTES };

/* All functions fail the test themselves. A stored time is an integer, in units, or NULL. */
typedef struct touch_probe {
    wb_store *store;
    void *context;
    bool has_nulls;
    /* Makes the table anew. */
    void (*make)(void *context, const tracked *t);
    void (*put)(void *context, const tracked *t, const wb_value *id, const wb_value *time);
    /* What is stored of an id, as the library writes values of the type; "NULL"; "none": it has no row. */
    void (*get)(void *context, const tracked *t, const wb_value *id, char out[TRACKED_TEXT]);
} touch_probe;

void contract_touch_types(const touch_probe *probe);

/* The target of a session for it; without a unit of a timestamptz. */
wb_target tracked_target(const tracked *t);
/* The id as a literal of SQL: '' stands for a quote. */
const char *tracked_literal(const tracked *t, const wb_value *id);

#endif
