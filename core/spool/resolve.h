/* SPDX-License-Identifier: MIT
 * Settling rows of a folder that are part of later ones, once its process is gone: by what the later ones say. Then the headers
 * say that it was done. It may be done twice, and what failed is done again. */
#ifndef WB_RESOLVE_H
#define WB_RESOLVE_H

#include "spool/files.h"

/* In the segments of these serials. `outlives_machine`: each step is on the disk before the next one. WB_STORE, WB_MEMORY. */
int wb_spool_resolve(const char *folder, const uint64_t *serials, size_t count,
                     bool outlives_machine, wb_err *err);

#endif
