/* SPDX-License-Identifier: MIT
 * See files.h. Invariants: a file that is in the list has a slot; serials ascend in the list. Fails where the disk does, or
 * the limits; then nothing was changed. */
#include "spool/files.h"

#include <inttypes.h>

#include "base/buffer.h"
#include "base/env.h"
#include "base/err.h"
#include "spool/disk.h"

size_t wb_spool_segment_bytes = 4 << 20;

/* ---- making and ending ---- */

size_t wb_spool_usual_room(const wb_spool *spool)
{
    size_t taken = WB_SPOOL_ENTRIES_AT + sizeof(wb_spool_entry) + spool->head_bytes;
    return taken < wb_spool_segment_bytes / 2 ? wb_spool_segment_bytes - taken
                                              : wb_spool_segment_bytes / 2;
}

void wb_spool_file_free(wb_spool_file *file)
{
    if (file != NULL)
        wb_spool_segment_fini(&file->segment);
    wb_free(file);
}

void wb_spool_file_end(wb_spool_file *file)
{
    if (file->settled == file->rows && (!file->replaces || file->resolved == file->segment.count))
        (void)wb_disk_remove(file->segment.path, NULL);
    wb_spool_file_free(file);
}

/* The caller frees it. */
static char *segment_path(const wb_spool *spool, uint64_t serial)
{
    char path[WB_SPOOL_PATH_BYTES];
    wb_spool_segment_path(spool->folder.path, serial, path);
    return wb_strdup(path);
}

int wb_spool_make(wb_spool *spool, uint64_t serial, size_t room, wb_spool_file **out, wb_err *err)
{
    wb_spool_file *file = wb_alloc_zeroed(sizeof *file);
    char *path = segment_path(spool, serial);
    wb_spool_segment_plan plan = {
        .path = path,
        .serial = serial,
        .room = room,
        .replaces = spool->replaces,
        .synced = wb_spool_outlives_machine(spool),
        .head = spool->head,
        .head_bytes = spool->head_bytes,
    };
    int code = file != NULL && path != NULL ? wb_spool_segment_make(&plan, &file->segment, err)
                                            : wb_fail(err, WB_MEMORY, "spool: out of memory");
    if (code == WB_OK && wb_spool_outlives_machine(spool) &&
        (code = wb_disk_sync_folder(spool->folder.path, err)) != WB_OK)
        (void)wb_disk_remove(path, NULL);
    wb_free(path);
    if (code != WB_OK) {
        wb_spool_file_free(file);
        return code;
    }
    file->replaces = spool->replaces;
    file->resolved = 1; /* the schema */
    *out = file;
    return WB_OK;
}

bool wb_spool_has_room(wb_spool *spool, size_t bytes, wb_err *err)
{
    if (spool->bytes + bytes <= spool->options.max_bytes)
        return true;
    wb_fail(err, WB_STORE,
            "spool: its files have %" PRIu64 " bytes of %" PRIu64 " (spool.max_bytes)",
            spool->bytes, spool->options.max_bytes);
    return false;
}

bool wb_spool_admit(wb_spool *spool, wb_spool_file *file, wb_err *err)
{
    if (spool->files >= WB_SPOOL_SLOTS - 1) {
        wb_fail(err, WB_STORE, "spool: it has %u segments, the most that there may be",
                spool->files);
        return false;
    }
    while (spool->slots[spool->next_slot] != NULL)
        spool->next_slot = (spool->next_slot + 1) % WB_SPOOL_SLOTS;
    file->slot = spool->next_slot;
    spool->slots[file->slot] = file;
    file->before = spool->last;
    *(spool->last != NULL ? &spool->last->next : &spool->first) = file;
    spool->last = file;
    spool->files++;
    spool->mapped += file->segment.map != NULL;
    return true;
}

void wb_spool_dismiss(wb_spool *spool, wb_spool_file *file)
{
    *(file->before != NULL ? &file->before->next : &spool->first) = file->next;
    *(file->next != NULL ? &file->next->before : &spool->last) = file->before;
    spool->slots[file->slot] = NULL;
    spool->files--;
    spool->mapped -= file->segment.map != NULL;
    spool->bytes -= file->segment.size;
}

void wb_spool_fill_up(wb_spool_file *file)
{
    file->full = true;
    file->emptied = file->settled == file->rows;
}

