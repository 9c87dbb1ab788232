/* SPDX-License-Identifier: MIT
 * See disk.h. Files are 0600 and folders 0700; no link is followed at the end of a path. */
#include "spool/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/env.h"
#include "base/uuid.h"

enum { PAGE = 4096, PRIVATE_FILE = S_IRUSR | S_IWUSR, PRIVATE_FOLDER = S_IRWXU };

static atomic_size_t fails_after;
void (*wb_disk_synced)(const char *path);
void (*wb_disk_called)(void);
uint8_t wb_disk_starts;

void wb_disk_fail_after(size_t n)
{
    atomic_store(&fails_after, n);
}

/* Once it is down to 1 it stays there. */
static bool fails(void)
{
    size_t n = atomic_load_explicit(&fails_after, memory_order_relaxed);
    if (wb_disk_called != NULL)
        wb_disk_called();
    if (n == 0)
        return false;
    if (n > 1)
        atomic_store(&fails_after, n - 1);
    else
        errno = ENOSPC;
    return n == 1;
}

static int refuse(const char *what, const char *path, int error, wb_err *err)
{
    return wb_fail(err, WB_STORE, "spool: can't %s %s: %s", what, path, strerror(error));
}

static int answer(bool done, const char *what, const char *path, wb_err *err)
{
    return done ? WB_OK : refuse(what, path, errno, err);
}

static int open_at(const char *path, int flags)
{
    return fails()
               ? -1
               : open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, PRIVATE_FILE);
}

/* ---- maps ---- */

static int map(int fd, const char *path, size_t bytes, uint8_t **out, wb_err *err)
{
    void *at = fails() ? MAP_FAILED : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return refuse("map", path, errno, err);
    *out = at;
    return WB_OK;
}

/* The first write to a page of a shared map is a fault, which the file system hears of: here rather than in an add. */
static void fault_in(uint8_t *at, size_t bytes)
{
#ifdef MADV_POPULATE_WRITE
    if (madvise(at, bytes, MADV_POPULATE_WRITE) == 0)
        return;
#endif
    for (size_t page = 0; page < bytes; page += PAGE)
        ((volatile uint8_t *)at)[page] = 0;
}

int wb_disk_make(const char *path, size_t bytes, uint8_t **out, wb_err *err)
{
    int fd = open_at(path, O_RDWR | O_CREAT | O_EXCL);
    if (fd < 0)
        return refuse("make", path, errno, err);
    int error = fails() ? errno : posix_fallocate(fd, 0, (off_t)bytes);
    int code =
        error == 0 ? map(fd, path, bytes, out, err) : refuse("find room for", path, error, err);
    close(fd);
    if (code == WB_OK)
        fault_in(*out, bytes);
    else
        unlink(path);
    return code;
}

int wb_disk_map(const char *path, size_t bytes, uint8_t **out, wb_err *err)
{
    int fd = open_at(path, O_RDWR);
    if (fd < 0)
        return refuse("open", path, errno, err);
    struct stat status;
    int code = fstat(fd, &status) == 0 && (uint64_t)status.st_size >= bytes
                   ? map(fd, path, bytes, out, err)
                   : wb_fail(err, WB_INVALID, "spool: %s has fewer than %zu bytes", path, bytes);
    close(fd);
    return code;
}

void wb_disk_unmap(uint8_t *at, size_t bytes)
{
    if (at != NULL)
        munmap(at, bytes);
}

/* ---- syncing ---- */

static void tell_synced(const char *path)
{
    if (wb_disk_synced != NULL)
        wb_disk_synced(path);
}

int wb_disk_sync(const char *path, uint8_t *at, size_t bytes, wb_err *err)
{
    if (fails() || msync(at, bytes, MS_SYNC) != 0)
        return refuse("sync", path, errno, err);
    tell_synced(path);
    return WB_OK;
}

/* Closes it. */
static int sync_and_close(int fd, const char *path, wb_err *err)
{
    int code = answer(!fails() && fsync(fd) == 0, "sync", path, err);
    close(fd);
    if (code == WB_OK)
        tell_synced(path);
    return code;
}

