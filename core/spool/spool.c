/* SPDX-License-Identifier: MIT
 * See spool.h: making a spool, and putting rows into it. Invariants: a file that is in the list has a slot, and a number
 * keeps its meaning until its row is settled and its file removed; serials ascend in the list. Fails where the disk does, or
 * the limits; then nothing was put. */
#include "spool/spool.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/env.h"
#include "base/err.h"
#include "base/path.h"
#include "rows/schema_text.h"

/* ---- making and ending ---- */

static bool fill(wb_spool *spool, const wb_spool_options *options, const char *kind,
                 const char *table, const wb_schema *schema)
{
    size_t bytes;
    uint8_t *text = wb_schema_text(schema, &bytes);
    wb_buffer head = WB_BUFFER_EMPTY;
    wb_buffer_put(&head, table, strlen(table) + 1);
    if (text != NULL)
        wb_buffer_put(&head, text, bytes);
    spool->options = *options;
    spool->options.path = wb_path_absolute(options->path);
    spool->kind = wb_strdup(kind);
    spool->head = (uint8_t *)wb_buffer_take(&head, &spool->head_bytes);
    spool->slots = wb_alloc_zeroed(WB_SPOOL_SLOTS * sizeof *spool->slots);
    wb_free(text);
    return spool->options.path != NULL && spool->kind != NULL && spool->head != NULL &&
           text != NULL && spool->slots != NULL;
}

int wb_spool_new(const wb_spool_options *options, const char *kind, const char *table,
                 const wb_schema *schema, bool replaces, wb_spool **out, wb_err *err)
{
    int code = wb_root_check(options->path, options->durability == WB_DURABLE_MACHINE, err);
    if (code != WB_OK)
        return code;
    wb_spool *spool = wb_alloc_zeroed(sizeof *spool);
    if (spool == NULL)
        return wb_fail(err, WB_MEMORY, "spool: out of memory");
    wb_monitor_init(&spool->monitor);
    spool->replaces = replaces;
    spool->folder.lock = -1;
    if (!fill(spool, options, kind, table, schema)) {
        wb_spool_free(spool);
        return wb_fail(err, WB_MEMORY, "spool: out of memory");
    }
    *out = spool;
    return WB_OK;
}

int wb_spool_open(wb_spool *spool, const char *name, wb_err *err)
{
    if (spool->folder.path != NULL)
        return WB_OK;
    spool->name = name;
    return wb_folder_make(spool->options.path, spool->kind, name, &spool->folder, err);
}

void wb_spool_free(wb_spool *spool)
{
    if (spool == NULL)
        return;
    for (wb_spool_file *file = spool->first, *next; file != NULL; file = next) {
        next = file->next;
        wb_spool_file_end(file);
    }
    if (spool->spare != NULL)
        wb_spool_file_end(spool->spare);
    if (spool->folder.path != NULL)
        wb_folder_fini(&spool->folder);
    wb_monitor_fini(&spool->monitor);
    wb_free((void *)spool->options.path);
    wb_free(spool->kind);
    wb_free(spool->head);
    wb_free(spool->slots);
    wb_free(spool->names);
    wb_free(spool);
}

const char *wb_spool_path(const wb_spool *spool)
{
    return spool->folder.path != NULL ? spool->folder.path : "";
}

/* ---- putting ---- */

/* Locked. A segment that has room: the one that was made ready, or a new one where that is too small, or not there. */
static wb_spool_file *next_file(wb_spool *spool, size_t room, wb_err *err)
{
    wb_spool_file *file = spool->spare;
    spool->spare = NULL;
    bool is_last =
        spool->last == NULL || file == NULL || spool->last->segment.serial < file->segment.serial;
    if (file != NULL && is_last &&
        wb_spool_segment_fits(&file->segment, WB_SPOOL_ROW_ENTRIES, room))
        return file;
    if (file != NULL) {
        spool->bytes -= file->segment.size;
        wb_spool_file_end(file);
        file = NULL;
    }
    if (spool->troubled) { /* the keeper tries again, and says when it is over */
        *err = spool->trouble;
        return NULL;
    }
    size_t usual = wb_spool_usual_room(spool);
    room = room < usual ? usual : room;
    int code = wb_spool_has_room(spool, room, err)
                   ? wb_spool_make(spool, ++spool->serial, room, &file, err)
                   : WB_STORE;
    if (code != WB_OK) {
        spool->troubled = code == WB_STORE;
        spool->trouble = *err;
        return NULL;
    }
    spool->bytes += file->segment.size;
    return file;
}

