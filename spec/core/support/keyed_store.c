/* SPDX-License-Identifier: MIT
 * See keyed_store.h. */
#include "support/keyed_store.h"

#include "rows/keyed.h"

/* ---- a row comes to a key ---- */

static bool is_older(const keyed_cells *row, const keyed_cells *other, int column)
{
    if (row->null[column] || other->null[column])
        return row->null[column] && !other->null[column];
    return row->value[column] < other->value[column];
}

/* Of two values which are not NULL. */
static int64_t both(int word, int64_t is, int64_t came)
{
    switch (word) {
    case WB_MERGE_SUM:
        return is + came;
    case WB_MERGE_MIN:
        return came < is ? came : is;
    case WB_MERGE_MAX:
        return came > is ? came : is;
    case WB_MERGE_LAST:
        return came;
    default:
        return is;
    }
}

static void fold_column(int word, bool newer, int i, keyed_cells *cells, const keyed_cells *row)
{
    bool replaced = word == WB_MERGE_SET && newer;
    bool said = word >= WB_MERGE_SUM && word <= WB_MERGE_LAST && !row->null[i];
    if (word == WB_MERGE_EXPRESSION) {
        cells->value[i] = (cells->value[i] * 3 + row->value[i]) % 1000003;
        cells->null[i] = false;
    } else if (replaced || (said && cells->null[i])) {
        cells->value[i] = row->value[i];
        cells->null[i] = row->null[i];
    } else if (said) {
        cells->value[i] = both(word, cells->value[i], row->value[i]);
    }
}

void keyed_fold(const wb_upsert *upsert, keyed_cells *cells, const keyed_cells *row)
{
    if (!cells->there) {
        *cells = *row;
        return;
    }
    if (upsert->nothing)
        return;
    bool newer = upsert->newest < 0 || !is_older(row, cells, upsert->newest);
    for (int i = 0; i < KEYED_COLUMNS; i++)
        fold_column(upsert->merge[i], newer, i, cells, row);
}

/* ---- writing ---- */

static keyed_cells cells_of(const wb_schema *schema, const uint8_t *tuple)
{
    keyed_cells cells = {.there = true};
    for (size_t i = 0; i < KEYED_COLUMNS; i++) {
        wb_value value = wb_row_value(schema, tuple, i);
        cells.null[i] = value.kind == WB_NULL;
        cells.value[i] = cells.null[i] ? 0 : value.i;
    }
    return cells;
}

static keyed_cells cells_at(const wb_batch *batch, size_t row)
{
    size_t bytes;
    return cells_of(batch->schema, wb_batch_row(batch, row, &bytes));
}

static void write_pass(keyed_store *store, const wb_schema *schema, const wb_keyed_pass *pass,
                       int table)
{
    for (size_t i = 0, keys = 0; i < pass->count; i++) {
        keyed_cells row = cells_of(schema, pass->rows[i].at);
        assert_true(keys >> row.value[KEYED_KEY] == 0); /* ascending, each once */
        keys |= (size_t)1 << row.value[KEYED_KEY];
        keyed_fold(store->upsert, &store->cells[table][row.value[KEYED_KEY]], &row);
    }
}

static int put_entry(keyed_store *store, const wb_batch *batch, bool in)
{
    assert_true(store->entries_count < KEYED_WRITES);
    keyed_entry *entry = &store->entries[store->entries_count];
    memcpy(entry->id, batch->id, sizeof entry->id);
    entry->in = in;
    return store->entries_count++;
}

static void note_rows(keyed_store *store, const wb_batch *batch)
{
    int entry = put_entry(store, batch, true);
    for (size_t i = 0; i < wb_batch_left(batch); i++) {
        int64_t n = cells_at(batch, i).value[KEYED_N];
        assert_true(store->log_count < KEYED_WRITES);
        store->log[store->log_count++] = (int)n;
        store->entry[n] = entry;
        store->times[n]++;
    }
}

bool keyed_store_commit(keyed_store *store, const wb_batch *batch, int table, uint64_t *superseded)
{
    wb_keyed keyed = {0};
    if (store->upsert != NULL && !wb_keyed_of(batch, NULL, store->upsert, &keyed))
        return false;
    for (size_t i = 0; i < keyed.count; i++)
        write_pass(store, batch->schema, &keyed.passes[i], table);
    *superseded = keyed.superseded;
    wb_keyed_fini(&keyed);
    note_rows(store, batch);
    return true;
}

/* ---- writes that stay open ---- */

void keyed_store_open(keyed_store *store, const wb_batch *batch, int table, int64_t ends_us,
                      bool commits)
{
    assert_true(store->open_count < KEYED_OPEN);
    wb_batch *rows = wb_batch_new(batch->schema);
    assert_true(rows != NULL && wb_batch_merge(rows, batch));
    memcpy(rows->id, batch->id, sizeof rows->id);
    store->open[store->open_count++] = (keyed_open){rows, table, ends_us, commits};
}

void keyed_store_pass(keyed_store *store, int64_t now_us)
{
    for (int i = store->open_count; i-- > 0;) {
        keyed_open open = store->open[i];
        uint64_t ignored;
        if (open.ends_us > now_us)
            continue;
        store->open[i] = store->open[--store->open_count];
        if (open.commits)
            assert_true(keyed_store_commit(store, open.rows, open.table, &ignored));
        wb_batch_free(open.rows);
    }
}

void keyed_store_fini(keyed_store *store)
{
    while (store->open_count > 0)
        wb_batch_free(store->open[--store->open_count].rows);
}

bool keyed_store_holds_id(const keyed_store *store, const wb_batch *batch)
{
    for (int i = 0; i < store->open_count; i++) {
        if (store->ledger && memcmp(store->open[i].rows->id, batch->id, sizeof batch->id) == 0)
            return true;
    }
    return false;
}

static unsigned keys_of(const wb_batch *batch)
{
    unsigned keys = 0;
    for (size_t i = 0; i < wb_batch_left(batch); i++)
        keys |= 1u << cells_at(batch, i).value[KEYED_KEY];
    return keys;
}

bool keyed_store_holds_rows(const keyed_store *store, const wb_batch *batch, int table)
{
    unsigned keys = store->upsert != NULL && store->open_count > 0 ? keys_of(batch) : 0;
    for (int i = 0; i < store->open_count; i++) {
        if (store->open[i].table == table && (keys_of(store->open[i].rows) & keys) != 0)
            return true;
    }
    return false;
}

/* ---- the ledger ---- */

const keyed_entry *keyed_store_find(const keyed_store *store, const wb_batch *batch)
{
    for (int i = store->entries_count; store->ledger && i-- > 0;) {
        if (memcmp(store->entries[i].id, batch->id, sizeof batch->id) == 0)
            return &store->entries[i];
    }
    return NULL;
}

void keyed_store_rule_out(keyed_store *store, const wb_batch *batch)
{
    put_entry(store, batch, false);
}

bool keyed_store_has(const keyed_store *store, const wb_batch *batch, const keyed_entry *entry)
{
    for (size_t i = 0; i < wb_batch_left(batch); i++) {
        int64_t n = cells_at(batch, i).value[KEYED_N];
        if (store->times[n] == 0 || store->entry[n] != entry - store->entries)
            return false;
    }
    return true;
}
