/* SPDX-License-Identifier: MIT
 * The state of the JSON encoder, and what it writes at once: all that is no table with items. */
#ifndef LWB_JSON_SCALAR_H
#define LWB_JSON_SCALAR_H

#include "base/json_scan.h"
#include "lua/base/lwb.h"

typedef struct lwb_encoder {
    lua_State *L;
    wb_buffer *out;
    int base;                           /* the stack's top below the value */
    int depth;                          /* of the open tables */
    bool unsure;                        /* a string is no text */
    uint64_t lists[WB_JSON_DEPTH / 64]; /* bit d - 1: the one at depth d is a list */
} lwb_encoder;

static inline void lwb_json_put_byte(lwb_encoder *e, char c)
{
    wb_buffer *out = e->out;
    if (out->bytes < out->capacity || wb_buffer_reserve(out, 1))
        out->data[out->bytes++] = c;
}

/* The key below the value at the top, and a colon. False: pushed what is wrong. */
bool lwb_json_put_key(lwb_encoder *e);
/* The empty table at the top, and a comma. The same. */
bool lwb_json_put_empty(lwb_encoder *e);
/* The value at the top, which is of that type, no table, and a comma. The same. */
bool lwb_json_put_scalar(lwb_encoder *e, int type);
/* The text of a finite number; `out` has WB_NUMBER_BYTES. */
size_t lwb_float_text(double number, char *out);

#endif
