/* SPDX-License-Identifier: MIT
 * See tend.h. The keeper alone frees files, so it may look at one without the lock. What can't be done is said
 * by wb_spool_trouble, and tried again a second later. */
#include "spool/tend.h"

#include <string.h>

#include "base/env.h"
#include "base/err.h"
#include "spool/disk.h"
#include "spool/marks.h"

#define AGAIN_US INT64_C(1000000)

/* ---- what is empty, and what is not needed ---- */

static wb_spool_file *take_emptied(wb_spool *spool)
{
    wb_monitor_lock(&spool->monitor);
    wb_spool_file *file = spool->first;
    while (file != NULL && !(file->emptied && file->pins == 0 && (!file->replaces || file->proven)))
        file = file->next;
    if (file != NULL)
        wb_spool_dismiss(spool, file);
    wb_monitor_unlock(&spool->monitor);
    return file;
}

static int sync_file(wb_spool *spool, wb_spool_file *file, wb_err *err)
{
    int code = wb_spool_pin(spool, file, err);
    if (code != WB_OK)
        return code;
    code = wb_disk_sync(file->segment.path, file->segment.map, file->segment.size, err);
    wb_spool_unpin(spool, file, 0);
    return code;
}

/* What says that a row is part of another one must not be lost after the other one is removed. */
static bool sync_marks(wb_spool *spool)
{
    bool done = true;
    for (wb_spool_file *file =
             spool->replaces && wb_spool_outlives_machine(spool) ? wb_spool_first(spool) : NULL;
         file != NULL; file = wb_spool_next(spool, file)) {
        bool synced = !file->marked || sync_file(spool, file, NULL) == WB_OK;
        file->marked = file->marked && !synced;
        done = done && synced;
    }
    return done;
}

/* A file that can't be removed is removed by who adopts the folder: all its rows are settled. */
static void remove_emptied(wb_spool *spool)
{
    wb_spool_file *file;
    if (!sync_marks(spool))
        return;
    while ((file = take_emptied(spool)) != NULL) {
        (void)wb_disk_remove(file->segment.path, NULL);
        wb_spool_file_free(file);
    }
}

/* The oldest first; those that the memory has rows of are mapped again when these are settled. */
static void unmap_some(wb_spool *spool)
{
    wb_monitor_lock(&spool->monitor);
    for (wb_spool_file *file = spool->first; file != NULL && spool->mapped > WB_SPOOL_MAPS;
         file = file->next) {
        if (file->segment.map == NULL || file->pins > 0 || !file->full || !file->proven)
            continue;
        wb_disk_unmap(file->segment.map, file->segment.size);
        file->segment.map = NULL;
        spool->mapped--;
    }
    wb_monitor_unlock(&spool->monitor);
}

/* ---- what is to be ready ---- */

static void tell_trouble(wb_spool *spool, bool troubled, const wb_err *err)
{
    wb_monitor_lock(&spool->monitor);
    spool->troubled = troubled;
    if (troubled)
        spool->trouble = *err;
    wb_monitor_unlock(&spool->monitor);
}

/* A file that nobody puts into yet. False: there is none. */
static bool make_spare(wb_spool *spool)
{
    wb_err err = {0};
    wb_spool_file *file = NULL;
    size_t room = wb_spool_usual_room(spool);
    wb_monitor_lock(&spool->monitor);
    bool may = wb_spool_has_room(spool, room, &err);
    uint64_t serial = ++spool->serial;
    wb_monitor_unlock(&spool->monitor);
    if (!may || wb_spool_make(spool, serial, room, &file, &err) != WB_OK) {
        tell_trouble(spool, true, &err);
        return false;
    }
    wb_monitor_lock(&spool->monitor);
    bool wanted =
        spool->spare == NULL && (spool->last == NULL || spool->last->segment.serial < serial);
    if (wanted) {
        spool->spare = file;
        spool->bytes += file->segment.size;
        spool->wants_spare = false;
    }
    spool->troubled = false;
    wb_monitor_unlock(&spool->monitor);
    if (!wanted) { /* a newer one had to be made meanwhile */
        (void)wb_disk_remove(file->segment.path, NULL);
        wb_spool_file_free(file);
    }
    return true;
}

