/* SPDX-License-Identifier: MIT
 * See marks.h. A segment is pinned while it is marked, and mapped for it
 * where it is not. Where it can't be mapped a row that is settled is so in memory: its file goes all the same, and were the
 * process to die first, the row would go out again under its key. */
#include "spool/marks.h"

#include <string.h>

#include "base/err.h"
#include "spool/disk.h"

/* ---- marks ---- */

void wb_spool_marks_end(wb_spool_marks *marks)
{
    if (marks->file != NULL)
        wb_spool_unpin(marks->spool, marks->file, marks->settled);
    marks->file = NULL;
    marks->settled = 0;
}

/* The row's entry; NULL: its segment can't be mapped. */
static wb_spool_entry *entry_of(wb_spool_marks *marks, uint32_t number)
{
    uint32_t slot = wb_spool_slot(number);
    if (marks->file == NULL || marks->file->slot != slot) {
        wb_spool_marks_end(marks);
        wb_spool_file *file = marks->spool->slots[slot];
        marks->code = wb_spool_pin(marks->spool, file, marks->err);
        if (marks->code != WB_OK)
            return NULL;
        marks->file = file;
    }
    return wb_spool_segment_entry(&marks->file->segment, wb_spool_entry_of(number));
}

void wb_spool_settle_row(wb_spool_marks *marks, uint32_t number)
{
    if (number == 0)
        return;
    wb_spool_entry *entry = entry_of(marks, number);
    if (entry != NULL)
        marks->settled += wb_entry_settle(entry);
    else
        wb_spool_lose(marks->spool, marks->spool->slots[wb_spool_slot(number)]);
}

bool wb_spool_settle_ref(wb_spool_marks *marks, const wb_spool_file *file, uint32_t entry)
{
    wb_spool_entry *at = entry_of(marks, file->slot << WB_SPOOL_ENTRY_BITS | entry);
    if (at != NULL)
        marks->settled += wb_entry_settle(at);
    return at != NULL;
}

void wb_spool_settle(wb_spool *spool, const wb_batch *batch, size_t first, size_t rows)
{
    wb_spool_marks marks = {.spool = spool};
    for (size_t i = 0; i < rows; i++)
        wb_spool_settle_row(&marks, batch->rows[batch->first + first + i].number);
    wb_spool_marks_end(&marks);
}

/* ---- keys ---- */

static int mark_keys(wb_spool *spool, const wb_batch *batch, wb_err *err)
{
    wb_spool_marks marks = {.spool = spool, .err = err};
    uint64_t key[2];
    memcpy(key, batch->id, sizeof key);
    for (size_t row = batch->first; row < batch->count; row++) {
        uint32_t number = batch->rows[row].number;
        wb_spool_entry *entry = number != 0 ? entry_of(&marks, number) : NULL;
        if (entry != NULL) {
            wb_entry_cover(entry, key);
            atomic_fetch_add_explicit(&marks.file->keys, 1, memory_order_release);
        } else if (number != 0) {
            break;
        }
    }
    wb_spool_marks_end(&marks);
    return marks.code;
}

/* Others may do so as well: what they began before this key was put in does not count. */
static int sync_keys_of(wb_spool *spool, wb_spool_file *file, wb_err *err)
{
    unsigned keys = atomic_load(&file->keys);
    if (atomic_load(&file->synced_keys) == keys)
        return WB_OK;
    int code = wb_spool_pin(spool, file, err);
    if (code != WB_OK)
        return code;
    code = wb_disk_sync(file->segment.path, file->segment.map, file->segment.size, err);
    if (code == WB_OK)
        atomic_store(&file->synced_keys, keys);
    wb_spool_unpin(spool, file, 0);
    return code;
}

static int sync_keys(wb_spool *spool, const wb_batch *batch, wb_err *err)
{
    uint32_t slot = WB_SPOOL_SLOTS;
    int code = WB_OK;
    for (size_t row = batch->first; code == WB_OK && row < batch->count; row++) {
        uint32_t number = batch->rows[row].number;
        if (number == 0 || wb_spool_slot(number) == slot)
            continue;
        slot = wb_spool_slot(number);
        code = sync_keys_of(spool, spool->slots[slot], err);
    }
    return code;
}

int wb_spool_cover(wb_spool *spool, const wb_batch *batch, wb_err *err)
{
    int code = mark_keys(spool, batch, err);
    if (code == WB_OK && wb_spool_outlives_machine(spool))
        code = sync_keys(spool, batch, err);
    return code;
}

/* ---- whole segments ---- */

/* Locked. A segment that is to go need not be marked: whoever found it would do again what is done. */
static void retire(wb_spool *spool, wb_spool_file *file)
{
    file->settled = file->rows;
    file->emptied = true;
    wb_monitor_wake_by(&spool->monitor, WB_NOW);
}

void wb_spool_retire_file(wb_spool *spool, wb_spool_file *file)
{
    wb_monitor_lock(&spool->monitor);
    retire(spool, file);
    wb_monitor_unlock(&spool->monitor);
}

void wb_spool_retire(wb_spool *spool, uint64_t serial)
{
    wb_monitor_lock(&spool->monitor);
    for (wb_spool_file *file = spool->first; file != NULL; file = file->next)
        if (file->segment.serial <= serial && file->full)
            retire(spool, file);
    wb_monitor_unlock(&spool->monitor);
}
