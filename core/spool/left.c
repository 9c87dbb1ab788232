/* SPDX-License-Identifier: MIT
 * See left.h. */
#include "spool/left.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/crc32c.h"
#include "base/env.h"
#include "spool/disk.h"
#include "spool/reading.h"
#include "spool/segment.h"

/* ---- the segments of a folder ---- */

static int compare_serials(const void *a, const void *b)
{
    uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;
    return (one > other) - (one < other);
}

static bool read_serial(const char *name, uint64_t *out)
{
    char rest[8];
    return strlen(name) == 20 && sscanf(name, "%16" SCNx64 "%7s", out, rest) == 2 &&
           strcmp(rest, ".seg") == 0;
}

bool wb_left_list(const char *path, wb_left *out)
{
    wb_buffer serials = WB_BUFFER_EMPTY;
    DIR *folder = opendir(path);
    const struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        uint64_t serial;
        if (read_serial(entry->d_name, &serial))
            wb_buffer_put(&serials, &serial, sizeof serial);
    }
    if (folder != NULL)
        closedir(folder);
    size_t bytes;
    out->folder = path;
    out->serials = (uint64_t *)wb_buffer_take(&serials, &bytes);
    out->count = out->serials != NULL ? bytes / sizeof(uint64_t) : 0;
    if (out->count > 0)
        qsort(out->serials, out->count, sizeof *out->serials, compare_serials);
    return out->serials != NULL;
}

void wb_left_fini(wb_left *left)
{
    wb_free(left->serials);
}

void wb_left_path(const char *folder, uint64_t serial, char path[WB_LEFT_PATH_BYTES])
{
    snprintf(path, WB_LEFT_PATH_BYTES, "%s/%016" PRIx64 ".seg", folder, serial);
}

/* ---- rows that are part of later ones ---- */

/* One segment of the folder is mapped at a time. */
struct target {
    const char *folder;
    uint64_t serial;
    uint8_t *map;
    size_t bytes;
};

static void leave_target(struct target *target)
{
    wb_disk_unmap(target->map, target->bytes);
    target->map = NULL;
}

static bool enter_target(struct target *target, uint64_t serial)
{
    char path[WB_LEFT_PATH_BYTES];
    uint8_t *header;
    bool gaps;
    if (target->map != NULL && target->serial == serial)
        return true;
    leave_target(target);
    wb_left_path(target->folder, serial, path);
    if (wb_disk_read(path, sizeof(wb_spool_header), &header, &target->bytes, &gaps, NULL) != WB_OK)
        return false; /* it is gone: all its rows were settled */
    bool whole = target->bytes == sizeof(wb_spool_header) && !gaps;
    target->bytes = whole ? ((wb_spool_header *)header)->size : 0;
    wb_free(header);
    target->serial = serial;
    return whole && wb_disk_map(path, target->bytes, &target->map, NULL) == WB_OK;
}

static void settle_ref(struct target *target, uint64_t ref)
{
    uint64_t serial = ref >> WB_SPOOL_ENTRY_BITS, entry = ref & (WB_SPOOL_MOST_ENTRIES - 1);
    if (ref == 0 || !enter_target(target, serial))
        return;
    size_t at = WB_SPOOL_ENTRIES_AT + entry * sizeof(wb_spool_entry);
    if (at + sizeof(wb_spool_entry) <= target->bytes)
        wb_entry_settle((wb_spool_entry *)(target->map + at));
}

static void settle_replaced(struct target *target, const wb_spool_reading *reading)
{
    wb_spooled_row row;
    for (uint32_t i = 0; i < reading->count; i++) {
        if (wb_spool_segment_row(reading, i, &row))
            settle_ref(target, row.replaces);
        else
            settle_ref(target, wb_spool_segment_replaces(reading, i));
    }
}

/* The header of a segment; all 0 where it can't be read. */
static wb_spool_header header_of(const wb_left *left, size_t i, char path[WB_LEFT_PATH_BYTES])
{
    wb_spool_header header = {0};
    uint8_t *bytes;
    size_t size;
    bool gaps;
    wb_left_path(left->folder, left->serials[i], path);
    if (wb_disk_read(path, sizeof header, &bytes, &size, &gaps, NULL) != WB_OK)
        return header;
    if (size == sizeof header)
        memcpy(&header, bytes, sizeof header);
    wb_free(bytes);
    return header;
}

static bool any_replaces(const wb_left *left)
{
    char path[WB_LEFT_PATH_BYTES];
    bool any = false;
    for (size_t i = 0; i < left->count && !any; i++)
        any = header_of(left, i, path).replaces != 0;
    return any;
}

static int resolve(const wb_left *left, size_t i, wb_err *err)
{
    char path[WB_LEFT_PATH_BYTES];
    uint8_t *bytes;
    size_t size;
    bool gaps;
    wb_spool_reading reading;
    struct target target = {.folder = left->folder};
    wb_left_path(left->folder, left->serials[i], path);
    int code = wb_disk_read(path, UINT32_MAX, &bytes, &size, &gaps, err);
    if (code != WB_OK)
        return code;
    if (wb_spool_segment_read(bytes, size, gaps, &reading, NULL) == WB_OK && reading.replaces)
        settle_replaced(&target, &reading);
    leave_target(&target);
    wb_free(bytes);
    return WB_OK;
}

static int say_resolved(const wb_left *left, size_t i, wb_err *err)
{
    char path[WB_LEFT_PATH_BYTES];
    wb_spool_header header = header_of(left, i, path);
    bool whole = header.magic == WB_SPOOL_MAGIC &&
                 header.check == wb_crc32c(0, &header, offsetof(wb_spool_header, check));
    if (!whole || header.replaces == 0)
        return WB_OK;
    header.replaces = 0;
    header.check = wb_crc32c(0, &header, offsetof(wb_spool_header, check));
    return wb_disk_patch(path, 0, &header, offsetof(wb_spool_header, count), err);
}

int wb_left_resolve(const wb_left *left, wb_err *err)
{
    int code = WB_OK;
    if (!any_replaces(left))
        return WB_OK;
    for (size_t i = 0; code == WB_OK && i < left->count; i++)
        code = resolve(left, i, err);
    for (size_t i = 0; code == WB_OK && i < left->count; i++)
        code = say_resolved(left, i, err);
    return code;
}
