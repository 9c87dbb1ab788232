/* SPDX-License-Identifier: MIT
 * See adopt.h. Each step may be the last of this process: the next one that adopts finds what is left of them.
 *   1. The folder moves into this one, whole: a write that had rows of several segments has one heir, which lets none of its
 *      rows go out before it has all: half of it would be taken for all by its key.
 *   2. Rows that are part of a later one are settled; then the headers say that this was done.
 *   3. Each segment is checked, gets a header of this machine's start, and moves up, under a serial of its own.
 * Where a step fails, those behind it wait for the next look. What outlives the machine is synced behind 2, and in 3 before
 * it moves. In 3 the count is written before the boot id, which makes it believed. */
#include "spool/adopt.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/crc32c.h"
#include "base/env.h"
#include "base/err.h"
#include "spool/disk.h"
#include "spool/files.h"
#include "spool/resolve.h"
#include "spool/tend.h"

enum { PATH_BYTES = WB_SPOOL_PATH_BYTES, TOLD_AFTER = 5 };

struct adoption {
    wb_spool *spool;
    const wb_adopter *adopter;
    const char *path; /* of the folder that is taken over */
    bool failed;      /* something is to be done again */
};

static void say(const struct adoption *adoption, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void say(const struct adoption *adoption, int level, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    adoption->adopter->say(adoption->adopter->context, level, text);
}

static void fail(struct adoption *adoption, const wb_err *err)
{
    adoption->failed = true;
    say(adoption, WB_ERROR, "%s", err->text);
}

/* ---- the segments of a folder ---- */

struct serials {
    uint64_t *of;
    size_t count;
};

static int compare_serials(const void *a, const void *b)
{
    uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;
    return (one > other) - (one < other);
}

/* Of a regular file: what else has such a name is left where it is. */
static bool read_serial(DIR *folder, const struct dirent *entry, uint64_t *out)
{
    const char *name = entry->d_name;
    char rest[8];
    struct stat status;
    if (fstatat(dirfd(folder), name, &status, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(status.st_mode))
        return false;
    return strlen(name) == 20 && sscanf(name, "%16" SCNx64 "%7s", out, rest) == 2 &&
           strcmp(rest, ".seg") == 0;
}

/* False: no memory, or the folder can't be read. The caller frees them. */
static bool list_segments(const char *path, struct serials *out)
{
    wb_buffer serials = WB_BUFFER_EMPTY;
    DIR *folder = opendir(path);
    const struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        uint64_t serial;
        if (read_serial(folder, entry, &serial))
            wb_buffer_put(&serials, &serial, sizeof serial);
    }
    if (folder == NULL)
        return false;
    closedir(folder);
    size_t bytes;
    out->of = (uint64_t *)wb_buffer_take(&serials, &bytes);
    out->count = bytes / sizeof(uint64_t);
    if (out->of != NULL)
        qsort(out->of, out->count, sizeof *out->of, compare_serials);
    return out->of != NULL;
}

/* ---- a segment becomes ours ---- */

/* Each segment, by a function of its bytes. */
static void each_segment(struct adoption *adoption, const struct serials *serials,
                         void (*look)(struct adoption *, const char *, uint8_t *, size_t, bool))
{
    for (size_t i = 0; i < serials->count; i++) {
        char path[PATH_BYTES];
        uint8_t *bytes;
        size_t size;
        bool gaps;
        wb_err err;
        if (i + 1 < serials->count) {
            wb_spool_segment_path(adoption->path, serials->of[i + 1], path);
            wb_disk_read_ahead(path);
        }
        wb_spool_segment_path(adoption->path, serials->of[i], path);
        if (wb_disk_read(path, UINT32_MAX, &bytes, &size, &gaps, &err) != WB_OK) {
            fail(adoption, &err);
            continue;
        }
        look(adoption, path, bytes, size, gaps);
        wb_free(bytes);
    }
}

static const char *id_of(const char *path)
{
    return strrchr(path, '/') + 1;
}

static void bad_path(const struct adoption *adoption, const char *path, char bad[PATH_BYTES])
{
    snprintf(bad, PATH_BYTES, "%s/%s.%.16s.bad", adoption->spool->options.path,
             id_of(adoption->path), id_of(path));
}

/* Nothing of it is believed. */
static void put_aside(struct adoption *adoption, const char *path, const char *why)
{
    char bad[PATH_BYTES];
    wb_err err;
    bad_path(adoption, path, bad);
    if (wb_disk_rename(path, bad, &err) == WB_OK)
        say(adoption, WB_ERROR, "spool: %s is no whole segment: %s", bad, why);
    else
        fail(adoption, &err);
}

/* What is not believed is kept for who wants to look at it. */
static void copy_aside(const struct adoption *adoption, const char *path,
                       const wb_spool_reading *reading)
{
    char bad[PATH_BYTES];
    wb_err err = {0};
    bad_path(adoption, path, bad);
    int code = wb_disk_write(bad, reading->bytes, reading->size, &err);
    say(adoption, WB_ERROR,
        "spool: %u of %u entries of a segment are whole: the others are in %s%s%s", reading->count,
        reading->claimed, bad, code == WB_OK ? "" : ", which failed: ", err.text);
}

static bool has_waiting(const wb_spool_reading *reading)
{
    wb_spooled_row row;
    for (uint32_t i = 0; i < reading->count; i++)
        if (wb_spool_segment_row(reading, i, &row) && !row.settled)
            return true;
    return false;
}

static void remove_file(struct adoption *adoption, const char *path)
{
    wb_err err;
    if (wb_disk_remove(path, &err) != WB_OK)
        fail(adoption, &err);
}

static int make_ours(const wb_spool *spool, const char *path, uint8_t *bytes, uint64_t serial,
                     const wb_spool_reading *reading, wb_err *err)
{
    wb_spool_header *header = (wb_spool_header *)bytes;
    int code = WB_OK;
    if (reading->count != reading->claimed)
        code = wb_disk_patch(path, offsetof(wb_spool_header, count), &reading->count,
                             sizeof reading->count, err);
    header->serial = serial;
    header->count = reading->count;
    header->doubtful = reading->doubtful;
    header->synced = wb_spool_outlives_machine(spool);
    wb_disk_boot(header->boot);
    header->check = wb_crc32c(0, header, offsetof(wb_spool_header, check));
    return code == WB_OK ? wb_disk_patch(path, 0, header, offsetof(wb_spool_header, count), err)
                         : code;
}

static void take(struct adoption *adoption, const char *path, uint8_t *bytes,
                 const wb_spool_reading *reading)
{
    wb_err err = {0};
    wb_spool_file *file;
    wb_spool *spool = adoption->spool;
    wb_monitor_lock(&spool->monitor);
    uint64_t serial = ++spool->serial;
    wb_monitor_unlock(&spool->monitor);
    int code = make_ours(spool, path, bytes, serial, reading, &err);
    if (code == WB_OK)
        code = wb_spool_enter(spool, path, reading, &file, &err);
    if (code != WB_OK) {
        fail(adoption, &err);
        if (spool->stuck >= TOLD_AFTER)
            put_aside(adoption, path, err.text);
        return;
    }
    adoption->adopter->segment(adoption->adopter->context, file, reading);
    wb_spool_unpin(spool, file, 0);
    (void)wb_spool_tend(spool); /* what comes meanwhile is made ready for, and synced */
}

static void look_at(struct adoption *adoption, const char *path, uint8_t *bytes, size_t size,
                    bool gaps)
{
    wb_spool_reading reading;
    wb_err err = {0};
    if (wb_spool_segment_is_blank(bytes, size) && !gaps) {
        remove_file(adoption, path);
        return;
    }
    int code = wb_spool_segment_read(bytes, size, gaps, &reading, &err);
    if (code == WB_OK)
        code = wb_spool_segment_believe(&reading, &err);
    if (code == WB_INVALID)
        put_aside(adoption, path, err.text);
    else if (code != WB_OK)
        fail(adoption, &err);
    if (code != WB_OK)
        return;
    if (reading.count < reading.claimed || gaps)
        copy_aside(adoption, path, &reading);
    if (has_waiting(&reading))
        take(adoption, path, bytes, &reading);
    else
        remove_file(adoption, path);
}

/* ---- folders ---- */

static void raise_inner(struct adoption *adoption)
{
    wb_err err;
    const wb_folder inner = {.path = (char *)adoption->path};
    char path[512], to[PATH_BYTES];
    size_t at = 0;
    while (wb_folder_inner(&inner, &at, path)) {
        snprintf(to, sizeof to, "%s/%s", adoption->spool->folder.path, id_of(path));
        if (wb_disk_rename(path, to, &err) == WB_OK)
            at = 0;
        else
            fail(adoption, &err);
    }
}

static void end_folder(const struct adoption *adoption)
{
    char owner[PATH_BYTES];
    snprintf(owner, sizeof owner, "%s/owner", adoption->path);
    if (rmdir(adoption->path) != 0) {
        (void)wb_disk_remove(owner, NULL);
        (void)wb_disk_remove_folder(adoption->path, NULL);
    }
}

/* What became of a folder: gone; it stays, as others have put something into it; something is to be done again. */
enum fate { GONE, STAYS, FAILED };

static enum fate adopt_folder(wb_spool *spool, const wb_adopter *adopter, const char *path)
{
    struct adoption adoption = {.spool = spool, .adopter = adopter, .path = path};
    struct serials serials;
    raise_inner(&adoption);
    if (!list_segments(path, &serials)) {
        say(&adoption, WB_ERROR, "spool: out of memory for %s", path);
        return FAILED;
    }
    wb_err err;
    if (wb_spool_resolve(path, serials.of, serials.count, wb_spool_outlives_machine(spool), &err) !=
        WB_OK)
        fail(&adoption, &err);
    else
        each_segment(&adoption, &serials, look_at);
    wb_free(serials.of);
    if (adoption.failed)
        return FAILED;
    end_folder(&adoption);
    return access(path, F_OK) == 0 ? STAYS : GONE;
}

static void adopt_inner(wb_spool *spool, const wb_adopter *adopter)
{
    char path[512];
    unsigned stay = 0, failed = 0;
    for (size_t at = 0; wb_folder_inner(&spool->folder, &at, path);) {
        enum fate fate = adopt_folder(spool, adopter, path);
        stay += fate == STAYS;
        failed += fate == FAILED;
        if (fate == GONE) { /* the others have other numbers now */
            at = 0;
            stay = failed = 0;
        }
    }
    bool whole = failed == 0 && (stay > 0 || !wb_folder_has_inner(&spool->folder));
    spool->stuck = whole ? 0 : spool->stuck + 1;
    if (whole)
        adopter->whole(adopter->context);
}

void wb_spool_adopt(wb_spool *spool, const wb_adopter *adopter)
{
    const struct adoption adoption = {.spool = spool, .adopter = adopter};
    wb_found_folder found;
    size_t at = 0;
    int what;
    while ((what = wb_folder_find(spool->options.path, &spool->folder, spool->kind, spool->name,
                                  &at, &found)) != WB_FOUND_NONE)
        if (what == WB_FOUND_OTHER && spool->looks == TOLD_AFTER)
            say(&adoption, WB_WARN,
                "spool: nobody has %s, which is of %s: an object of that name would store its rows",
                found.path, found.owner);
    spool->looks++;
    adopt_inner(spool, adopter);
}
