/* SPDX-License-Identifier: MIT
 * The disk, as a spool uses it: all that it asks of the system for its files, so that a test can make each call fail, and
 * sees what would outlive a loss of power. Each fails with WB_STORE and a sentence that names the file and the system's
 * reason. No state but the tests'. */
#ifndef WB_DISK_H
#define WB_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* A new file of so many bytes, all of them there (posix_fallocate) and 0, mapped shared and present in memory; none of the
 * name may be there. Nothing is left of one that failed. */
int wb_disk_make(const char *path, size_t bytes, uint8_t **map, wb_err *err);
/* Maps a file of so many bytes. WB_INVALID: it has fewer. */
int wb_disk_map(const char *path, size_t bytes, uint8_t **map, wb_err *err);
void wb_disk_unmap(uint8_t *map, size_t bytes); /* NULL is fine */
/* What was written through the map is on the disk. */
int wb_disk_sync(const char *path, uint8_t *map, size_t bytes, wb_err *err);
/* What was made, renamed and removed in a folder is. */
int wb_disk_sync_folder(const char *path, wb_err *err);
/* Reads a whole file, never more than `most` bytes, by pread: what the disk can't read is an error here, and a SIGBUS in a
 * map. The caller frees it with wb_free. What can't be read is 0, and *gaps then true. */
int wb_disk_read(const char *path, size_t most, uint8_t **out, size_t *bytes, bool *gaps,
                 wb_err *err);
/* It is to be read next: the disk may begin. */
void wb_disk_read_ahead(const char *path);
/* Writes bytes into a file that is there; or a new one that has only them, and is on the disk when this returns. */
int wb_disk_patch(const char *path, size_t at, const void *bytes, size_t count, wb_err *err);
int wb_disk_write(const char *path, const void *bytes, size_t count, wb_err *err);
int wb_disk_rename(const char *from, const char *to, wb_err *err);
int wb_disk_remove(const char *path, wb_err *err);      /* one that is gone already is fine */
int wb_disk_make_folder(const char *path, wb_err *err); /* 0700 */
int wb_disk_remove_folder(const char *path, wb_err *err);

/* What the machine's start is known by: the kernel's boot id; 0 where it has none, and then no start is the same. */
void wb_disk_boot(uint8_t out[16]);

/* For tests: the n-th call from now fails, and every later one. 0: none fails. */
void wb_disk_fail_after(size_t n);
/* Called with the path of a file, or a folder, that was synced; NULL: nobody is. */
extern void (*wb_disk_synced)(const char *path);
extern void (*wb_disk_called)(void); /* before each call; NULL: nobody is told */
extern uint8_t wb_disk_starts;       /* how often a test has started the machine anew */

#endif
