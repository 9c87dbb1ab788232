/* SPDX-License-Identifier: MIT
 * Absolute paths. Nothing needs to exist, and no link is followed. No state, no locks; only memory fails. */
#include "base/path.h"

#include <limits.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/env.h"

char *wb_path_absolute(const char *path)
{
    char directory[PATH_MAX];
    if (path[0] == '/' || getcwd(directory, sizeof directory) == NULL)
        return wb_strdup(path);
    wb_buffer absolute = WB_BUFFER_EMPTY;
    wb_buffer_printf(&absolute, "%s/%s", directory, path);
    return wb_buffer_take(&absolute, NULL);
}