static int rotate(wb_spool *spool, size_t room, wb_err *err)
{
    wb_err own = {0};
    err = err != NULL ? err : &own;
    wb_monitor_lock(&spool->monitor);
    wb_spool_file *file = next_file(spool, room, err);
    if (file != NULL && !wb_spool_admit(spool, file, err)) {
        spool->bytes -= file->segment.size;
        wb_spool_file_end(file);
        file = NULL;
    }
    if (file != NULL) {
        if (spool->current != NULL)
            wb_spool_fill_up(spool->current);
        atomic_store(&spool->unproven, true);
        spool->low = file->segment.size / (spool->eager || spool->current != NULL ? 1 : 2);
        spool->current = file;
    }
    wb_monitor_wake_by(&spool->monitor, WB_NOW);
    wb_monitor_unlock(&spool->monitor);
    return file != NULL ? WB_OK : err->code;
}

static bool know_route(wb_spool *spool, uint32_t route)
{
    if (route < spool->names_room)
        return true;
    uint32_t room = (route + 1) * 2;
    struct wb_spool_name *names = wb_realloc(spool->names, room * sizeof *names);
    if (names == NULL)
        return false;
    memset(names + spool->names_room, 0, (room - spool->names_room) * sizeof *names);
    spool->names = names;
    spool->names_room = room;
    return true;
}

/* Does that entry of the open segment name the table? The number of one that was forgotten is given to another. */
static bool is_named(const wb_spool_segment *segment, const struct wb_spool_name *name,
                     const char *table)
{
    const uint8_t *map = segment->map;
    return name->serial == segment->serial &&
           strcmp((const char *)map + wb_spool_entries(map)[name->entry].begin, table) == 0;
}

static uint32_t table_entry(wb_spool *spool, const wb_spool_row *row)
{
    if (!row->routed)
        return WB_SPOOL_NOT_ROUTED;
    if (row->table == NULL)
        return 0;
    wb_spool_segment *segment = &spool->current->segment;
    struct wb_spool_name *name = &spool->names[row->route];
    if (!is_named(segment, name, row->table)) {
        name->entry =
            wb_spool_segment_put(segment, &(wb_spool_entry){0}, row->table, strlen(row->table) + 1);
        name->serial = segment->serial;
    }
    return name->entry;
}

static uint64_t ref_of(const wb_spool *spool, uint32_t number)
{
    if (number == 0)
        return 0;
    const wb_spool_file *file = spool->slots[wb_spool_slot(number)];
    return WB_SPOOL_REF(file->segment.serial, wb_spool_entry_of(number));
}

int wb_spool_reserve(wb_spool *spool, size_t bytes, const char *table, uint32_t route, wb_err *err)
{
    if (table != NULL) {
        bytes += strlen(table) + 1;
        if (!know_route(spool, route))
            return wb_fail(err, WB_MEMORY, "spool: out of memory");
    }
    if (wb_spool_is_ready(spool, bytes))
        return WB_OK;
    return rotate(spool, bytes + WB_SPOOL_ROW_ENTRIES * sizeof(wb_spool_entry), err);
}

uint32_t wb_spool_put(wb_spool *spool, const wb_spool_row *row, uint8_t **at)
{
    wb_spool_file *file = spool->current;
    wb_spool_entry entry = {
        .table = table_entry(spool, row),
        .unix_us = row->unix_us,
        .adds = row->adds,
        .replaces = ref_of(spool, row->replaces[0]),
        .key_low = row->parked,
    };
    if (row->replaces[1] != 0)
        wb_spool_segment_put(&file->segment,
                             &(wb_spool_entry){.replaces = ref_of(spool, row->replaces[1])}, "", 0);
    uint32_t place = wb_spool_segment_put(&file->segment, &entry, row->tuple, row->bytes);
    *at = file->segment.map + file->segment.floor;
    return file->slot << WB_SPOOL_ENTRY_BITS | place;
}

void wb_spool_publish(wb_spool *spool)
{
    wb_spool_file *file = spool->current;
    file->rows++;
    wb_spool_segment_publish(&file->segment);
    bool low = file->segment.floor < spool->low;
    if (!low && atomic_load_explicit(&spool->unproven, memory_order_relaxed))
        return;
    atomic_store_explicit(&spool->unproven, true, memory_order_relaxed);
    wb_monitor_lock(&spool->monitor);
    if (low) {
        spool->low = 0;
        spool->wants_spare = true;
    }
    wb_monitor_wake_by(&spool->monitor,
                       low ? WB_NOW : wb_after_us(wb_now_us(), spool->options.sync_us));
    wb_monitor_unlock(&spool->monitor);
}

/* Where the next one is not ready, it is made when a row comes. */
uint64_t wb_spool_cut(wb_spool *spool)
{
    uint64_t serial = 0;
    wb_monitor_lock(&spool->monitor);
    if (spool->current != NULL) {
        serial = spool->current->segment.serial;
        wb_spool_fill_up(spool->current);
    }
    spool->current = NULL;
    wb_monitor_unlock(&spool->monitor);
    return serial;
}