static void count_rows(wb_spool_file *file, const wb_spool_reading *reading)
{
    wb_spooled_row row;
    for (uint32_t i = 0; i < reading->count; i++)
        if (wb_spool_segment_row(reading, i, &row)) {
            file->rows++;
            file->settled += row.settled;
        }
}

static int enter(wb_spool *spool, wb_spool_file *file, const char *path, wb_err *err)
{
    wb_monitor_lock(&spool->monitor);
    bool admitted = wb_spool_admit(spool, file, err);
    if (admitted) {
        spool->bytes += file->segment.size;
        wb_spool_segment_prove_anew(&file->segment);
    }
    wb_monitor_unlock(&spool->monitor);
    if (!admitted)
        (void)wb_disk_rename(file->segment.path, path, NULL);
    return admitted ? WB_OK : WB_STORE;
}

int wb_spool_enter(wb_spool *spool, const char *path, const wb_spool_reading *reading,
                   wb_spool_file **out, wb_err *err)
{
    const wb_spool_header *header = (const wb_spool_header *)reading->bytes;
    wb_spool_file *file = wb_alloc_zeroed(sizeof *file);
    if (file == NULL)
        return wb_fail(err, WB_MEMORY, "spool: out of memory");
    file->segment = (wb_spool_segment){.path = segment_path(spool, header->serial),
                                       .serial = header->serial,
                                       .size = reading->size,
                                       .count = reading->count};
    file->full = true;
    file->proven = !reading->same_boot; /* by what it was read by */
    file->doubtful = reading->doubtful;
    file->pins = 1;
    count_rows(file, reading);
    int code = file->segment.path != NULL
                   ? wb_disk_map(path, reading->size, &file->segment.map, err)
                   : wb_fail(err, WB_MEMORY, "spool: out of memory");
    if (code == WB_OK && wb_spool_outlives_machine(spool))
        code = wb_disk_sync(path, file->segment.map, reading->size, err);
    if (code == WB_OK)
        code = wb_disk_rename(path, file->segment.path, err);
    if (code == WB_OK)
        code = enter(spool, file, path, err);
    if (code != WB_OK) {
        wb_spool_file_free(file);
        return code;
    }
    atomic_store(&spool->unproven, true);
    *out = file;
    return WB_OK;
}

/* ---- pins ---- */

/* Locked. */
static int pin(wb_spool *spool, wb_spool_file *file, wb_err *err)
{
    if (file->segment.map == NULL) {
        int code = wb_disk_map(file->segment.path, file->segment.size, &file->segment.map, err);
        if (code != WB_OK)
            return code;
        spool->mapped++;
    }
    file->pins++;
    return WB_OK;
}

int wb_spool_pin(wb_spool *spool, wb_spool_file *file, wb_err *err)
{
    wb_monitor_lock(&spool->monitor);
    int code = pin(spool, file, err);
    wb_monitor_unlock(&spool->monitor);
    return code;
}

/* Locked. So many of its rows were settled. */
static void settled(wb_spool *spool, wb_spool_file *file, uint32_t rows)
{
    file->settled += rows;
    if (rows > 0 && file->full && file->settled == file->rows) {
        file->emptied = true;
        wb_monitor_wake_by(&spool->monitor, WB_NOW);
    }
}

void wb_spool_unpin(wb_spool *spool, wb_spool_file *file, uint32_t rows)
{
    wb_monitor_lock(&spool->monitor);
    file->pins--;
    settled(spool, file, rows);
    wb_monitor_unlock(&spool->monitor);
}

void wb_spool_lose(wb_spool *spool, wb_spool_file *file)
{
    wb_monitor_lock(&spool->monitor);
    settled(spool, file, 1);
    wb_monitor_unlock(&spool->monitor);
}

/* ---- the list ---- */

wb_spool_file *wb_spool_first(wb_spool *spool)
{
    wb_monitor_lock(&spool->monitor);
    wb_spool_file *first = spool->first;
    wb_monitor_unlock(&spool->monitor);
    return first;
}

wb_spool_file *wb_spool_next(wb_spool *spool, wb_spool_file *file)
{
    wb_monitor_lock(&spool->monitor);
    wb_spool_file *next = file->next;
    wb_monitor_unlock(&spool->monitor);
    return next;
}
