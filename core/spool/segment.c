/* SPDX-License-Identifier: MIT
 * See segment.h. Proofs go into pairs of places: of a pair each overwrites the older one, so that the younger one, which
 * may be all that is on the disk, stands until the next is there. After a 32nd of the segment the next pair is begun:
 * where a page of the newest rows is lost, the rows before them are still proven. */
#include "spool/segment.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/env.h"
#include "spool/disk.h"

enum { PAGE = 4096, PAIRS = WB_SPOOL_PROOFS / 2 };

void wb_spool_segment_path(const char *folder, uint64_t serial, char path[WB_SPOOL_PATH_BYTES])
{
    snprintf(path, WB_SPOOL_PATH_BYTES, "%s/%016" PRIx64 ".seg", folder, serial);
}

static wb_spool_header *header_of(const wb_spool_segment *segment)
{
    return (wb_spool_header *)segment->map;
}

static void put_header(wb_spool_segment *segment, const wb_spool_segment_plan *plan)
{
    wb_spool_header *header = header_of(segment);
    header->magic = WB_SPOOL_MAGIC;
    header->version = WB_SPOOL_VERSION;
    header->size = segment->size;
    header->serial = segment->serial;
    header->replaces = plan->replaces;
    header->synced = plan->synced;
    wb_disk_boot(header->boot);
    header->check = wb_crc32c(0, header, offsetof(wb_spool_header, check));
}

int wb_spool_segment_make(const wb_spool_segment_plan *plan, wb_spool_segment *out, wb_err *err)
{
    size_t need = WB_SPOOL_ENTRIES_AT + sizeof(wb_spool_entry) + plan->head_bytes + plan->room;
    size_t size = (need + PAGE - 1) / PAGE * PAGE;
    wb_spool_segment segment = {.serial = plan->serial,
                                .size = (uint32_t)size,
                                .floor = (uint32_t)size,
                                .path = wb_strdup(plan->path)};
    if (segment.path == NULL)
        return wb_fail(err, WB_MEMORY, "spool: out of memory for a segment");
    int code = wb_disk_make(plan->path, size, &segment.map, err);
    if (code != WB_OK) {
        wb_free(segment.path);
        return code;
    }
    segment.proving.floor = segment.proving.pair_floor = (uint32_t)size;
    put_header(&segment, plan);
    wb_spool_segment_put(&segment, &(wb_spool_entry){0}, plan->head, plan->head_bytes);
    wb_spool_segment_publish(&segment);
    *out = segment;
    return WB_OK;
}

void wb_spool_segment_fini(wb_spool_segment *segment)
{
    wb_disk_unmap(segment->map, segment->size);
    wb_free(segment->path);
}

/* The next one is mostly about as large: its place is fetched while its row is still being made. */
static inline void expect_next(const wb_spool_segment *segment, size_t count)
{
    enum { LINE = 64, MOST = 512 };
    size_t ahead = count < MOST ? count : MOST;
    for (size_t at = LINE; at < ahead + LINE && at < segment->floor; at += LINE)
        __builtin_prefetch(segment->map + segment->floor - at, 1);
}

uint32_t wb_spool_segment_put(wb_spool_segment *segment, const wb_spool_entry *entry,
                              const void *bytes, size_t count)
{
    segment->floor -= (uint32_t)count;
    memcpy(segment->map + segment->floor, bytes, count);
    wb_spool_entry *to = wb_spool_segment_entry(segment, segment->count);
    *to = *entry;
    to->begin = segment->floor;
    expect_next(segment, count);
    return segment->count++;
}

uint32_t wb_spool_entry_sum(uint32_t crc, const uint8_t *segment, uint32_t number, uint32_t end)
{
    const wb_spool_entry *entry = wb_spool_entries(segment) + number;
    crc = wb_crc32c(crc, entry, WB_SPOOL_PROVEN_BYTES);
    return wb_crc32c(crc, segment + entry->begin, end - entry->begin);
}

bool wb_spool_segment_prove(wb_spool_segment *segment)
{
    struct wb_proving *proving = &segment->proving;
    uint32_t count = wb_spool_segment_published(segment);
    if (count == proving->count)
        return false;
    for (; proving->count < count; proving->count++) {
        proving->crc =
            wb_spool_entry_sum(proving->crc, segment->map, proving->count, proving->floor);
        proving->floor = wb_spool_segment_entry(segment, proving->count)->begin;
    }
    if (proving->pair_floor - proving->floor > segment->size / PAIRS && proving->pair < PAIRS - 1) {
        proving->pair_floor = proving->floor;
        proving->pair++;
    }
    header_of(segment)->proofs[2 * proving->pair + proving->side] =
        (struct wb_spool_proof){.count = count, .crc = proving->crc};
    proving->side ^= 1;
    return true;
}

void wb_spool_segment_prove_anew(wb_spool_segment *segment)
{
    const struct wb_spool_proof *proofs = header_of(segment)->proofs;
    unsigned best = 0;
    for (unsigned i = 1; i < WB_SPOOL_PROOFS; i++)
        if (proofs[i].count > proofs[best].count)
            best = i;
    segment->proving = (struct wb_proving){.floor = segment->size,
                                           .pair_floor = segment->size,
                                           .pair = best / 2,
                                           .side = (best & 1) ^ 1};
}
