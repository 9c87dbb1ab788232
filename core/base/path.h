/* SPDX-License-Identifier: MIT
 * Paths: what a caller names stays the same file when the process changes its directory. */
#ifndef WB_PATH_H
#define WB_PATH_H

/* The path from the root on; the caller frees it with wb_free. NULL: no memory. A directory that can't be
 * told leaves the path as it is. */
char *wb_path_absolute(const char *path);

#endif
