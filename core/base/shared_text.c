/* SPDX-License-Identifier: MIT
 * See shared_text.h. */
#include "base/shared_text.h"

#include <string.h>

#include "base/env.h"

wb_shared_text *wb_shared_text_new(const char *text)
{
    size_t bytes = strlen(text) + 1;
    wb_shared_text *shared = wb_alloc(sizeof *shared + bytes);
    if (shared == NULL)
        return NULL;
    atomic_init(&shared->references, 1);
    memcpy(shared->text, text, bytes);
    return shared;
}

wb_shared_text *wb_shared_text_ref(wb_shared_text *shared)
{
    if (shared != NULL)
        atomic_fetch_add_explicit(&shared->references, 1, memory_order_relaxed);
    return shared;
}

void wb_shared_text_unref(wb_shared_text *shared)
{
    if (shared != NULL &&
        atomic_fetch_sub_explicit(&shared->references, 1, memory_order_acq_rel) == 1)
        wb_free(shared);
}
