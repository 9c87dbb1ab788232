/* SPDX-License-Identifier: MIT
 * See spool_root.h. */
#define _XOPEN_SOURCE 700 /* nftw */
#include "support/spool_root.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/support.h"

void root_make(char path[ROOT_PATH])
{
    const char *temporary = getenv("TMPDIR");
    if (access("/dev/shm", W_OK) == 0)
        temporary = "/dev/shm";
    snprintf(path, ROOT_PATH, "%s/writebehind-XXXXXX", temporary != NULL ? temporary : "/tmp");
    assert_non_null(mkdtemp(path));
}

char test_root[ROOT_PATH];

int root_open(void **state)
{
    (void)state;
    root_make(test_root);
    return 0;
}

int root_close(void **state)
{
    (void)state;
    root_remove(test_root);
    return 0;
}

/* ---- walks ---- */

static const char *the_ending;
static size_t the_count;

static int remove_one(const char *path, const struct stat *status, int what, struct FTW *place)
{
    (void)status;
    if (place->level == 0)
        return 0;
    return what == FTW_DP ? rmdir(path) : unlink(path);
}

static int count_one(const char *path, const struct stat *status, int what, struct FTW *place)
{
    size_t bytes = strlen(path), ending = the_ending != NULL ? strlen(the_ending) : 0;
    (void)status, (void)place;
    if (what == FTW_F && bytes >= ending &&
        (ending == 0 || strcmp(path + bytes - ending, the_ending) == 0))
        the_count++;
    return 0;
}

void root_empty(const char *path)
{
    assert_int_equal(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

void root_remove(const char *path)
{
    root_empty(path);
    assert_int_equal(rmdir(path), 0);
}

size_t root_count(const char *path, const char *ending)
{
    the_ending = ending;
    the_count = 0;
    assert_int_equal(nftw(path, count_one, 16, FTW_PHYS), 0);
    return the_count;
}

/* ---- files ---- */

uint8_t *root_read(const char *path, size_t *bytes)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && fstat(fd, &status) == 0);
    *bytes = (size_t)status.st_size;
    uint8_t *out = malloc(*bytes > 0 ? *bytes : 1);
    assert_non_null(out);
    assert_int_equal(pread(fd, out, *bytes, 0), *bytes);
    close(fd);
    return out;
}

void root_write(const char *path, const void *bytes, size_t count)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, count), count);
    close(fd);
}
