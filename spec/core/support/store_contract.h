/* SPDX-License-Identifier: MIT
 * What every store has to do, checked through its sessions, and what the tests of stores share. A test gives
 * a probe, which looks at what is stored without going through a session. */
#ifndef WB_STORE_CONTRACT_H
#define WB_STORE_CONTRACT_H

#include "rows/row.h"
#include "stores/store.h"

/* All functions fail the test themselves. */
typedef struct store_probe {
    wb_store *store; /* makes tables that are missing, unless the probe does */
    void *context;
    /* Makes a table that takes the schema's rows. NULL: the store does, at the first write. */
    void (*make)(void *context, const char *table, wb_schema *schema);
    /* The rows of a table, oldest first, in a batch that the caller frees. */
    wb_batch *(*rows)(void *context, const char *table, wb_schema *schema);
    /* Makes a row for a tracker in table "spaces" (key "id", column "used_at"). */
    void (*put)(void *context, const uint8_t id[16], int64_t time_us);
    int64_t (*time_us)(void *context, const uint8_t id[16]); /* WB_NEVER: there is no such row */
} store_probe;

/* ---- the contract; each needs a store without tables. The probe's `make` is for contract_write_tables ---- */

void contract_write_every_type(const store_probe *probe);
void contract_write_batches(const store_probe *probe);
void contract_write_tables(const store_probe *probe);
void contract_write_schema_held(const store_probe *probe);
void contract_describe(const store_probe *probe);
void contract_touch_forward(const store_probe *probe);
void contract_touch_exact(const store_probe *probe);
void contract_touch_min_advance(const store_probe *probe);

/* ---- helpers ---- */

#define COLUMNS(list) (sizeof(list) / sizeof(list)[0])
#define VALUE_TEXT(literal)                                                                        \
    ((wb_value){.kind = WB_TEXT, .bytes = sizeof(literal) - 1, .text = literal})
#define VALUE_INT(number)   ((wb_value){.kind = WB_INT, .i = number})
#define VALUE_FLOAT(number) ((wb_value){.kind = WB_FLOAT, .f = number})
#define VALUE_NULL          ((wb_value){.kind = WB_NULL})

/* Some time in 2024, whole seconds. */
#define SOME_TIME_US INT64_C(1715673600000000)

wb_schema *contract_schema(const wb_column *columns, size_t count);
void contract_id(unsigned number, uint8_t id[16]); /* distinct, ascending with the number */
void contract_add(wb_batch *batch, const wb_value *values, size_t count);
/* A schema (id uuid, note text or NULL, hits int8), and a batch of its rows numbered from..from+count-1. */
wb_schema *contract_notes(void);
wb_batch *contract_note_rows(wb_schema *schema, unsigned from, unsigned count);
wb_session *contract_session(wb_store *store, const wb_target *target);
wb_deadline contract_until(int64_t ms); /* so long from now */
/* The batch goes to that table; NULL: to the target's. */
void contract_goes_to(wb_batch *batch, const char *table);
/* Writes, or fails the test with the store's words. */
void contract_write(wb_session *session, const wb_batch *batch);
/* The write fails with that class and has `text` in its words. */
void contract_refused(wb_session *session, const wb_batch *batch, int class, const char *text);
void contract_same_rows(const wb_batch *expected, const wb_batch *found);
void contract_stored(const store_probe *probe, const char *table, const wb_batch *expected);

#endif
