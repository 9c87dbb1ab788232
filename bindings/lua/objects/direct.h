/* SPDX-License-Identifier: MIT
 * What the parts of direct adds share: LuaJIT alone has them. */
#ifndef LWB_DIRECT_H
#define LWB_DIRECT_H

#include "lua/base/pipeline.h"

enum { LWB_DIRECT_UNUSUAL = -1, LWB_DIRECT_HEAD = sizeof(uint32_t) };
/* Larger rows are left to the methods, so that the memory of the tuple and of the JSON stays small. */
enum { LWB_DIRECT_MOST_BYTES = 1 << 18 };

/* What a slot has instead of a text, by its address. */
enum {
    LWB_DIRECT_FALSE,
    LWB_DIRECT_TRUE,
    LWB_DIRECT_NULLED,
    LWB_DIRECT_DOCUMENT,
    LWB_DIRECT_MARKS
};
extern const char lwb_direct_marks[LWB_DIRECT_MARKS];
static inline bool lwb_direct_is_mark(const char *text)
{
    return (uintptr_t)text - (uintptr_t)lwb_direct_marks < LWB_DIRECT_MARKS;
}

/* A table as JSON, in the pipeline's buffer: where it begins; a member, false where it is for the methods; its end, false
 * where it is empty. */
double lwb_direct_open(void *object);
bool lwb_direct_pair(void *object, const char *key, double bytes, const char *text, double number);
bool lwb_direct_close(void *object, double at);

#endif
