/* SPDX-License-Identifier: MIT
 * The names of a process's pipelines, in logs and events: each is there once among those that are not closed. Who asks
 * for one that is taken gets it with a number: "t#2". */
#ifndef WB_NAMES_H
#define WB_NAMES_H

#include "base/env.h"

typedef struct wb_name {
    struct wb_name *next;
    char *text;
    /* Of whom it names: was it used, and in which fork generation? */
    const atomic_bool *used;
    const atomic_uint *process;
} wb_name;

/* Zeroed, with what it points at. Its text lasts until wb_name_fini. False: no memory. */
bool wb_name_take(wb_name *name, const char *wanted);
/* From now on another may have it. Idempotent. */
void wb_name_release(wb_name *name);
void wb_name_fini(wb_name *name);

#endif
