/* SPDX-License-Identifier: MIT
 * Files that a caller names: they stay the same when the process changes its directory, and are files. */
#ifndef WB_PATH_H
#define WB_PATH_H

/* The path from the root; the caller frees it with wb_free. NULL: no memory. Where the current directory is unknown
 * the path stays as it is. */
char *wb_path_absolute(const char *path);

/* As open(2), of a regular file alone, which is made for its owner alone (0600) where it is missing and flags say so. A
 * FIFO or a device would stop the caller, and a link may lead to somebody else's file. -1: *why says why, till the next
 * call of strerror. */
int wb_path_open(const char *path, int flags, const char **why);

#endif
