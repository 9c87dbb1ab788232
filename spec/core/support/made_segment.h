/* SPDX-License-Identifier: MIT
 * A segment with random entries, in a folder of its test's own, and what each entry was made with. */
#ifndef WB_MADE_SEGMENT_H
#define WB_MADE_SEGMENT_H

#include "spool/segment.h"
#include "support/spool_root.h"
#include "support/support.h"

enum { MADE_MOST = 200, MADE_SERIAL = 7 };

/* What an entry was made with. */
struct made_entry {
    wb_spool_entry entry;
    uint8_t bytes[200];
    size_t count;
};

struct made {
    wb_spool_segment segment;
    struct made_entry puts[MADE_MOST];
    uint32_t count;
    uint64_t random;
};

extern char made_root[ROOT_PATH], made_path[ROOT_PATH + 16]; /* of the segment */
extern const uint8_t made_head[12];

/* For cmocka: the folder. */
int made_open(void **state);
int made_close(void **state);
int made_at(const char *path, wb_spool_segment *out, wb_err *err);
void made_begin(struct made *made, uint64_t seed); /* it has its schema */
void made_end(struct made *made);                  /* removes the file */
/* Puts so many random entries, or as many as fit: rows, texts, references. Not published. */
void made_put(struct made *made, int most);

#endif
