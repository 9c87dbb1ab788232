/* SPDX-License-Identifier: MIT
 * Absolute paths, for which nothing needs to exist and no link is followed; and the opening of files that others may have
 * put there. No state, no locks. */
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
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

int wb_path_open(const char *path, int flags, const char **why)
{
    struct stat status;
    int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, S_IRUSR | S_IWUSR);
    if (fd < 0) {
        *why = errno == ELOOP ? "it is a symbolic link" : strerror(errno);
        return -1;
    }
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
        return fd;
    *why = "it is no regular file";
    close(fd);
    return -1;
}
