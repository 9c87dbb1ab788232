/* SPDX-License-Identifier: MIT
 * See resolve.h. A later row is proven before the others are settled, and those are on the disk before the header says so: at
 * no time could all of them be lost, or be there. Damaged segments are left as they are. */
#include "spool/resolve.h"

#include <errno.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/env.h"
#include "base/err.h"
#include "spool/disk.h"

enum { PATH_BYTES = WB_SPOOL_PATH_BYTES };

struct resolving {
    const char *folder;
    bool outlives_machine;
    wb_err *err;
    /* the segment that rows are settled in: one is mapped at a time */
    uint64_t serial;
    uint8_t *map;
    size_t bytes;
    bool marked;
};

/* ---- the segment that is marked ---- */

static int leave_target(struct resolving *to)
{
    char path[PATH_BYTES];
    int code = WB_OK;
    wb_spool_segment_path(to->folder, to->serial, path);
    if (to->marked && to->outlives_machine)
        code = wb_disk_sync(path, to->map, to->bytes, to->err);
    wb_disk_unmap(to->map, to->bytes);
    to->map = NULL;
    to->marked = false;
    return code;
}

/* How many bytes the segment has by its header; 0: it is none, or gone, as all its rows were settled. */
static int read_size(const char *path, size_t *out, wb_err *err)
{
    uint8_t *bytes;
    size_t size;
    bool gaps;
    *out = 0;
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return WB_OK;
    int code = wb_disk_read(path, sizeof(wb_spool_header), &bytes, &size, &gaps, err);
    if (code != WB_OK)
        return code;
    const wb_spool_header *header = (const wb_spool_header *)bytes;
    if (size == sizeof *header && !gaps && header->magic == WB_SPOOL_MAGIC)
        *out = header->size;
    wb_free(bytes);
    return WB_OK;
}

static int enter_target(struct resolving *to, uint64_t serial)
{
    char path[PATH_BYTES];
    if (to->map != NULL && to->serial == serial)
        return WB_OK;
    int code = leave_target(to);
    to->serial = serial;
    wb_spool_segment_path(to->folder, serial, path);
    if (code == WB_OK)
        code = read_size(path, &to->bytes, to->err);
    if (code == WB_OK && to->bytes > 0)
        code = wb_disk_map(path, to->bytes, &to->map, to->err);
    return code == WB_INVALID ? WB_OK : code;
}

static int settle_ref(struct resolving *to, uint64_t ref)
{
    uint64_t serial = ref >> WB_SPOOL_ENTRY_BITS, entry = ref & (WB_SPOOL_MOST_ENTRIES - 1);
    size_t at = WB_SPOOL_ENTRIES_AT + entry * sizeof(wb_spool_entry);
    int code = ref != 0 ? enter_target(to, serial) : WB_OK;
    if (code != WB_OK || ref == 0 || to->map == NULL || at + sizeof(wb_spool_entry) > to->bytes)
        return code;
    if (wb_entry_settle((wb_spool_entry *)(to->map + at)))
        to->marked = true;
    return WB_OK;
}

/* ---- the segment that says so ---- */

/* Its process died before it proved the last of its rows, perhaps. */
static int prove(const struct resolving *to, const char *path, const wb_spool_reading *reading)
{
    wb_spool_segment segment = {.size = reading->size};
    bool needed = to->outlives_machine && reading->same_boot && reading->count == reading->claimed;
    int code = needed ? wb_disk_map(path, reading->size, &segment.map, to->err) : WB_OK;
    if (!needed || code != WB_OK)
        return code;
    wb_spool_segment_prove_anew(&segment);
    wb_spool_segment_prove(&segment);
    code = wb_disk_sync(path, segment.map, segment.size, to->err);
    wb_disk_unmap(segment.map, segment.size);
    return code;
}

static int resolve(struct resolving *to, const char *path, uint8_t *bytes,
                   const wb_spool_reading *reading)
{
    wb_spooled_row row;
    (void)bytes;
    int code = prove(to, path, reading);
    for (uint32_t i = 0; i < reading->count && code == WB_OK; i++)
        code = settle_ref(to, wb_spool_segment_row(reading, i, &row)
                                  ? row.replaces
                                  : wb_spool_segment_replaces(reading, i));
    int last = leave_target(to);
    return code == WB_OK ? last : code;
}

static int say_resolved(struct resolving *to, const char *path, uint8_t *bytes,
                        const wb_spool_reading *reading)
{
    wb_spool_header *header = (wb_spool_header *)bytes;
    (void)reading;
    header->replaces = 0;
    header->check = wb_crc32c(0, header, offsetof(wb_spool_header, check));
    return wb_disk_patch(path, 0, header, offsetof(wb_spool_header, count), to->err);
}

/* ---- all of a folder ---- */

typedef int resolve_step(struct resolving *to, const char *path, uint8_t *bytes,
                         const wb_spool_reading *reading);

static int each(struct resolving *to, const uint64_t *serials, size_t count, resolve_step *done)
{
    int code = WB_OK;
    for (size_t i = 0; i < count && code == WB_OK; i++) {
        char path[PATH_BYTES];
        uint8_t *bytes;
        size_t size;
        bool gaps;
        wb_spool_reading reading;
        wb_spool_segment_path(to->folder, serials[i], path);
        code = wb_disk_read(path, UINT32_MAX, &bytes, &size, &gaps, to->err);
        if (code != WB_OK)
            break;
        if (wb_spool_segment_read(bytes, size, gaps, &reading, NULL) == WB_OK && reading.replaces)
            code = done(to, path, bytes, &reading);
        wb_free(bytes);
    }
    return code;
}

/* By the headers alone; where one can't be read, perhaps. */
static bool any_replaces(const char *folder, const uint64_t *serials, size_t count)
{
    bool any = false;
    for (size_t i = 0; i < count && !any; i++) {
        char path[PATH_BYTES];
        uint8_t *bytes;
        size_t size;
        bool gaps;
        wb_spool_segment_path(folder, serials[i], path);
        if (wb_disk_read(path, WB_SPOOL_ENTRIES_AT, &bytes, &size, &gaps, NULL) != WB_OK)
            return true;
        any = size == WB_SPOOL_ENTRIES_AT && ((const wb_spool_header *)bytes)->replaces != 0;
        wb_free(bytes);
    }
    return any;
}

int wb_spool_resolve(const char *folder, const uint64_t *serials, size_t count,
                     bool outlives_machine, wb_err *err)
{
    struct resolving to = {.folder = folder, .outlives_machine = outlives_machine, .err = err};
    if (!any_replaces(folder, serials, count))
        return WB_OK;
    int code = each(&to, serials, count, resolve);
    return code == WB_OK ? each(&to, serials, count, say_resolved) : code;
}
