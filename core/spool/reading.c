/* SPDX-License-Identifier: MIT
 * See reading.h. An entry is believed where all before it are: their bytes lie one below the other, above the entries. */
#include "spool/reading.h"

#include <string.h>

#include "base/crc32c.h"
#include "rows/row.h"
#include "rows/schema_text.h"
#include "spool/disk.h"
#include "spool/segment.h"

static const wb_spool_entry *entry_at(const wb_spool_reading *segment, uint32_t number)
{
    return wb_spool_entries(segment->bytes) + number;
}

static uint32_t end_of(const wb_spool_reading *segment, uint32_t number)
{
    return number == 0 ? segment->size : entry_at(segment, number - 1)->begin;
}

static size_t bytes_of(const wb_spool_reading *segment, uint32_t number)
{
    return end_of(segment, number) - entry_at(segment, number)->begin;
}

/* ---- is it one, and how much of it is there ---- */

static bool lies_well(const wb_spool_reading *segment, uint32_t number, uint32_t count)
{
    uint32_t begin = entry_at(segment, number)->begin;
    return begin <= end_of(segment, number) &&
           begin >= WB_SPOOL_ENTRIES_AT + count * sizeof(wb_spool_entry);
}

/* A text ends where it should, and an entry refers to what is before it. */
static bool makes_sense(const wb_spool_reading *segment, uint32_t number)
{
    const wb_spool_entry *entry = entry_at(segment, number);
    size_t bytes = bytes_of(segment, number);
    if (entry->adds == 0)
        return (number > 0 && bytes == 0) ||
               (bytes > 0 && segment->bytes[entry->begin + bytes - 1] == '\0');
    if (entry->table == 0 || entry->table == WB_SPOOL_NOT_ROUTED)
        return bytes >= sizeof(uint16_t);
    return bytes >= sizeof(uint16_t) && entry->table < number &&
           entry_at(segment, entry->table)->adds == 0 && bytes_of(segment, entry->table) > 0;
}

static uint32_t whole_entries(const wb_spool_reading *segment, uint32_t most)
{
    uint32_t count = 0;
    size_t room = (segment->size - WB_SPOOL_ENTRIES_AT) / sizeof(wb_spool_entry);
    most = most < room ? most : (uint32_t)room;
    while (count < most && lies_well(segment, count, count + 1) && makes_sense(segment, count))
        count++;
    return count;
}

static bool is_proof(const wb_spool_header *header, uint32_t count, uint32_t crc)
{
    for (int i = 0; i < WB_SPOOL_PROOFS; i++)
        if (header->proofs[i].count == count && header->proofs[i].crc == crc)
            return true;
    return false;
}

static uint32_t proven_entries(const wb_spool_reading *segment)
{
    const wb_spool_header *header = (const wb_spool_header *)segment->bytes;
    uint32_t proven = 0, crc = 0, whole = whole_entries(segment, WB_SPOOL_MOST_ENTRIES);
    for (uint32_t number = 0; number < whole; number++) {
        crc = wb_spool_entry_sum(crc, segment->bytes, number, end_of(segment, number));
        if (is_proof(header, number + 1, crc))
            proven = number + 1;
    }
    return proven;
}

static int check_header(const wb_spool_header *header, size_t size, wb_err *err)
{
    if (size < WB_SPOOL_ENTRIES_AT + sizeof(wb_spool_entry) || size > UINT32_MAX)
        return wb_fail(err, WB_INVALID, "it has %zu bytes, and a segment more", size);
    if (header->magic != WB_SPOOL_MAGIC)
        return wb_fail(err, WB_INVALID, "it is no segment, or its header is lost");
    if (header->version != WB_SPOOL_VERSION)
        return wb_fail(err, WB_INVALID, "its format is %u, and %d is known", header->version,
                       WB_SPOOL_VERSION);
    if (header->check != wb_crc32c(0, header, offsetof(wb_spool_header, check)))
        return wb_fail(err, WB_INVALID, "its header is damaged");
    if (header->size != size)
        return wb_fail(err, WB_INVALID, "it has %zu bytes, and should have %u", size, header->size);
    return WB_OK;
}