static bool prepare(wb_spool *spool)
{
    wb_monitor_lock(&spool->monitor);
    bool wanted = spool->spare == NULL && (spool->wants_spare || spool->troubled);
    wb_monitor_unlock(&spool->monitor);
    return !wanted || make_spare(spool);
}

/* ---- what is new ---- */

/* The oldest file that is not proven yet, from where the keeper was; it is pinned. */
static wb_spool_file *next_unproven(wb_spool *spool, const wb_spool_file *after, uint64_t last,
                                    bool *full)
{
    wb_monitor_lock(&spool->monitor);
    wb_spool_file *file = after != NULL ? after->next : spool->first;
    while (file != NULL && (file->proven || file->segment.map == NULL))
        file = file->next;
    if (file != NULL && file->segment.serial > last)
        file = NULL;
    if (file != NULL) {
        file->pins++;
        *full = file->full; /* before it is proven: then nothing more comes */
    }
    wb_monitor_unlock(&spool->monitor);
    return file;
}

/* The file of that serial; NULL: it is gone. */
static wb_spool_file *file_of(wb_spool *spool, uint64_t serial)
{
    wb_monitor_lock(&spool->monitor);
    wb_spool_file *file = spool->last;
    while (file != NULL && file->segment.serial != serial)
        file = file->before;
    wb_monitor_unlock(&spool->monitor);
    return file;
}

/* Rows that are part of proven ones are settled: not before, as both could be lost then. Those that can't be marked now are
 * marked the next time; until then the file of the others stays. */
static int settle_replaced(wb_spool *spool, wb_spool_file *file, wb_err *err)
{
    wb_spool_marks marks = {.spool = spool, .err = err};
    uint32_t proven = file->segment.proving.count;
    for (; file->replaces && file->resolved < proven && marks.code == WB_OK; file->resolved++) {
        uint64_t ref = wb_spool_segment_entry(&file->segment, file->resolved)->replaces;
        wb_spool_file *other = ref != 0 ? file_of(spool, ref >> WB_SPOOL_ENTRY_BITS) : NULL;
        if (other == NULL)
            continue;
        if (!wb_spool_settle_ref(&marks, other, ref & (WB_SPOOL_MOST_ENTRIES - 1)))
            break;
        other->marked = true;
    }
    wb_spool_marks_end(&marks);
    return marks.code;
}

static int prove_file(wb_spool *spool, wb_spool_file *file, bool full, wb_err *err)
{
    int code = WB_OK;
    bool news = wb_spool_segment_prove(&file->segment) || file->unsynced;
    if (news && wb_spool_outlives_machine(spool)) {
        code = wb_disk_sync(file->segment.path, file->segment.map, file->segment.size, err);
        file->unsynced = code != WB_OK;
    }
    if (code == WB_OK)
        code = settle_replaced(spool, file, err);
    file->proven = full && code == WB_OK;
    return code;
}

/* Those that there are by now: who puts faster than this may not keep the keeper from its other work. */
static int prove_all(wb_spool *spool, wb_err *err)
{
    int code = WB_OK;
    bool full;
    wb_monitor_lock(&spool->monitor);
    uint64_t last = spool->last != NULL ? spool->last->segment.serial : 0;
    wb_monitor_unlock(&spool->monitor);
    for (wb_spool_file *file = NULL; code == WB_OK;) {
        file = next_unproven(spool, file, last, &full);
        if (file == NULL)
            break;
        code = prove_file(spool, file, full, err);
        wb_spool_unpin(spool, file, 0);
        unmap_some(spool);
    }
    return code;
}

/* False: it could not be synced. */
static bool prove(wb_spool *spool)
{
    wb_err err = {0};
    wb_monitor_lock(&spool->monitor);
    uint64_t wanted = spool->sync_wanted;
    bool asked = wanted != spool->sync_done;
    wb_monitor_unlock(&spool->monitor);
    if (!atomic_exchange(&spool->unproven, false) && !asked)
        return true;
    int code = prove_all(spool, &err);
    wb_monitor_lock(&spool->monitor);
    spool->sync_done = wanted;
    if (code != WB_OK) {
        spool->sync_failed = wanted;
        spool->trouble = err;
        atomic_store(&spool->unproven, true);
    }
    wb_monitor_tell(&spool->monitor);
    wb_monitor_unlock(&spool->monitor);
    return code == WB_OK;
}

