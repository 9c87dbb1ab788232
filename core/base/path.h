/* SPDX-License-Identifier: MIT
 * Absolute paths: a file that a caller names stays the same when the process changes its directory. */
#ifndef WB_PATH_H
#define WB_PATH_H

/* The path from the root; the caller frees it with wb_free. NULL: no memory. Where the current directory is unknown
 * the path stays as it is. */
char *wb_path_absolute(const char *path);

#endif
