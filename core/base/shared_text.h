/* SPDX-License-Identifier: MIT
 * A text that several hold, in any thread: the last one to let go of it frees it. It never changes. */
#ifndef WB_SHARED_TEXT_H
#define WB_SHARED_TEXT_H

#include <stdatomic.h>
#include <stdbool.h>

typedef struct wb_shared_text {
    atomic_uint references;
    char text[];
} wb_shared_text;

wb_shared_text *wb_shared_text_new(const char *text); /* one reference; NULL: no memory */
/* NULL is nothing to hold. */
wb_shared_text *wb_shared_text_ref(wb_shared_text *shared); /* the same */
void wb_shared_text_unref(wb_shared_text *shared);

/* Does the caller, who keeps others from taking references of him, hold the only one? */
static inline bool wb_shared_text_is_lone(const wb_shared_text *shared)
{
    return atomic_load_explicit(&shared->references, memory_order_acquire) == 1;
}

#endif
