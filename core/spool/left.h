/* SPDX-License-Identifier: MIT
 * The segments of a folder that nobody has. */
#ifndef WB_SPOOL_LEFT_H
#define WB_SPOOL_LEFT_H

#include "base/err.h"

enum { WB_LEFT_PATH_BYTES = 600 };

typedef struct wb_left {
    const char *folder; /* borrowed */
    uint64_t *serials;  /* ascending */
    size_t count;
} wb_left;

bool wb_left_list(const char *folder, wb_left *out); /* false: no memory */
void wb_left_fini(wb_left *left);
void wb_left_path(const char *folder, uint64_t serial, char path[WB_LEFT_PATH_BYTES]);

/* Settles the rows that are part of later ones, where any segment says that its rows may replace others; then they all say
 * that this was done. WB_STORE: not yet. */
int wb_left_resolve(const wb_left *left, wb_err *err);

#endif
