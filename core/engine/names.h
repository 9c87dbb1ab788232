/* SPDX-License-Identifier: MIT
 * The names of a process's pipelines, in logs, events and spools: each is there once among those that are used in this
 * process and not closed. A name is taken at the first use, so that what is only there, in an ancestor or from before nginx
 * was reloaded, has none. Who takes one that is taken gets it with a number: "t#2". */
#ifndef WB_NAMES_H
#define WB_NAMES_H

#include "base/env.h"

typedef struct wb_name {
    struct wb_name *next;
    char *wanted;
    char *numbered;           /* room for it with a number */
    const char *_Atomic text; /* one of the two; once the name is taken, the same for good */
    bool taken, released;
} wb_name;

/* Zeroed. False: no memory. */
bool wb_name_init(wb_name *name, const char *wanted);
/* At each use: the first in a process takes it, and answers true. */
bool wb_name_take(wb_name *name);
/* From now on another may have it. Idempotent. */
void wb_name_release(wb_name *name);
void wb_name_fini(wb_name *name);

/* As it was taken; before that, as it is wanted. It lasts until wb_name_fini. */
static inline const char *wb_name_text(const wb_name *name)
{
    return atomic_load(&name->text);
}

#endif