int wb_spool_segment_read(const uint8_t *bytes, size_t size, bool gaps, wb_spool_reading *out,
                          wb_err *err)
{
    const wb_spool_header *header = (const wb_spool_header *)bytes;
    static const uint8_t unknown[16];
    uint8_t boot[16];
    int code = check_header(header, size, err);
    if (code != WB_OK)
        return code;
    wb_disk_boot(boot);
    *out = (wb_spool_reading){
        .bytes = bytes,
        .size = (uint32_t)size,
        .serial = header->serial,
        .claimed = header->count,
        .same_boot = !gaps && memcmp(boot, header->boot, sizeof boot) == 0 &&
                     memcmp(boot, unknown, sizeof boot) != 0,
        .replaces = header->replaces != 0,
    };
    out->doubtful = header->doubtful != 0 || (!out->same_boot && header->synced == 0);
    out->count = out->same_boot ? whole_entries(out, out->claimed) : proven_entries(out);
    return WB_OK;
}

bool wb_spool_segment_is_blank(const uint8_t *bytes, size_t size)
{
    const size_t least = WB_SPOOL_ENTRIES_AT + sizeof(wb_spool_entry);
    for (size_t i = size < least ? 0 : offsetof(wb_spool_header, count); i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/* ---- entries ---- */

const char *wb_spool_segment_table(const wb_spool_reading *segment)
{
    return segment->count > 0 ? (const char *)segment->bytes + entry_at(segment, 0)->begin : "";
}

const uint8_t *wb_spool_segment_schema(const wb_spool_reading *segment, size_t *bytes)
{
    const char *table = wb_spool_segment_table(segment);
    *bytes = segment->count > 0 ? bytes_of(segment, 0) - strlen(table) - 1 : 0;
    return (const uint8_t *)table + strlen(table) + 1;
}

bool wb_spool_segment_row(const wb_spool_reading *segment, uint32_t number, wb_spooled_row *out)
{
    const wb_spool_entry *entry = entry_at(segment, number);
    if (entry->adds == 0)
        return false;
    bool settled = entry->key_high == WB_SPOOL_SETTLED, keyed = !settled && entry->key_high != 0;
    bool named = entry->table != 0 && entry->table != WB_SPOOL_NOT_ROUTED;
    *out = (wb_spooled_row){
        .entry = number,
        .tuple = segment->bytes + entry->begin,
        .bytes = bytes_of(segment, number),
        .table =
            named ? (const char *)segment->bytes + entry_at(segment, entry->table)->begin : NULL,
        .routed = entry->table != WB_SPOOL_NOT_ROUTED,
        .unix_us = entry->unix_us,
        .adds = entry->adds,
        .replaces = entry->replaces,
        .key = {keyed ? entry->key_high : 0, keyed ? entry->key_low : 0},
        .settled = settled,
    };
    return true;
}

uint64_t wb_spool_segment_replaces(const wb_spool_reading *segment, uint32_t number)
{
    const wb_spool_entry *entry = entry_at(segment, number);
    return entry->adds == 0 ? entry->replaces : 0;
}

int wb_spool_segment_believe(wb_spool_reading *segment, wb_err *err)
{
    size_t bytes;
    wb_schema *schema;
    wb_spooled_row row;
    const uint8_t *text = wb_spool_segment_schema(segment, &bytes);
    if (segment->count == 0)
        return WB_OK;
    int code = wb_schema_of_text(text, bytes, &schema, err);
    if (code != WB_OK)
        return code;
    for (uint32_t i = 0; i < segment->count; i++)
        if (wb_spool_segment_row(segment, i, &row) &&
            !wb_tuple_is_sound(schema, row.tuple, row.bytes))
            segment->count = i;
    wb_schema_unref(schema);
    return WB_OK;
}
