/* SPDX-License-Identifier: MIT
 * See spool_disk.h. Each file that was ever seen is kept open, so that what was removed can be read. */
#include "support/spool_disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/disk.h"
#include "support/support.h"

enum { SECTOR = 512, MOST_FILES = 2048, MOST_NAMES = 400, MOST_STEPS = 64, PATH = 900 };

/* A file, and what the disk surely has of it. */
static struct file {
    ino_t inode;
    int fd;
    bool whole, made; /* it is always as it is; its size is on the disk */
    uint8_t *bytes;
    size_t size;
} the_files[MOST_FILES];
static size_t the_file_count;

/* What a folder had at some step. */
typedef struct listing {
    size_t count;
    struct name {
        char path[320];    /* in the root */
        struct file *file; /* NULL: a folder */
    } names[MOST_NAMES];
} listing;
static listing the_steps[MOST_STEPS];
static size_t the_step_count;

/* What was remembered. */
static struct kept {
    char path[320];
    bool is_file;
    uint8_t *bytes;
    size_t size;
} the_kept[MOST_NAMES];
static size_t the_kept_count;

static char the_root[ROOT_PATH];
static uint64_t the_random;
static size_t the_calls_left;
static bool the_power_goes, the_stop, the_hush;
static void (*tell_synced)(const char *path, const uint8_t *bytes, size_t size);

/* ---- files ---- */

static uint8_t *read_now(const struct file *file, size_t *size)
{
    struct stat status;
    assert_int_equal(fstat(file->fd, &status), 0);
    *size = (size_t)status.st_size;
    uint8_t *bytes = calloc(1, *size + 1);
    assert_int_equal(pread(file->fd, bytes, *size, 0), *size);
    return bytes;
}

static struct file *file_at(const char *path)
{
    struct stat status;
    assert_int_equal(lstat(path, &status), 0);
    for (size_t i = the_file_count; i > 0; i--)
        if (the_files[i - 1].inode == status.st_ino)
            return &the_files[i - 1];
    assert_true(the_file_count < MOST_FILES);
    struct file *file = &the_files[the_file_count++];
    const char *name = strrchr(path, '/') + 1;
    *file = (struct file){.inode = status.st_ino, .fd = open(path, O_RDONLY | O_CLOEXEC)};
    file->whole = strcmp(name, "owner") == 0;
    assert_true(file->fd >= 0);
    return file;
}

/* The disk has some sectors as they are now, or all. */
static void write_back(struct file *file, uint64_t of_hundred)
{
    size_t size;
    uint8_t *now = read_now(file, &size);
    if (file->size != size) {
        file->bytes = realloc(file->bytes, size + 1);
        if (size > file->size)
            memset(file->bytes + file->size, 0, size - file->size);
        file->size = size;
    }
    for (size_t at = 0; at < size; at += SECTOR)
        if (random_below(&the_random, 100) < of_hundred)
            memcpy(file->bytes + at, now + at, size - at < SECTOR ? size - at : SECTOR);
    free(now);
}

/* ---- folders ---- */

