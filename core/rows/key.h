/* SPDX-License-Identifier: MIT
 * A tracker's id as it is kept, and a mark. A key is 16 bytes, whatever its type. A text's bytes lie elsewhere; who keeps
 * the key says whose they are. */
#ifndef WB_KEY_H
#define WB_KEY_H

#include <writebehind.h>

/* The longest text that is a key. */
enum { WB_KEY_TEXT_BYTES = 1024 };

typedef union wb_key {
    uint8_t id
        [16]; /* a uuid; an integer: 8 zeros, then its bytes, so that they ascend as the numbers do */
    struct {
        uint32_t sort; /* the business of who keeps it: part of its hash, or some of its bytes */
        uint32_t bytes;
        const char *at;
    } text;
} wb_key;

typedef struct wb_mark {
    wb_key key;
    int64_t time_us;
    uint64_t count; /* of marks that were merged into it; never 0 */
} wb_mark;

/* Can ids be of that type (enum wb_type)? */
bool wb_key_may_be(int type);
/* Makes a key of a value, which it borrows from. WB_INVALID names the column. */
int wb_key_of(const wb_column *column, const wb_value *value, wb_key *out, wb_err *err);
/* The way back; it borrows from the key: a uuid is 16 raw bytes. */
void wb_key_value(int type, const wb_key *key, wb_value *out);

#endif