int wb_disk_sync_folder(const char *path, wb_err *err)
{
    int fd = open_at(path, O_RDONLY | O_DIRECTORY);
    return fd < 0 ? refuse("open", path, errno, err) : sync_and_close(fd, path, err);
}

/* ---- reading ---- */

/* Page by page where the whole can't be read. */
static void read_pages(int fd, uint8_t *to, size_t bytes, bool *gaps)
{
    for (size_t at = 0; at < bytes; at += PAGE) {
        size_t part = bytes - at < PAGE ? bytes - at : PAGE;
        if (pread(fd, to + at, part, (off_t)at) != (ssize_t)part) {
            memset(to + at, 0, part);
            *gaps = true;
        }
    }
}

static void read_all(int fd, uint8_t *to, size_t bytes, bool *gaps)
{
    size_t done = 0;
    while (done < bytes) {
        ssize_t got = fails() ? -1 : pread(fd, to + done, bytes - done, (off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    if (done < bytes)
        read_pages(fd, to, bytes, gaps);
}

void wb_disk_read_ahead(const char *path)
{
    int fd = open_at(path, O_RDONLY);
    if (fd < 0)
        return;
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);
    close(fd);
}

int wb_disk_read(const char *path, size_t most, uint8_t **out, size_t *bytes, bool *gaps,
                 wb_err *err)
{
    struct stat status;
    int fd = open_at(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        int error = fd < 0 ? errno : EINVAL;
        if (fd >= 0)
            close(fd);
        return refuse("read", path, error, err);
    }
    *bytes = (uint64_t)status.st_size < most ? (size_t)status.st_size : most;
    *gaps = false;
    *out = wb_alloc(*bytes + 1);
    if (*out != NULL)
        read_all(fd, *out, *bytes, gaps);
    close(fd);
    return *out != NULL ? WB_OK : wb_fail(err, WB_MEMORY, "out of memory to read %s", path);
}

/* ---- files and folders ---- */

static bool write_all(int fd, const uint8_t *bytes, size_t count, size_t at)
{
    while (count > 0) {
        ssize_t put = fails() ? -1 : pwrite(fd, bytes, count, (off_t)at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        bytes += put;
        at += (size_t)put;
        count -= (size_t)put;
    }
    return true;
}

/* -1: it can't be written. */
static int write_file(const char *path, int flags, size_t at, const void *bytes, size_t count,
                      wb_err *err)
{
    int fd = open_at(path, flags);
    if (fd >= 0 && write_all(fd, bytes, count, at))
        return fd;
    refuse("write", path, errno, err);
    if (fd >= 0)
        close(fd);
    return -1;
}

int wb_disk_patch(const char *path, size_t at, const void *bytes, size_t count, wb_err *err)
{
    int fd = write_file(path, O_WRONLY, at, bytes, count, err);
    if (fd >= 0)
        close(fd);
    return fd >= 0 ? WB_OK : WB_STORE;
}

int wb_disk_write(const char *path, const void *bytes, size_t count, wb_err *err)
{
    int fd = write_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0, bytes, count, err);
    return fd >= 0 ? sync_and_close(fd, path, err) : WB_STORE;
}

int wb_disk_rename(const char *from, const char *to, wb_err *err)
{
    return answer(!fails() && rename(from, to) == 0, "rename", from, err);
}

int wb_disk_remove(const char *path, wb_err *err)
{
    bool done = !fails() && (unlink(path) == 0 || errno == ENOENT);
    return answer(done, "remove", path, err);
}

int wb_disk_make_folder(const char *path, wb_err *err)
{
    return answer(!fails() && mkdir(path, PRIVATE_FOLDER) == 0, "make", path, err);
}

int wb_disk_remove_folder(const char *path, wb_err *err)
{
    return answer(!fails() && rmdir(path) == 0, "remove", path, err);
}

void wb_disk_boot(uint8_t out[16])
{
    char text[36];
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    bool known = fd >= 0 && read(fd, text, sizeof text) == (ssize_t)sizeof text;
    if (fd >= 0)
        close(fd);
    if (!known || !wb_uuid_parse(text, sizeof text, out))
        memset(out, 0, 16);
    out[15] ^= wb_disk_starts;
}
