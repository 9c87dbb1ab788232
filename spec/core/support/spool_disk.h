/* SPDX-License-Identifier: MIT
 * What a disk has of a folder when the power is lost, or the process dies: a model beside the real files. Each sector of 512
 * bytes that was changed since its file was synced may be there or not; what was made, renamed and removed is there up to some
 * step after the last sync of a folder, in its order, as file systems with a journal have it. A file `owner` is always whole:
 * it is synced as it is written. Whatever goes wrong here fails the test by itself. */
#ifndef WB_SPOOL_DISK_H
#define WB_SPOOL_DISK_H

#include "support/spool_root.h"

/* Watches a folder through the hooks of spool/disk.h. `synced` is told of each file that was synced, with its bytes; it may
 * be NULL. */
void disk_watch(const char *root, uint64_t seed,
                void (*synced)(const char *path, const uint8_t *bytes, size_t size));
/* Remembers what there would be, from now on: of a process that died, or without power. Then nothing is watched any more. */
void disk_stop(bool power_lost);
/* Makes the folder, whatever it has by now, what was remembered. */
void disk_restore(void);
/* Remembers the same at the n-th call from now, as if all had stopped there; disk_stop then keeps it. 0: never. */
void disk_stop_after(size_t n, bool power_lost);
bool disk_stopped(void);

#endif