static void list(const char *folder, listing *out)
{
    char path[PATH];
    snprintf(path, sizeof path, "%s/%s", the_root, folder);
    DIR *opened = opendir(path);
    const struct dirent *entry;
    while (opened != NULL && (entry = readdir(opened)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        assert_true(out->count < MOST_NAMES);
        struct name *name = &out->names[out->count++];
        int bytes = snprintf(name->path, sizeof name->path, "%s%s%s", folder,
                             folder[0] != '\0' ? "/" : "", entry->d_name);
        assert_true(bytes < (int)sizeof name->path);
        bool is_folder = entry->d_type == DT_DIR;
        snprintf(path, sizeof path, "%s/%s", the_root, name->path);
        name->file = is_folder ? NULL : file_at(path);
        if (is_folder)
            list(name->path, out);
    }
    if (opened != NULL)
        closedir(opened);
}

static bool is_same(const listing *a, const listing *b)
{
    return a->count == b->count && memcmp(a->names, b->names, a->count * sizeof *a->names) == 0;
}

/* What there is now is one more step. */
static void step(void)
{
    static listing now;
    memset(&now, 0, sizeof now);
    list("", &now);
    if (the_step_count > 0 && is_same(&now, &the_steps[the_step_count - 1]))
        return;
    if (the_step_count == MOST_STEPS)
        memmove(the_steps, the_steps + 1, --the_step_count * sizeof *the_steps);
    the_steps[the_step_count++] = now;
}

/* ---- remembering ---- */

static void forget(void)
{
    while (the_kept_count > 0)
        free(the_kept[--the_kept_count].bytes);
}

static void keep(const struct name *name, bool power_lost)
{
    static const uint64_t shares[] = {0, 20, 50, 80, 100};
    struct kept *kept = &the_kept[the_kept_count++];
    struct file *file = name->file;
    *kept = (struct kept){.is_file = file != NULL};
    memcpy(kept->path, name->path, sizeof kept->path);
    if (file == NULL)
        return;
    if (power_lost && !file->whole) {
        size_t size = file->size;
        if (size > 0 || random_below(&the_random, 4) > 0)
            write_back(file, shares[random_below(&the_random, 5)]);
        kept->size = file->size;
        kept->bytes = calloc(1, kept->size + 1);
        if (kept->size > 0)
            memcpy(kept->bytes, file->bytes, kept->size);
    } else {
        kept->bytes = read_now(file, &kept->size);
    }
}

static void remember(bool power_lost)
{
    step();
    size_t at = power_lost ? random_below(&the_random, the_step_count) : the_step_count - 1;
    forget();
    for (size_t i = 0; i < the_steps[at].count; i++)
        keep(&the_steps[at].names[i], power_lost);
    the_stop = true;
}

/* ---- hooks ---- */

static void on_call(void)
{
    if (the_stop || the_hush)
        return;
    step();
    const listing *now = &the_steps[the_step_count - 1];
    bool writes = random_below(&the_random, 40) == 0;
    for (size_t i = 0; i < now->count && writes; i++)
        if (now->names[i].file != NULL)
            write_back(now->names[i].file, 30);
    if (the_calls_left > 0 && --the_calls_left == 0)
        remember(the_power_goes);
}

static void on_sync(const char *path)
{
    struct stat status;
    if (the_stop || lstat(path, &status) != 0)
        return;
    step();
    if (S_ISDIR(status.st_mode)) {
        the_steps[0] = the_steps[the_step_count - 1];
        the_step_count = 1;
        return;
    }
    struct file *file = file_at(path);
    write_back(file, 100);
    the_hush = true;
    if (tell_synced != NULL)
        tell_synced(path, file->bytes, file->size);
    the_hush = false;
}

void disk_watch(const char *root, uint64_t seed,
                void (*synced)(const char *path, const uint8_t *bytes, size_t size))
{
    snprintf(the_root, sizeof the_root, "%s", root);
    the_random = seed;
    the_calls_left = 0;
    the_stop = false;
    the_step_count = 0;
    tell_synced = synced;
    step();
    for (size_t i = 0; i < the_steps[0].count; i++)
        if (the_steps[0].names[i].file != NULL)
            write_back(the_steps[0].names[i].file, 100);
    wb_disk_called = on_call;
    wb_disk_synced = on_sync;
}

void disk_stop_after(size_t n, bool power_lost)
{
    the_calls_left = n;
    the_power_goes = power_lost;
}

bool disk_stopped(void)
{
    return the_stop;
}

void disk_stop(bool power_lost)
{
    if (!the_stop)
        remember(power_lost);
    wb_disk_called = NULL;
    wb_disk_synced = NULL;
    while (the_file_count > 0) {
        struct file *file = &the_files[--the_file_count];
        close(file->fd);
        free(file->bytes);
    }
}

void disk_restore(void)
{
    root_empty(the_root);
    for (size_t i = 0; i < the_kept_count; i++) {
        char path[PATH];
        snprintf(path, sizeof path, "%s/%.*s", the_root, (int)sizeof the_kept[i].path - 1,
                 the_kept[i].path);
        if (the_kept[i].is_file)
            root_write(path, the_kept[i].bytes, the_kept[i].size);
        else
            assert_int_equal(mkdir(path, 0700), 0);
    }
    forget();
}
