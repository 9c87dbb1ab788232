/* SPDX-License-Identifier: MIT
 * A segment: a file of a spool, which has rows as they were accepted, and what became of them. A folder has those of one
 * object of one process, "0000000000000001.seg" and so on, and the file `owner`: see folder.h.
 *
 *   0            sector 0: what the segment is; written when it is made, and when another process takes it over
 *   512          sector 1: how many entries it has
 *   1024         proofs: what the sum of the first entries is
 *   4096         entries, upwards
 *   ... size     the entries' bytes, downwards: those of an entry end where those of the one before begin
 *
 * All numbers are of the machine's own byte order and size, which `magic` shows. Entry 0 is the object's own table, with a NUL
 * behind it, and the schema (rows/schema_text.h).
 * An entry with `adds` is a row; one without is a text, as a table's name, or, where it has no bytes, says that the next
 * row replaces one more.
 *
 * Written in this order: an entry with its bytes, then the count (release). So a process that dies leaves whole entries,
 * and a count that is theirs. Where the machine died any page may be old or torn in whole sectors: then what a proof
 * shows is there, and what follows is not believed. The last 16 bytes of an entry change while the row waits, and are in no
 * proof; each half is written at once, key_low first:
 *   key_high 0              no write has the row; key_low 1: it is in no batch of the memory
 *   key_high SETTLED        it is stored, dead or dropped
 *   else                    the write with this key (a batch's id) has it, or had it and failed
 *
 * To change the format: raise WB_SPOOL_VERSION, have reading.c read the old one too, and say it in docs/spool.md. */
#ifndef WB_SPOOL_FORMAT_H
#define WB_SPOOL_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define WB_SPOOL_MAGIC      UINT64_C(0x314c4f4f50534257) /* "WBSPOOL1" */
#define WB_SPOOL_SETTLED    UINT64_MAX
#define WB_SPOOL_NOT_ROUTED UINT32_MAX
enum { WB_SPOOL_VERSION = 1, WB_SPOOL_ENTRIES_AT = 4096, WB_SPOOL_PROOFS = 64 };

typedef struct wb_spool_header {
    uint64_t magic;
    uint32_t version;
    uint32_t size;     /* of the file */
    uint64_t serial;   /* in its folder: the order of segments */
    uint8_t boot[16];  /* of the machine's start in which it was written */
    uint32_t replaces; /* its rows may replace others of the folder; 0: that was seen to */
    uint32_t synced;   /* the level is "machine": a key is on the disk before its write */
    uint32_t
        doubtful;   /* it was not, and the machine died: rows without a key may have been written */
    uint32_t check; /* CRC-32C of what precedes it */
    uint8_t unused[456];
    uint32_t count; /* entries */
    uint8_t unused_too[508];
    struct wb_spool_proof {
        uint32_t count,
            crc; /* CRC-32C of the first `count` entries, each without its last 16 bytes, with its bytes */
    } proofs[WB_SPOOL_PROOFS];
} wb_spool_header;

typedef struct wb_spool_entry {
    uint32_t begin; /* where its bytes begin */
    uint32_t
        table; /* the entry with its table's name; 0: the object's own; WB_SPOOL_NOT_ROUTED: not known yet */
    int64_t unix_us;   /* when it came */
    uint64_t adds;     /* what the row stands for */
    uint64_t replaces; /* a row that is part of this one now, as WB_SPOOL_REF; 0: none */
    uint64_t key_high, key_low;
} wb_spool_entry;

enum { WB_SPOOL_PROVEN_BYTES = offsetof(wb_spool_entry, key_high), WB_SPOOL_ENTRY_BITS = 17 };
#define WB_SPOOL_REF(serial, entry) ((serial) << WB_SPOOL_ENTRY_BITS | (entry))
/* Entries of a segment, at the most. */
#define WB_SPOOL_MOST_ENTRIES (UINT32_C(1) << WB_SPOOL_ENTRY_BITS)

_Static_assert(offsetof(wb_spool_header, count) == 512, "sectors are apart");
_Static_assert(offsetof(wb_spool_header, proofs) == 1024, "sectors are apart");
_Static_assert(sizeof(wb_spool_header) <= WB_SPOOL_ENTRIES_AT, "the entries have room");
_Static_assert(sizeof(wb_spool_entry) == 48, "a key lies in one sector");

static inline const wb_spool_entry *wb_spool_entries(const uint8_t *segment)
{
    return (const wb_spool_entry *)(segment + WB_SPOOL_ENTRIES_AT);
}

#endif