/* ---- the keeper ---- */

int64_t wb_spool_tend(wb_spool *spool)
{
    if (spool->folder.path == NULL)
        return WB_NEVER;
    bool ready = prepare(spool);
    bool proven = prove(spool);
    remove_emptied(spool);
    unmap_some(spool); /* what was pinned */
    if (!ready || !proven)
        return wb_after_us(wb_now_us(), AGAIN_US);
    return WB_NEVER;
}

void wb_spool_leave(wb_spool *spool)
{
    wb_monitor_lock(&spool->monitor);
    wb_spool_file *spare = spool->spare;
    if (spool->current != NULL)
        wb_spool_fill_up(spool->current);
    spool->current = NULL;
    spool->spare = NULL;
    spool->wants_spare = false;
    if (spare != NULL)
        spool->bytes -= spare->segment.size;
    wb_monitor_unlock(&spool->monitor);
    if (spare != NULL)
        wb_spool_file_end(spare);
    (void)wb_spool_tend(spool);
    if (spool->files == 0 && spool->folder.path != NULL)
        wb_folder_fini(&spool->folder);
}

void wb_spool_wait(wb_spool *spool, int64_t until_us)
{
    wb_monitor_lock(&spool->monitor);
    bool news = atomic_load(&spool->unproven);
    int64_t soon_us = wb_after_us(wb_now_us(), spool->options.sync_us);
    if (news && soon_us < until_us)
        until_us = soon_us;
    bool asked = spool->woken || spool->sync_wanted != spool->sync_done ||
                 (spool->wants_spare && !spool->troubled);
    spool->woken = false;
    if (!asked && until_us > wb_now_us())
        wb_monitor_sleep(&spool->monitor, until_us);
    wb_monitor_unlock(&spool->monitor);
}

void wb_spool_wake(wb_spool *spool)
{
    wb_monitor_lock(&spool->monitor);
    spool->woken = true;
    wb_monitor_wake_by(&spool->monitor, WB_NOW);
    wb_monitor_unlock(&spool->monitor);
}

int wb_spool_sync(wb_spool *spool, int64_t deadline_us, wb_err *err)
{
    if (spool->folder.path == NULL)
        return WB_OK; /* nothing was put yet, or all is settled */
    wb_monitor_lock(&spool->monitor);
    bool tended = spool->tended;
    uint64_t wanted = ++spool->sync_wanted;
    wb_monitor_wake_by(&spool->monitor, WB_NOW);
    wb_monitor_unlock(&spool->monitor);
    if (!tended)
        wb_spool_tend(spool);
    wb_monitor_lock(&spool->monitor);
    bool done = spool->sync_done >= wanted;
    while (!done && wb_monitor_wait(&spool->monitor, deadline_us))
        done = spool->sync_done >= wanted;
    done = spool->sync_done >= wanted;
    bool failed = done && spool->sync_failed >= wanted;
    wb_err trouble = spool->trouble;
    wb_monitor_unlock(&spool->monitor);
    if (failed)
        return wb_fail(err, WB_STORE, "%s", trouble.text);
    return done ? WB_OK : wb_fail(err, WB_TIMEOUT, "the spool's disk has not synced yet");
}

bool wb_spool_trouble(wb_spool *spool, wb_err *err)
{
    wb_monitor_lock(&spool->monitor);
    bool troubled = spool->troubled;
    if (troubled)
        *err = spool->trouble;
    wb_monitor_unlock(&spool->monitor);
    return troubled;
}

uint64_t wb_spool_bytes(wb_spool *spool)
{
    wb_monitor_lock(&spool->monitor);
    uint64_t bytes = spool->bytes;
    wb_monitor_unlock(&spool->monitor);
    return bytes;
}
